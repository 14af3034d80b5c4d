"""Presale as whoever looks after it sees it: which batch is late, whose promise that breaks; on a desk, on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import looking
import pytest
from conftest import serving
from playwright.sync_api import Page, expect

from orderhub_core.flows import preselling
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
name = "presale"
match = "all"
[[groups.rules]]
name = "coats_coming"
when = "sku contains COAT"
then = "hold presale"
"""
PAID = """order_no,status,placed_at,paid_at,total,sku,quantity
P1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,100,COAT,2
P2,paid,2026-01-01 10:00:00,2026-01-01 10:02:00,100,COAT,1
P3,paid,2026-01-01 10:00:00,2026-01-01 10:03:00,100,COAT,1
P4,paid,2026-01-01 10:00:00,2026-01-01 10:04:00,100,COAT-RED,1
"""
PLAN = """sku,batch,pieces,ready_at,delayed_to,promised_at,arrived_at
COAT,first,2,2026-01-05 08:00,,2026-01-10 08:00,2026-01-06 09:00
COAT,second,1,2026-01-09 08:00,,2026-01-15 08:00,
COAT,third,8,2099-01-20 08:00,,2099-02-01 08:00,
"""


@pytest.fixture
def presale(tmp_path: Path) -> Iterator[str]:
    homes.init(Home(tmp_path))
    (tmp_path / "rules.toml").write_text(BOOK, encoding="utf-8")
    warehouse = '[[warehouses]]\nid = "hangzhou"\nconnector = ""\nprovince = "浙江省"\n'
    (tmp_path / "orderhub.toml").write_text(f'rulebook = "rules.toml"\n{warehouse}', encoding="utf-8")
    (tmp_path / "paid.csv").write_text(PAID, encoding="utf-8")
    (tmp_path / "plan.csv").write_text(PLAN, encoding="utf-8")
    opened = Hub(Home(tmp_path))
    opened.import_file(tmp_path / "paid.csv", "generic", on_error="reject-all", dry_run=False)
    assert opened.presale.plan(preselling.read(tmp_path / "plan.csv", "Asia/Shanghai"), by="ann") == ["P1"]
    opened.close()
    command = ["orderhub_core.entry.cli", "serve", "--data", str(tmp_path), "--no-worker"]
    with serving(command, tmp_path / "log") as home:
        yield home


@pytest.mark.parametrize(("width", "language"), [(390, "zh"), (1280, "en")])
def test_a_late_batch_and_whose_promise_it_breaks_are_seen(
    presale: str, visit: Visit, screenshots: Path, width: int, language: str
) -> None:
    page = visit(f"{presale}/apps/presale/?lang={language}", width=width, height=2_400)
    looking.open_app(page)
    late = {"zh": "逾期：没人说已到", "en": "overdue: nobody has said that it is there"}[language]
    expect(page.get_by_text(late)).to_be_visible(timeout=20_000)
    expect(page.get_by_text("P2").first).to_be_visible()
    expect(page.get_by_text("P4").first).to_be_visible()
    expect(page.get_by_text("P1", exact=True)).to_have_count(0)
    page.screenshot(path=screenshots / f"presale-full-{language}-{width}.png")
    assert page.evaluate(looking.OVERFLOW) == 0
