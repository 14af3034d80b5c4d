"""The reconciliation over a living hub, as finance works with it: acknowledge, reload, take back, export, narrow."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fastexcel
import looking
import pytest
from conftest import serving
from playwright.sync_api import Page, expect

from orderhub_core.entry.commands.demo import write_books
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import homes
from orderhub_core.store.homes import Home

pytestmark = [pytest.mark.browser, pytest.mark.server]
Visit = Callable[..., Page]
DAY = 86_400_000_000


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A console and a worker over a hub, with the ledgers of a world in its folder."""
    folder = tmp_path_factory.mktemp("living")
    homes.init(Home(folder))
    now = time.time_ns() // 1_000
    write_books(folder, build(Plan(seed=3, orders=3_000, start=now - 9 * DAY, end=now)), now)
    with serving(["orderhub_core.entry.cli", "serve", "--data", str(folder)], folder / "log") as home:
        yield home


def opened(living: str, visit: Visit) -> Page:
    page = visit(f"{living}/apps/reconciliation/?lang=en")
    looking.open_app(page)
    return page


def waiting(page: Page) -> int:
    tile = page.locator(".oh-kpi:visible", has_text="Finance's queue").locator(".oh-kpi-value")
    return int(tile.inner_text())


def test_finance_acknowledges_with_a_reason_and_takes_back(living: str, visit: Visit, tmp_path: Path) -> None:
    page = opened(living, visit)
    before = waiting(page)
    desk = page.locator("section.oh-section:visible", has_text="Finance's queue").first
    desk.locator("tbody [role=checkbox]").nth(0).click()
    desk.locator("tbody [role=checkbox]").nth(1).click()
    desk.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Give a reason first.").first).to_be_visible(timeout=20_000)
    desk.get_by_label("Reason").last.fill("stock ran short")
    desk.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("2 acknowledged.").first).to_be_visible(timeout=20_000)
    assert waiting(page) == before - 2

    with page.expect_download() as coming:
        page.get_by_text("Download XLSX").first.click()
    coming.value.save_as(tmp_path / "out.xlsx")
    conflicts = fastexcel.read_excel((tmp_path / "out.xlsx").read_bytes()).load_sheet("Conflicts", dtypes="string")
    assert conflicts.to_polars()["Reason"].to_list().count("stock ran short") == 2

    page.wait_for_timeout(3_000)  # the worker absorbs it
    page.reload()
    looking.open_app(page)
    assert waiting(page) == before - 2
    done = page.locator("section.oh-section:visible", has_text="Yes, take these back").first
    done.locator("tbody [role=checkbox]").nth(0).click()
    done.get_by_role("checkbox", name="Yes, take these back").click()
    done.get_by_role("button", name="Back into the queue").click()
    expect(page.get_by_text("1 taken back into the queue.").first).to_be_visible(timeout=20_000)
    assert waiting(page) == before - 1


def test_a_narrower_period_and_another_cause_change_what_is_shown(living: str, visit: Visit) -> None:
    page = opened(living, visit)
    everything = page.locator(".oh-kpi-value:visible").first.inner_text()
    page.get_by_label("First day").select_option(index=4)
    expect(page.locator(".oh-kpi-value:visible").first).not_to_have_text(everything, timeout=20_000)
    page.get_by_label("Show the orders of").select_option(label="Shipped although refunded")
    expect(page.get_by_text(re.compile("Have the parcel intercepted")).last).to_be_visible(timeout=20_000)
    page.get_by_label("Last day").select_option(index=0)
    expect(page.get_by_text("The last day comes before the first").first).to_be_visible(timeout=20_000)
