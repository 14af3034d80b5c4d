"""The queue view over a living hub: in every light, keeping what was chosen, and trying parked messages again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import looking
import pytest
from conftest import serving
from playwright.sync_api import Page, expect

from orderhub_core.hub import Hub, clock
from orderhub_core.model import RawMessage
from orderhub_core.store import homes
from orderhub_core.store.homes import Home

pytestmark = [pytest.mark.browser, pytest.mark.server]
Visit = Callable[..., Page]

SHOP = '[[shops]]\nid = "{}"\nconnector = "direct"\nsecret_env = "QUEUE_SECRET"\n'
NAMES = {"shop-a", "shop-b"}
SIGHTS = [("en", False, 1280), ("zh", True, 1280), ("zh", False, 390), ("en", True, 390)]


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A console over a hub without a worker: 40 messages wait, 12 are parked."""
    folder = tmp_path_factory.mktemp("living")
    homes.init(Home(folder))
    (folder / "orderhub.toml").write_text(SHOP.format("shop-a") + SHOP.format("shop-b"), encoding="utf-8")
    opened = Hub(Home(folder), {"QUEUE_SECRET": "s"})
    opened.store.accept([RawMessage("shop-a", f"p{n}", f"kind-{n}", b"{}") for n in range(12)], clock() - 10**9)
    opened.drain()
    opened.store.accept([RawMessage("shop-b", f"w{n}", "event", b"{}") for n in range(40)], clock() - 3 * 10**8)
    opened.close()
    command = ["orderhub_core.entry.cli", "serve", "--data", str(folder), "--no-worker"]
    with serving(command, folder / "log", QUEUE_SECRET="s") as home:
        yield home


def opened(living: str, visit: Visit, language: str = "en", **look: object) -> Page:
    page = visit(f"{living}/apps/health/?lang={language}", **look)
    looking.stand(page)
    expect(page.locator("form:not(.vega-bindings)").first).to_be_visible(timeout=looking.LONG_MS)
    return page


@pytest.mark.parametrize(("language", "dark", "width"), SIGHTS)
def test_the_queue_stands_in_every_light(
    living: str, visit: Visit, screenshots: Path, language: str, dark: bool, width: int
) -> None:
    page = opened(living, visit, language, width=width, height=1000, dark=dark)
    page.set_viewport_size({"width": width, "height": 2_600})
    page.wait_for_timeout(1_000)
    page.screenshot(path=screenshots / f"queue-{language}-{'dark' if dark else 'light'}-{width}.png")
    assert page.evaluate(looking.OVERFLOW) == 0
    assert looking.unnamed(page) == []
    assert (looking.brightness(page) < 64) == dark
    if language == "zh":
        assert set(looking.latin(page)) <= NAMES


def test_what_was_chosen_outlives_a_refresh(living: str, visit: Visit) -> None:
    page = opened(living, visit)
    page.locator("tbody [role=checkbox]").nth(2).click()
    before = page.get_by_text("As of").first.inner_text()
    expect(page.get_by_text("As of").first).not_to_have_text(before, timeout=20_000)
    expect(page.locator("tbody [role=checkbox][aria-checked=true]")).to_have_count(1)


def test_parked_messages_are_tried_again_once_that_is_confirmed(living: str, visit: Visit) -> None:
    page = opened(living, visit)
    page.locator("tbody [role=checkbox]").nth(0).click()
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("[role=region] li").get_by_text("Tick the box first.")).to_be_in_viewport()
    page.locator("form:not(.vega-bindings)").get_by_role("checkbox").last.click()
    page.get_by_role("button", name="Do it").click()
    expect(page.get_by_text("Tried 1 again: 0 were read, 1 are still parked.")).to_be_visible(timeout=40_000)
    expect(page.locator("[role=progressbar]")).to_have_count(0)


RULES = """
version = "v1"
[[groups]]
name = "risk"
match = "all"
[[groups.rules]]
name = "dear"
when = "实付 >= 100"
then = "hold risk"
[[groups]]
name = "routing"
match = "first"
[[groups.rules]]
name = "any"
when = "实付 >= 0"
then = "assign hangzhou"
"""
PAID = """订单编号,订单状态,下单时间,付款时间,实付金额,商家编码,购买数量
H1,已付款,2026-11-11 20:00:00,2026-11-11 20:01:00,300,A-1,1
H2,已付款,2026-11-11 20:00:00,2026-11-11 20:02:00,400,A-1,1
H3,已付款,2026-11-11 20:00:00,2026-11-11 20:03:00,50,A-1,1
"""


@pytest.fixture
def holding(tmp_path: Path) -> Iterator[str]:
    """A console over a hub whose rulebook holds two of three paid orders."""
    homes.init(Home(tmp_path))
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    (tmp_path / "orderhub.toml").write_text('rulebook = "rules.toml"\n', encoding="utf-8")
    (tmp_path / "paid.csv").write_text(PAID, encoding="utf-8")
    opened = Hub(Home(tmp_path))
    opened.import_file(tmp_path / "paid.csv", "generic", on_error="reject-all", dry_run=False)
    assert [one.order_no for one in opened.holds.kept()] == ["H1", "H2"]
    opened.close()
    with serving(
        ["orderhub_core.entry.cli", "serve", "--data", str(tmp_path), "--no-worker"], tmp_path / "log"
    ) as home:
        yield home


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("zh", 390)])
def test_a_held_order_is_let_go_with_a_reason(
    holding: str, visit: Visit, screenshots: Path, language: str, width: int
) -> None:
    page = opened(holding, visit, language, width=width, height=2_400)
    button, sure, lacks, gone, reason = {
        "en": (
            "Do it",
            "Yes, do it",
            "Choose rows first.",
            "Let go: 1. They are handed over next.",
            "Why, or what",
        ),
        "zh": ("执行", "确认执行", "请先选择订单。", "已放行 1 单，接着就会交给仓库。", "原因，或您"),
    }[language]
    page.get_by_role("button", name=button, exact=True).click()
    beside_the_thumb = page.locator("[role=region] li").get_by_text(lacks)
    expect(beside_the_thumb).to_be_in_viewport()
    expect(page.get_by_test_id("chrome-wrapper").get_by_text(lacks)).to_be_attached()
    page.locator("tbody [role=checkbox]").nth(0).click()
    page.get_by_label(reason).fill("known buyer")
    page.get_by_text(sure, exact=True).click()
    page.screenshot(path=screenshots / f"holds-{language}-{width}.png")
    assert page.evaluate(looking.OVERFLOW) == 0
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_text(gone)).to_be_visible(timeout=40_000)
    expect(page.locator("tbody [role=checkbox]")).to_have_count(1, timeout=40_000)
