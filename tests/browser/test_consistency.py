"""The audit of all orders as somebody uses it: looking back at a moment, and coming back to now."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import looking
import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.server]
Visit = Callable[..., Page]


def test_a_past_moment_is_picked_audited_and_left_again(home: str, visit: Visit, screenshots: Path) -> None:
    page = visit(f"{home}/apps/consistency/?lang=en", width=1280, height=2600)
    looking.open_app(page)
    now = page.locator(".oh-note:visible", has_text="As of ").inner_text()
    page.screenshot(path=screenshots / "consistency-now.png")
    page.get_by_text("Look back").click()
    day = page.get_by_role("spinbutton", name="day").first
    day.click()
    day.press("ArrowDown")
    page.get_by_role("button", name="Audit that moment").click()
    then = page.locator(".oh-note:visible", has_text="As the hub knew it at ")
    expect(then).to_be_visible(timeout=60_000)
    page.wait_for_timeout(1_000)
    page.screenshot(path=screenshots / "consistency-then.png")
    page.get_by_role("button", name="Back to now").click()
    expect(page.locator(".oh-note:visible", has_text=now)).to_be_visible(timeout=60_000)
    expect(then).to_have_count(0)


def test_a_moment_to_come_is_refused_in_the_readers_language(home: str, visit: Visit, screenshots: Path) -> None:
    page = visit(f"{home}/apps/consistency/?lang=zh", width=390, height=2600)
    looking.open_app(page)
    page.get_by_text("查看过去某一时刻").click()
    year = page.get_by_role("spinbutton").first
    for segment in page.get_by_role("spinbutton").all():
        if "20" in segment.inner_text() and len(segment.inner_text().strip()) == 4:
            year = segment
    year.click()
    year.press("ArrowUp")
    page.get_by_role("button", name="核对该时刻").click()
    expect(page.get_by_text("这一时刻尚未到来：请选过去的时刻。")).to_be_visible(timeout=20_000)
    page.screenshot(path=screenshots / "consistency-refused.png")
    assert page.evaluate(looking.OVERFLOW) == 0
    for _ in range(3):
        year.press("ArrowDown")
    page.get_by_role("button", name="核对该时刻").click()
    expect(page.get_by_text("那一时刻展示过订单的触点不足两个：请选 2026-")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("这一时刻尚未到来：请选过去的时刻。")).to_have_count(0)
    page.screenshot(path=screenshots / "consistency-too-early.png")


def test_the_orders_of_one_verdict_are_taken_along(home: str, visit: Visit) -> None:
    page = visit(f"{home}/apps/consistency/?lang=en", height=2600)
    looking.open_app(page)
    with page.expect_download() as waiting:
        page.get_by_text("Download CSV").click()
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text(encoding="utf-8-sig"))))
    tile = page.locator(".oh-kpi:visible", has_text="Not consistent").locator(".oh-kpi-value").inner_text()
    assert len({row["Order number"] for row in rows}) == int(tile.replace(",", ""))
    assert {"crm says", "page says", "wms says", "Probably wrong", "Why"} <= set(rows[0])
