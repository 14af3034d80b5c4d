"""The packing floor as a keeper uses it on a phone: scan the box, then its pieces, and see what it still lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import looking
import pytest
from conftest import serving
from playwright.sync_api import Page, expect

from orderhub_core.hub import Hub
from orderhub_core.store import homes
from orderhub_core.store.homes import Home

pytestmark = [pytest.mark.browser, pytest.mark.server]
Visit = Callable[..., Page]

BOOK = """version = "1"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou"
"""
PAID = """order_no,status,placed_at,paid_at,total,sku,quantity
B1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,100,BODY,2
"""


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[str]:
    homes.init(Home(tmp_path))
    (tmp_path / "rules.toml").write_text(BOOK, encoding="utf-8")
    warehouse = '[[warehouses]]\nid = "hangzhou"\nconnector = ""\nname = "杭州仓"\n'
    (tmp_path / "orderhub.toml").write_text(f'rulebook = "rules.toml"\n{warehouse}', encoding="utf-8")
    (tmp_path / "paid.csv").write_text(PAID, encoding="utf-8")
    opened = Hub(Home(tmp_path))
    opened.import_file(tmp_path / "paid.csv", "generic", on_error="reject-all", dry_run=False)
    opened.close()
    command = ["orderhub_core.entry.cli", "serve", "--data", str(tmp_path), "--no-worker"]
    with serving(command, tmp_path / "log") as home:
        yield home


def test_a_box_tells_what_it_lacks_until_it_is_whole(floor: str, visit: Visit, screenshots: Path) -> None:
    page = visit(f"{floor}/apps/packing/?lang=zh", width=390, height=1_200)
    looking.open_app(page)
    expect(page.get_by_text("先扫箱子，再扫放进去的每一件。")).to_be_visible()
    page.get_by_label("订单号或运单号").fill("B1")
    page.get_by_label("订单号或运单号").press("Enter")
    expect(page.get_by_text("待装箱：BODY × 2")).to_be_visible(timeout=20_000)
    codes = page.get_by_label("扫到的条码，每行一个")
    codes.fill("BODY\n")
    expect(page.get_by_text("不通过：少了主品 BODY：需 2 件，扫到 1 件")).to_be_visible(timeout=20_000)
    page.screenshot(path=screenshots / "packing-box-zh-390.png")
    codes.fill("BODY\nBODY\n")
    codes.blur()
    expect(page.get_by_text("B1（imported）：箱里齐了。")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="下一箱").click()
    expect(page.get_by_text("先扫箱子，再扫放进去的每一件。")).to_be_visible(timeout=20_000)
    expect(codes).to_have_value("")
    page.wait_for_timeout(1_000)
    page.keyboard.type("B1\n")  # a scanner types where the cursor is
    expect(page.get_by_text("待装箱：BODY × 2")).to_be_visible(timeout=20_000)
    assert page.evaluate(looking.OVERFLOW) == 0


def test_a_packer_is_told_at_once_that_an_order_was_kept_back(floor: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(f"{floor}/apps/packing/?lang=zh", width=390, height=1_200)
    looking.open_app(page)
    page.get_by_label("订单号或运单号").fill("B1")
    page.get_by_label("订单号或运单号").press("Enter")
    expect(page.get_by_text("待装箱：BODY × 2")).to_be_visible(timeout=20_000)
    desk = Hub(Home(tmp_path))
    desk.holds.place("B1", reason="the buyer phoned", by="ann")
    desk.close()
    page.get_by_label("扫到的条码，每行一个").fill("BODY\nBODY\n")
    expect(page.get_by_text("B1（imported）已挂起，先不要打包：由 ann 扣住：the buyer phoned")).to_be_visible(
        timeout=20_000
    )
    expect(page.get_by_text("B1（imported）：箱里齐了。")).not_to_be_visible()
