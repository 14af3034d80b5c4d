"""The credibility board as somebody uses it: one click on a loss shows its orders, and they can be taken along."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import looking
import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.server]
Visit = Callable[..., Page]

TITLE = re.compile(r"(.+): ([\d,]+) orders, [\d.]+ points")


def test_one_click_on_a_loss_shows_exactly_its_orders(home: str, visit: Visit) -> None:
    page = visit(f"{home}/apps/credibility/?lang=en")
    looking.open_app(page)
    title = page.locator("h2:visible", has_text=TITLE)
    first = title.inner_text()
    row = page.locator("tbody tr:has([role=checkbox])").nth(3)
    cells = row.locator("td").all_inner_texts()
    row.get_by_role("checkbox").click()
    expect(title).not_to_have_text(first, timeout=20_000)
    told = TITLE.fullmatch(title.inner_text())
    assert told is not None and told[2] in cells
    with page.expect_download() as waiting:
        page.get_by_text("Download these orders as CSV").click()
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text(encoding="utf-8-sig"))))
    assert len({order["Order number"] for order in rows}) == len(rows) == int(told[2].replace(",", ""))


def test_losses_are_split_as_asked(home: str, visit: Visit) -> None:
    page = visit(f"{home}/apps/credibility/?lang=en")
    looking.open_app(page)
    expect(page.get_by_role("columnheader", name="Warehouse")).to_have_count(1)
    page.get_by_label("Split by").select_option("Warehouse")
    expect(page.get_by_role("columnheader", name="Warehouse")).to_have_count(2, timeout=20_000)
