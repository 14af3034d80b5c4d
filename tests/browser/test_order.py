"""One order's page, at a desk and on a phone: where is it, what happened to it, what is still to be done?"""

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
[[groups]]
name = "looks"
match = "all"
[[groups.rules]]
name = "dear"
when = "total >= 1000"
then = "hold review"
"""
PAID = """order_no,status,placed_at,paid_at,total,sku,quantity
DEAR-2026,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,1500,COAT-OF-THE-BEST,2
CHEAP-2026,paid,2026-01-01 10:00:00,2026-01-01 10:02:00,100,HAT,1
LATER-1,unpaid,2026-01-01 10:00:00,,100,HAT,1
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[str]:
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


@pytest.mark.parametrize(("width", "language"), [(390, "zh"), (1280, "en")])
def test_a_part_of_a_number_leads_to_the_order_and_to_who_must_decide(
    shop: str, visit: Visit, screenshots: Path, width: int, language: str
) -> None:
    page = visit(f"{shop}/apps/order/?lang={language}", width=width, height=2_000)
    looking.stand(page)
    page.get_by_role("textbox").fill("2026")
    page.get_by_role("textbox").press("Enter")
    expect(page.get_by_role("link", name="CHEAP-2026")).to_be_visible(timeout=20_000)
    page.get_by_role("link", name="DEAR-2026").click()
    looking.stand(page)
    expect(page.get_by_role("textbox").first).to_have_value("DEAR-2026", timeout=20_000)
    held = {"zh": "尚未交给仓库：杭州仓。需人工处理", "en": "handed over to the warehouse: 杭州仓. for a person"}[
        language
    ]
    expect(page.get_by_text(held)).to_be_visible(timeout=20_000)
    expect(page.get_by_text({"zh": "已派仓：杭州仓", "en": "Warehouse assigned: 杭州仓"}[language])).to_be_visible()
    expect(page.get_by_text("COAT-OF-THE-BEST").first).to_be_visible()
    page.screenshot(path=screenshots / f"order-{language}-{width}.png")
    assert page.evaluate(looking.OVERFLOW) == 0
    page.get_by_role("link", name={"zh": "订单健康度", "en": "Order health"}[language]).click()
    expect(page).to_have_url(f"{shop}/apps/health/", timeout=20_000)


@pytest.mark.parametrize(("width", "language"), [(390, "zh"), (1280, "en")])
def test_an_order_is_kept_back_from_its_page_with_a_reason(
    shop: str, visit: Visit, screenshots: Path, width: int, language: str
) -> None:
    page = visit(f"{shop}/apps/order/?lang={language}&order=CHEAP-2026", width=width, height=2_000)
    looking.stand(page)
    keep = page.get_by_role("button", name={"zh": "扣住订单", "en": "Keep it back"}[language])
    keep.click()
    expect(page.get_by_text({"zh": "请先填写原因。", "en": "Give a reason first."}[language])).to_be_visible()
    page.get_by_label({"zh": "为什么要等", "en": "Why it must wait"}[language]).fill("the buyer phoned")
    page.get_by_label({"zh": "您的姓名", "en": "Your name"}[language]).fill("ann")
    keep.click()
    told = {"zh": "不再下发到杭州仓，直到有人放行。", "en": "goes to 杭州仓 no more until a person lets it go."}[
        language
    ]
    expect(page.get_by_text(told)).to_be_visible(timeout=20_000)
    why = {"zh": "由 ann 扣住：the buyer phoned", "en": "kept back by ann: the buyer phoned"}[language]
    expect(page.get_by_text(why)).to_be_visible(timeout=20_000)
    page.screenshot(path=screenshots / f"order-kept-{language}-{width}.png")
    assert page.evaluate(looking.OVERFLOW) == 0


def test_the_first_page_leads_to_an_order_and_to_what_waits(shop: str, visit: Visit) -> None:
    page = visit(f"{shop}/?lang=en")
    page.get_by_role("link", name="Effects for a person").click()
    page.wait_for_url("**/apps/health/")
    page = visit(f"{shop}/?lang=en")
    page.get_by_role("searchbox").fill(" CHEAP-2026")
    page.get_by_role("button", name="Look").click()
    looking.stand(page)
    expect(page.get_by_text("CHEAP-2026 of imported").first).to_be_visible(timeout=20_000)


@pytest.mark.parametrize(("width", "language"), [(390, "zh"), (1280, "en")])
def test_what_waits_for_a_person_is_let_go_or_closed_from_its_page(
    shop: str, visit: Visit, screenshots: Path, width: int, language: str
) -> None:
    say = {
        "zh": ("执行", "请先选择怎么处理。", "请先填写原因。", "放行", "原因", "已放行 1 单", "扣住订单"),
        "en": ("Do it", "Choose first", "Give a reason", "Let them go", "Why, or what", "Let go: 1", "Keep it back"),
    }
    button, choose, reason, go, why, gone, keep = say[language]
    page = visit(f"{shop}/apps/order/?lang={language}&order=DEAR-2026", width=width, height=2_000)
    looking.stand(page)
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text(choose)).to_be_visible(timeout=20_000)
    page.get_by_role("radio", name=go).click()
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text(reason)).to_be_visible(timeout=20_000)
    page.screenshot(path=screenshots / f"order-decide-{language}-{width}.png")
    assert page.evaluate(looking.OVERFLOW) == 0
    page.get_by_label(why).fill("looked at")
    page.get_by_role("button", name=button).dblclick()
    expect(page.get_by_text(gone)).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name=keep)).to_be_visible()
    expect(page.get_by_role("radio")).to_have_count(0)


def test_what_is_kept_back_before_it_is_paid_is_let_go_from_its_page(shop: str, visit: Visit) -> None:
    page = visit(f"{shop}/apps/order/?lang=zh&order=LATER-1", width=390, height=2_000)
    looking.stand(page)
    page.get_by_label("为什么要等").fill("the buyer phoned")
    page.get_by_role("button", name="扣住订单").click()
    expect(page.get_by_text("已人工扣住：一到该发货时就等人决定。")).to_be_visible(timeout=20_000)
    page.get_by_role("radio", name="放行").click()
    page.get_by_label("原因").fill("it may go")
    page.get_by_role("button", name="执行").click()
    expect(page.get_by_text("LATER-1 不再扣住：一到该发货时按规则下发")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("没有要做的了。")).to_be_visible()


def test_the_way_back_and_another_language_lead_to_the_order_that_was_looked_at(shop: str, visit: Visit) -> None:
    page = visit(f"{shop}/apps/order/?lang=zh&order=DEAR-2026")
    looking.stand(page)
    asked = page.get_by_role("textbox").first
    asked.fill("CHEAP-2026")
    asked.press("Enter")
    expect(page.get_by_role("heading", name="CHEAP-2026")).to_be_visible(timeout=20_000)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="CHEAP-2026 of")).to_be_visible(timeout=20_000)
    page.get_by_role("textbox").first.fill("LATER-1")
    page.get_by_role("textbox").first.press("Enter")
    expect(page.get_by_role("heading", name="LATER-1 of")).to_be_visible(timeout=20_000)
    page.go_back()
    expect(page.get_by_role("heading", name="CHEAP-2026 of")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("textbox").first).to_have_value("CHEAP-2026")


def test_a_number_that_nobody_has_says_what_to_do(shop: str, visit: Visit) -> None:
    page = visit(f"{shop}/apps/order/?lang=en&order=%3Cb%3ENOBODY")
    looking.stand(page)
    expect(page.get_by_text("No order has the number <b>NOBODY: check it, or import")).to_be_visible(timeout=20_000)
