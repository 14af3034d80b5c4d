"""The rule lab over a living hub, as an analyst works with it: from opening a draft to publishing it and going back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copy

import looking
import polars as pl
import pytest
from conftest import ROOT, serving
from playwright.sync_api import Locator, Page, expect

from orderhub_core.hub import Hub
from orderhub_core.sim import world
from orderhub_core.store import homes
from orderhub_core.store.homes import Home

pytestmark = [pytest.mark.browser, pytest.mark.server]
Visit = Callable[..., Page]
DAY = 86_400_000_000
END = 20_768 * DAY
BOOK = ROOT / "orderhub_core" / "entry" / "demo" / "rulebook.toml"
LONG_MS = 20_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A console and a worker over a hub with a few hundred paid orders and a rulebook, which nobody changes: its
    address and folder."""
    with begun(tmp_path_factory.mktemp("lab")) as home:
        yield home


@pytest.fixture
def own_shop(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Such a shop of which the rulebook may be changed."""
    with begun(tmp_path) as home:
        yield home


@contextmanager
def begun(folder: Path) -> Iterator[tuple[str, Path]]:
    copy(BOOK, folder / "rulebook.toml")
    limits = {"hangzhou": 6, "guangzhou": 5, "chengdu": 3}
    warehouses = [
        f'[[warehouses]]\nid = "{name}"\nconnector = ""\norders_per_hour = {n}\n' for name, n in limits.items()
    ]
    (folder / "orderhub.toml").write_text('rulebook = "rulebook.toml"\n' + "".join(warehouses), encoding="utf-8")
    homes.init(Home(folder))
    write_orders(folder / "orders.csv")
    hub = Hub(Home(folder))
    hub.import_file(folder / "orders.csv", "generic", on_error="reject-all", dry_run=False)
    hub.close()
    with serving(["orderhub_core.entry.cli", "serve", "--data", str(folder)], folder / "log") as home:
        yield home, folder


def write_orders(path: Path) -> None:
    """The paid orders of a world, as a shop's export."""
    frames = world.build(world.Plan(seed=7, orders=600, start=END - 9 * DAY, end=END)).until(END)
    bought = frames["lines"].filter(pl.col("gift_of").is_null())
    paid = frames["orders"].filter(pl.col("paid_at").is_not_null()).join(bought, on="order_id", maintain_order="left")

    def at(name: str) -> pl.Expr:
        return pl.col(name).dt.convert_time_zone("Asia/Shanghai").dt.strftime("%Y-%m-%d %H:%M:%S")

    paid.select(
        "order_no", "province", "city", "sku", "category", "quantity", at("placed_at"), at("paid_at"),
        status=pl.lit("paid"), product="name", total=pl.col("total_minor") / 100, price=pl.col("price_minor") / 100,
    ).write_csv(path)  # fmt: skip


def opened(shop: tuple[str, Path], visit: Visit, **how: object) -> Page:
    page = visit(f"{shop[0]}/apps/rule_lab/?lang=en", **how)
    looking.open_app(page)
    return page


def tile(page: Page, name: str) -> Locator:
    return page.locator(".oh-kpi:visible", has_text=name)


def section(page: Page, title: str) -> Locator:
    heading = page.get_by_role("heading", name=title, exact=True)
    return page.locator("section.oh-section:visible").filter(has=heading).last


def edited(page: Page, version: str) -> None:
    """The south loses two provinces to Hangzhou."""
    page.locator(".oh-fold summary:visible").first.click()
    text = page.locator("textarea:visible").first
    said = text.input_value()
    assert "福建省, 湖南省, " in said
    text.fill(said.replace("2026-11-22", version).replace("福建省, 湖南省, ", ""))
    text.blur()
    expect(tile(page, "Go to another warehouse").locator(".oh-kpi-value")).not_to_have_text("0", timeout=LONG_MS)
    # The last part of the page: until it is drawn anew, what is filled in there would be lost.
    draft = section(page, "Keep, try or publish this draft")
    expect(draft.get_by_role("cell", name="south-from-guangzhou", exact=True)).to_be_visible(timeout=LONG_MS)


def of_rule(folder: Path, version: str) -> int:
    hub = Hub(Home(folder))
    try:
        return sum(one.version == version and one.state == "active" for one in hub.editions.kept())
    finally:
        hub.close()


def test_an_analyst_opens_a_draft_moves_a_threshold_and_sees_who_moves_and_why(
    shop: tuple[str, Path], visit: Visit, screenshots: Path
) -> None:
    page = opened(shop, visit, height=1_200)
    expect(tile(page, "Go to another warehouse").locator(".oh-kpi-value")).to_have_text("0")
    edited(page, "2026-12")
    other = page.locator(".oh-languages a[lang=zh]:visible")
    expect(other).to_have_attribute("href", "/apps/rule_lab/?lang=zh")  # though the page was drawn anew
    gifts = tile(page, "Pieces of gifts").locator(".oh-kpi-value")
    before = gifts.inner_text()
    slider = page.get_by_role("slider").first
    for _ in range(12):
        slider.press("ArrowLeft")
    expect(gifts).to_have_text(re.compile(rf"^{before} → [\d,]+$"), timeout=LONG_MS)
    moved = int(tile(page, "Go to another warehouse").locator(".oh-kpi-value").inner_text())

    matrix = page.locator("canvas:visible").first
    box = matrix.bounding_box()
    assert box is not None
    # The only coloured cell: from the second row, Guangzhou, to the last column, Hangzhou.
    matrix.click(position={"x": box["width"] * 0.88, "y": box["height"] * 0.61})
    title = "Orders: guangzhou → hangzhou"
    expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=LONG_MS)
    orders = section(page, title)
    expect(orders.get_by_text(f"Orders: {moved}. Choose one to see why.")).to_be_visible()
    orders.locator("tbody [role=checkbox]").first.click()
    why, then = (
        page.locator("section.oh-section:visible", has_text=f"Why, {side}: ").last
        for side in ("under the draft", "in force")
    )
    expect(why.locator("tbody tr").first).to_contain_text("otherwise", timeout=LONG_MS)
    expect(then.locator("tbody tr").first).to_contain_text(re.compile("south-from-guangzhou.*acts.*✓ province in"))
    page.screenshot(path=screenshots / "rule-lab-why-1280.png", full_page=True)

    section(page, "Near a threshold").locator("tbody [role=checkbox]").first.click()
    expect(page.get_by_role("heading", name=re.compile("Orders near a threshold of"))).to_be_visible(timeout=LONG_MS)
    with page.expect_download() as coming:
        section(page, "Won and lost").get_by_text("Download CSV").click()
    assert coming.value.path().read_bytes().startswith(b"\xef\xbb\xbfAction,")


def test_a_draft_with_a_mistake_is_told_its_mistakes_and_nothing_else(shop: tuple[str, Path], visit: Visit) -> None:
    page = opened(shop, visit)
    page.locator(".oh-fold summary:visible").first.click()
    text = page.locator("textarea:visible").first
    text.fill(text.input_value().replace("订单金额 >= 299", "订单金客 >= 299"))
    text.blur()
    told = page.locator(".oh-note-bad:visible")
    expect(told).to_contain_text("订单金额", timeout=LONG_MS)
    expect(page.locator(".oh-kpi:visible")).to_have_count(0)


def test_a_rule_is_built_by_choosing_and_tried_at_once(shop: tuple[str, Path], visit: Visit, screenshots: Path) -> None:
    page = opened(shop, visit)
    gifts = tile(page, "Pieces of gifts").locator(".oh-kpi-value")
    expect(gifts).to_be_visible(timeout=LONG_MS)
    before = gifts.inner_text()
    page.locator(".oh-fold summary:visible", has_text="Add a rule without writing it").click()
    form = page.locator(".oh-fold:visible").filter(has_text="Condition 1: what")
    form.get_by_label("Group").select_option("gifts")
    add = form.get_by_role("button", name="Add it to the draft")
    form.get_by_label("Condition 1: what").select_option("total")
    form.get_by_label("Condition 1: how").select_option("contains")
    form.get_by_label("What is done").select_option("gift")
    add.click()
    expect(form.get_by_text(re.compile("Condition 1, total: it can be asked: = != in"))).to_be_visible(timeout=LONG_MS)
    form.get_by_label("Condition 1: how").select_option(">=")
    form.get_by_label("Condition 1: value").fill("150")
    form.get_by_label(re.compile("Which, how much")).fill("BIG-01 x 2")
    page.screenshot(path=screenshots / "rule-lab-form-1280.png", full_page=True)
    add.click()
    said = page.get_by_text("Added to gifts: total >= 150 -> gift BIG-01 × 2")
    expect(said).to_be_visible(timeout=LONG_MS)
    expect(gifts).not_to_have_text(before, timeout=LONG_MS)
    page.locator(".oh-fold summary:visible").first.click()
    assert 'then = "gift BIG-01 × 2"' in page.locator("textarea:visible").first.input_value()
    expect(page.locator(".oh-fold:visible").filter(has_text="Condition 1: what")).to_have_attribute("open", "")


def test_a_draft_is_published_and_gone_back_from(own_shop: tuple[str, Path], visit: Visit, screenshots: Path) -> None:
    page, (_, folder) = opened(own_shop, visit, height=1_200), own_shop
    edited(page, "2026-12")
    draft = section(page, "Keep, try or publish this draft")
    draft.get_by_role("radio", name=re.compile("Save and publish")).click()
    draft.get_by_label("Version").fill("2026-11-22")  # another's
    draft.get_by_label("Who says so").fill("ann")
    draft.get_by_label("Why").fill("the south is full")
    draft.get_by_role("button", name="Do it").click()
    expect(page.get_by_text("Tick the box first.").first).to_be_visible(timeout=LONG_MS)
    assert not of_rule(folder, "2026-12")
    draft.get_by_role("checkbox", name="Yes, do it").click()
    draft.get_by_role("button", name="Do it").click()
    expect(page.get_by_text("Nothing was changed:")).to_be_visible(timeout=LONG_MS)
    expect(draft.get_by_role("radio", name=re.compile("Save and publish"))).to_be_checked(timeout=LONG_MS)
    expect(draft.get_by_label("Who says so")).to_have_value("ann")
    expect(draft.get_by_role("checkbox", name="Yes, do it")).not_to_be_checked()
    draft.get_by_label("Version").fill("2026-12")
    draft.get_by_label("Why").click()
    draft.get_by_role("checkbox", name="Yes, do it").click()
    expect(draft.get_by_role("checkbox", name="Yes, do it")).to_be_checked()
    draft.get_by_role("button", name="Do it").click()
    expect(page.get_by_text("Version 2026-12 is now: Active.")).to_be_visible(timeout=LONG_MS)
    assert of_rule(folder, "2026-12") and not of_rule(folder, "2026-11-22")
    page.screenshot(path=screenshots / "rule-lab-published-1280.png", full_page=True)

    versions = section(page, "Versions")
    expect(versions.locator("tr", has_text="2026-11-22")).to_contain_text("Archived")
    versions.get_by_label("Version").select_option("2026-11-22")
    versions.get_by_role("radio", name=re.compile("go back to it")).click()
    versions.get_by_label("Who says so").fill("bob")
    versions.get_by_role("checkbox", name="Yes, do it").click()
    versions.get_by_role("button", name="Do it").click()
    expect(page.get_by_text("Version 2026-11-22 is now: Active.")).to_be_visible(timeout=LONG_MS)
    assert of_rule(folder, "2026-11-22") and not of_rule(folder, "2026-12")


def test_on_a_phone_nothing_is_cut_off(shop: tuple[str, Path], visit: Visit, screenshots: Path) -> None:
    page = opened(shop, visit, width=390, height=900)
    edited(page, "2026-13")
    section(page, "Its cells").locator("tbody [role=checkbox]").first.click()
    page.wait_for_timeout(1_000)
    page.screenshot(path=screenshots / "rule-lab-390.png", full_page=True)
    assert page.evaluate(looking.OVERFLOW) == 0
    assert looking.unnamed(page) == []


def test_a_choice_is_a_round_button_with_a_dot(shop: tuple[str, Path], visit: Visit) -> None:
    page = opened(shop, visit)
    radio = section(page, "Keep, try or publish this draft").get_by_role("radio", name="Save as a draft")
    expect(radio).to_be_checked(timeout=LONG_MS)
    button, dot = (part.bounding_box() for part in (radio, radio.locator("circle")))
    assert button is not None and dot is not None
    assert button["width"] == button["height"]
    assert dot["width"] > button["width"] / 3


@pytest.mark.parametrize(
    ("lang", "way", "title"), [("en", "category at most 2", "Parcels"), ("zh", "按品类 最多 2", "包裹")]
)
def test_a_draft_that_allows_few_parcels_tells_how_many_there_would_be(
    shop: tuple[str, Path], visit: Visit, screenshots: Path, lang: str, way: str, title: str
) -> None:
    page = visit(f"{shop[0]}/apps/rule_lab/?lang={lang}", height=1_200)
    looking.open_app(page)
    page.locator(".oh-fold summary:visible").first.click()
    text = page.locator("textarea:visible").first
    said = text.input_value()
    group = (
        '\n[[groups]]\nname = "parcels"\nmatch = "all"\n[[groups.rules]]\nname = "few"\nwhen = "always"\nthen = "{}"\n'
    )
    text.fill(said + group.format(f"拆单 {way}" if lang == "zh" else f"split {way}"))
    text.blur()
    row = section(page, title).locator("tbody tr", has_text=way)
    expect(row).to_be_visible(timeout=LONG_MS)
    _, _, orders, _, parcels = row.locator("td").all_inner_texts()
    assert int(orders) < int(parcels) < 2 * int(orders)
    section(page, title).screenshot(path=screenshots / f"rule-lab-parcels-{lang}.png")
    text.fill(said + group.format("拆单 按品类 最多 11"))
    text.blur()
    told = "a rule may allow 2 to 10 parcels" if lang == "en" else "规则可以允许 2 到 10 个包裹"
    expect(page.locator(".oh-note-bad:visible")).to_contain_text(told, timeout=LONG_MS)
    page.screenshot(path=screenshots / f"rule-lab-too-many-parcels-{lang}-1280.png")
