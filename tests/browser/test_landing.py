from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import looking
import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.server]
Visit = Callable[..., Page]

PROBE_SAYS = {"Probe", "A small app that uses every part of the house."}
SIGHTS = list(itertools.product(["en", "zh"], [False, True], [1280, 390]))


@pytest.mark.parametrize(("language", "dark", "width"), SIGHTS)
def test_the_page_stands_in_every_light(
    home: str, visit: Visit, screenshots: Path, language: str, dark: bool, width: int
) -> None:
    page = visit(f"{home}/?lang={language}", width=width, dark=dark)
    page.screenshot(path=screenshots / f"landing-{language}-{'dark' if dark else 'light'}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
    assert page.evaluate(looking.OVERFLOW) == 0
    assert looking.unnamed(page) == []
    assert (looking.brightness(page) < 64) == dark


def test_every_app_has_a_card_that_leads_to_it(home: str, visit: Visit) -> None:
    page = visit(home)
    links = [card.get_attribute("href") for card in page.locator("a.card").all()]
    apps = sorted(path.stem for path in (Path(__file__).parents[2] / "notebooks").glob("*.py"))
    assert sorted(map(str, links)) == [f"/apps/{name}/" for name in apps]


def test_the_language_switch_is_remembered(probe: str, visit: Visit) -> None:
    page = visit(probe, locale="en")
    expect(page.locator("h1")).to_contain_text("One order truth")
    page.get_by_role("link", name="中文").click()
    expect(page.locator("h1")).to_contain_text("订单")
    page.goto(probe)
    expect(page.locator("h1")).to_contain_text("订单")
    assert set(looking.latin(page)) == PROBE_SAYS


def test_a_browser_set_to_chinese_gets_chinese(probe: str, visit: Visit) -> None:
    expect(visit(probe, locale="zh-CN").locator("h1")).to_contain_text("订单")


def test_the_keyboard_reaches_everything_and_shows_where_it_is(probe: str, visit: Visit) -> None:
    page = visit(probe)
    stops = []
    for _ in range(4):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(looking.FOCUS))
    assert [stop["text"] for stop in stops[:3]] == ["Skip to the apps", "English", "中文"]
    assert stops[3]["text"].startswith("Probe")
    assert all(stop["outline"] >= 2 for stop in stops)
    page.keyboard.press("Enter")
    page.wait_for_url("**/apps/probe/")


def test_the_figures_stay_fresh(probe: str, visit: Visit) -> None:
    page = visit(probe)
    orders = page.locator("[data-live=Orders]")
    shown = orders.inner_text()
    orders.evaluate("place => place.textContent = 'stale'")
    expect(orders).to_have_text(shown, timeout=10_000)


@pytest.mark.parametrize(("width", "language"), [(390, "zh"), (1280, "en")])
def test_a_number_that_somebody_is_asked_about_leads_to_its_order(
    home: str, visit: Visit, width: int, language: str
) -> None:
    page = visit(f"{home}/?lang={language}", width=width)
    page.get_by_role("searchbox").fill("NOBODY-1 &b=2")
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url("**/apps/order/?order=NOBODY-1*")
    looking.stand(page)
    expect(page.get_by_role("textbox").first).to_have_value("NOBODY-1 &b=2", timeout=20_000)
    expect(page.get_by_text({"zh": "没有单号是", "en": "No order has the number"}[language])).to_be_visible()


def test_a_console_without_these_apps_leads_nowhere_else(probe: str, visit: Visit) -> None:
    page = visit(probe)
    assert page.get_by_role("searchbox").count() == 0
    assert page.locator("dl a").count() == 0
