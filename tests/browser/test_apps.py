"""Every notebook, found by glob: it stands, in both languages, on both screens, in both lights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import looking
import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.server]
Visit = Callable[..., Page]

NOTEBOOKS = sorted(path.stem for path in (Path(__file__).parents[2] / "notebooks").glob("*.py"))
NAMES = {"crm", "page", "wms", "douyin-main", "douyin-outlet"}
"""Touchpoints and shops are called what the settings call them, in any language."""

SIGHTS = [("en", False, 1280), ("zh", True, 1280), ("zh", False, 390), ("en", True, 390)]


@pytest.mark.parametrize("app", NOTEBOOKS)
@pytest.mark.parametrize(("language", "dark", "width"), SIGHTS)
def test_an_app_stands_in_every_light(
    home: str, visit: Visit, screenshots: Path, app: str, language: str, dark: bool, width: int
) -> None:
    page = visit(f"{home}/apps/{app}/?lang={language}", width=width, height=1000, dark=dark)
    looking.begin(page)
    looking.open_app(page)
    page.wait_for_timeout(1_000)
    height = page.locator(looking.APP_READY).first.bounding_box()
    page.set_viewport_size({"width": width, "height": min(4_000, int(height["height"]) + 40) if height else 1_000})
    page.wait_for_timeout(500)
    page.screenshot(path=screenshots / f"{app}-{language}-{'dark' if dark else 'light'}-{width}.png")
    assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
    assert page.evaluate(looking.OVERFLOW) == 0
    assert looking.unnamed(page) == []
    assert (looking.brightness(page) < 64) == dark
    assert language == "en" or set(looking.latin(page)) <= NAMES, "English is left in a Chinese frame"


def test_a_table_s_own_menus_are_in_chinese(probe: str, visit: Visit) -> None:
    page = visit(f"{probe}/apps/probe/?lang=zh")
    looking.open_app(page)
    page.get_by_test_id("column-visibility-trigger").locator("visible=true").first.click()
    menu = page.get_by_role("dialog")
    expect(menu.get_by_text("全部隐藏")).to_be_visible()
    expect(menu.get_by_placeholder("搜索列…")).to_be_visible()
    assert not {"Show all", "Hide all"} & set(menu.inner_text().splitlines())


def test_the_way_back_and_the_language_switch_lead_where_they_say(probe: str, visit: Visit) -> None:
    page = visit(f"{probe}/apps/probe/")
    looking.open_app(page)
    page.locator(".oh-languages a[hreflang=zh]:visible").click()
    page.wait_for_url("**/apps/probe/?lang=zh")
    looking.open_app(page)
    expect(page.locator(".oh-back:visible")).to_contain_text("订单中枢")
    page.locator(".oh-back:visible").click()
    page.wait_for_url(f"{probe}/")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


@pytest.mark.parametrize(("language", "said"), [("en", "Nothing has come for 30 seconds."), ("zh", "30 秒了")])
def test_a_page_that_stays_empty_says_so_and_stops_when_it_stands(
    probe: str, visit: Visit, screenshots: Path, language: str, said: str
) -> None:
    page = visit(f"{probe}/", width=390)
    page.clock.install()
    page.route_web_socket("**/ws*", lambda held: None)
    page.goto(f"{probe}/apps/probe/?lang={language}")
    expect(page.locator(".oh-late")).to_have_count(0)
    page.clock.fast_forward(31_000)
    expect(page.locator(".oh-late")).to_contain_text(said)
    page.screenshot(path=screenshots / f"late-{language}.png")
    assert page.evaluate(looking.OVERFLOW) == 0
    page.evaluate("document.body.append(Object.assign(document.createElement('div'), {className: 'oh-page'}))")
    page.clock.fast_forward(1_000)
    expect(page.locator(".oh-late")).to_have_count(0)


def test_a_control_changes_what_is_shown(probe: str, visit: Visit) -> None:
    page = visit(f"{probe}/apps/probe/")
    looking.open_app(page)
    expect(page.get_by_text("5 rows, 2 columns")).to_be_visible()
    page.get_by_role("slider").press("ArrowRight")
    expect(page.get_by_text("6 rows, 2 columns")).to_be_visible(timeout=20_000)


def test_what_a_user_typed_stays_text(probe: str, visit: Visit) -> None:
    page = visit(f"{probe}/apps/probe/")
    looking.open_app(page)
    expect(page.locator(".oh-kpi-note:visible", has_text="<b>+0.4 %</b>")).to_be_visible()
    expect(page.locator(".oh-note:visible", has_text="<script>alert(1)</script>")).to_be_visible()


def test_a_search_finds_enum_words_and_a_download_opens_in_a_spreadsheet(probe: str, visit: Visit) -> None:
    page = visit(f"{probe}/apps/probe/")
    looking.open_app(page)
    page.get_by_placeholder("Search").nth(1).fill("cancelled")
    expect(page.get_by_role("cell", name="cancelled").first).to_be_visible(timeout=20_000)
    expect(page.get_by_role("cell", name="delivered")).to_have_count(0, timeout=20_000)
    with page.expect_download() as waiting:
        page.get_by_text("CSV").click()
    content = waiting.value.path().read_bytes()
    assert waiting.value.suggested_filename == "orders.csv"
    assert content.startswith(b"\xef\xbb\xbforder_no,")
