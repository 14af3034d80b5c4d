"""Rule by example over a living hub: from the orders of the lab to a rule that tells them apart, and its draft."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import looking
import pytest
from playwright.sync_api import Locator, Page, expect
from test_rule_lab import LONG_MS, begun, edited, section

from orderhub_core.hub import Hub
from orderhub_core.store.homes import Home

pytestmark = [pytest.mark.browser, pytest.mark.server]
Visit = Callable[..., Page]


@pytest.fixture
def own_shop(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Stops after its pages are closed."""
    with begun(tmp_path) as home:
        yield home


def only(page: Page, line: str) -> None:
    box = page.get_by_label(re.compile("Only orders for which this holds"))
    box.fill(line)
    box.blur()


def mark(table: Locator, rows: int, how: str) -> None:
    boxes = table.locator("tbody [role=checkbox]")
    for row in range(rows):
        boxes.nth(row).click()
        expect(boxes.nth(row)).to_be_checked()
    table.get_by_role("radio", name=how, exact=True).click()
    expect(table.get_by_role("radio", name=how, exact=True)).to_be_checked()
    expect(table.get_by_text(f"{rows} selected")).to_be_visible()
    table.get_by_role("button", name="Mark them").click()


def test_orders_are_marked_and_the_rule_between_them_becomes_a_draft(
    own_shop: tuple[str, Path], visit: Visit, screenshots: Path
) -> None:
    home, folder = own_shop
    page = visit(f"{home}/apps/rule_example/?lang=en", height=1_200)
    looking.open_app(page)
    table, marks = section(page, "Choose and mark"), section(page, "Marked orders")
    table.get_by_role("button", name="Mark them").click()
    expect(page.get_by_text("Choose orders, or write their numbers.").first).to_be_visible(timeout=LONG_MS)
    begun = page.get_by_label("The book that it is for")
    begun.select_option("An example")
    only(page, "province = 广东 and total >= 3oo")
    expect(page.locator(".oh-note-bad:visible")).to_contain_text("3oo", timeout=LONG_MS)
    expect(begun).to_have_value(re.compile("An example"))
    begun.select_option(index=0)
    expect(page.locator(".oh-note-bad:visible")).to_contain_text("3oo", timeout=LONG_MS)
    for line, rows, how in [
        ("province = 广东 and total >= 300", 5, "The rule should take them"),
        ("province = 广东 and total < 290", 5, "It should not take them"),
        ("province != 广东 and total >= 300", 5, "It should not take them"),
    ]:
        before = marks.locator("tbody tr").count() if marks.count() else 0
        first = table.locator("tbody tr").first.inner_text() if table.locator("tbody tr").count() else ""
        only(page, line)
        expect(table.locator("tbody tr").first).not_to_have_text(first, timeout=LONG_MS)
        page.wait_for_timeout(500)  # ticks of a table that the browser is still drawing go with the old one
        mark(table, rows, how)
        expect(marks.get_by_text(re.compile(rf"^{before + rows} rows"))).to_be_visible(timeout=LONG_MS)
    picture = section(page, "Orders").locator("canvas:visible").first
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    listed = table.get_by_text(re.compile(r"^\d+ rows"))
    every = int(listed.inner_text().split()[0])
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.8, steps=8)
    page.mouse.up()
    expect(listed).not_to_have_text(re.compile(rf"^{every} rows"), timeout=LONG_MS)
    assert 0 < int(listed.inner_text().split()[0]) < every
    again = marks.locator("tbody tr", has_text="Should not").first
    again.get_by_role("checkbox").click()
    marks.get_by_role("radio", name="They are no examples").click()
    marks.get_by_role("button", name="Mark them").click()
    expect(marks.get_by_text(re.compile("^14 rows"))).to_be_visible(timeout=LONG_MS)
    rules = section(page, "Rules that tell them apart")
    expect(rules.locator("tbody tr").first).to_contain_text(
        re.compile("province = 广东省 and (total|goods_amount) >= [23]"), timeout=LONG_MS
    )
    expect(rules.locator("tbody tr").first).to_contain_text("routing / south-from-guangzhou")
    page.set_viewport_size({"width": 1280, "height": 3_000})
    page.screenshot(path=screenshots / "rule-example-1280.png", full_page=True)

    make = page.locator("section.oh-section:visible", has_text="Make a draft with the rule").last
    make.get_by_label("Group").select_option("gifts")
    make.get_by_role("button", name="Make a draft").click()
    expect(page.get_by_text("Choose what is to be done.").first).to_be_visible(timeout=LONG_MS)
    make.get_by_label("What is done").select_option("gift")
    make.get_by_label(re.compile("Which, how much")).fill("SOUTH-01")
    make.get_by_label("Version (empty: the draft's own)").fill("by-example")
    make.get_by_label("Who says so").fill("ann")
    make.get_by_role("button", name="Make a draft").click()
    expect(page.get_by_text("Version by-example is now: Draft.")).to_be_visible(timeout=LONG_MS)
    hub = Hub(Home(folder))
    try:
        made = [rule.name for group in hub.lab.book("by-example").groups for rule in group.rules
                if any(action.argument == "SOUTH-01" for action in rule.then)]  # fmt: skip
        assert made == ["rule-1"]
    finally:
        hub.close()
    lab = visit(f"{home}/apps/rule_lab/?lang=en", height=1_200)
    looking.open_app(lab)
    expect(lab.get_by_label("Begin with")).to_have_value(re.compile("by-example"), timeout=LONG_MS)


def test_orders_of_a_cell_of_the_lab_come_as_examples(own_shop: tuple[str, Path], visit: Visit) -> None:
    home, _ = own_shop
    page = visit(f"{home}/apps/rule_lab/?lang=en", height=1_200)
    looking.open_app(page)
    edited(page, "2026-12")
    listed = section(page, "All orders that change")
    boxes = listed.locator("tbody [role=checkbox]")
    boxes.nth(0).click()
    boxes.nth(1).click()
    way = page.get_by_role("link", name="Look for a rule that takes those chosen (2)")
    expect(way).to_be_visible(timeout=LONG_MS)
    way.click()
    looking.open_app(page)
    marks = section(page, "Marked orders")
    expect(marks.locator("tbody tr")).to_have_count(2, timeout=LONG_MS)
    expect(marks.locator("tbody tr").first).to_contain_text("Should be taken")


def test_on_a_phone_nothing_is_cut_off(own_shop: tuple[str, Path], visit: Visit, screenshots: Path) -> None:
    home, _ = own_shop
    page = visit(f"{home}/apps/rule_example/?lang=zh", width=390, height=2_400)
    looking.open_app(page)
    table = section(page, "勾选并标记")
    table.locator("tbody [role=checkbox]").first.click()
    table.get_by_role("button", name="标记").click()
    expect(section(page, "已标记的订单").locator("tbody tr")).to_have_count(1, timeout=LONG_MS)
    page.screenshot(path=screenshots / "rule-example-390.png", full_page=True)
    assert page.evaluate(looking.OVERFLOW) == 0
    assert looking.unnamed(page) == []
