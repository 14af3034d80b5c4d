"""The rule lab's page: over a snapshot without rules, over a living hub, with nothing, and what its forms set off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from small_boards import NOW, hub_of, page

from orderhub_core import hub, i18n, ui
from orderhub_core.errors import UserMistake
from orderhub_core.flows import tariffs
from orderhub_core.flows.ops import EARLIEST
from orderhub_core.rules import rulebook
from orderhub_core.rules.decide import decided
from orderhub_core.rules.lab import board, sections, texts
from orderhub_core.store import snapshot

NOTEBOOK = "rule_lab"
EN = i18n.translator("en")


@pytest.fixture
def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    """A hub with some orders, whose active version sends them all to Hangzhou."""
    rows = [
        f"A{n},paid,2026-11-10 0{n}:00,2026-11-10 0{n}:05,{100 * n},{'广东省' if n % 2 else '浙江省'},S{n},1,{100 * n}"
        for n in range(1, 7)
    ]
    with hub_of(rows, tmp_path, monkeypatch) as opened:
        opened.editions.save(text("v1"), by="ann")
        opened.editions.change("publish", "v1", by="ann")
        yield opened


def text(version: str, more: str = "") -> str:
    routing = '[[groups]]\nname = "routing"\nmatch = "first"\notherwise = "assign hangzhou"\n'
    return f'version = "{version}"\n{routing}{more}'


SOUTH = '[[groups.rules]]\nname = "south"\nwhen = "province = 广东 and total >= 300"\nthen = "assign guangzhou"\n'
DEAR = '[[groups.rules]]\nname = "dear"\nwhen = "total >= 500"\nthen = "gift FREE-1 x 2"\n'
GIFT = f'[[groups]]\nname = "gifts"\nmatch = "all"\n{DEAR}'


def test_a_copy_without_rules_begins_with_an_example_and_keeps_nothing(board: ModuleType, copied: Path) -> None:
    outputs, names = board.app.run()
    words = page(outputs)
    assert names["found"].figures.orders == names["ground"].orders.height > 700
    assert names["found"].figures.moved == names["found"].figures.orders
    assert texts.READ_ONLY in words and "Yes, do it" not in words
    assert "guangzhou" in words or names["found"].compared.after.arguments("assign_warehouse") == [
        "guangzhou",
        "hangzhou",
    ]


def test_a_copy_has_the_book_of_its_settings(board: ModuleType, copied: Path) -> None:
    (copied / "orderhub.toml").write_text(
        'rulebook = "r.toml"\n[[warehouses]]\nid = "hangzhou"\nconnector = ""\norders_per_hour = 1\n', encoding="utf-8"
    )
    (copied / "r.toml").write_text(text("v7", SOUTH), encoding="utf-8")
    hub.connect.cache_clear()
    outputs, names = board.app.run()
    assert (names["tried"].draft.version, names["tried"].force.version) == ("v7", "v7")
    assert names["found"].figures.changed == 0
    assert names["found"].figures.hours_over[0] == names["found"].figures.hours_over[1] > 0
    assert "Hours over the limit" in page(outputs)


def test_a_book_of_the_settings_that_cannot_be_used_is_told(board: ModuleType, copied: Path) -> None:
    (copied / "orderhub.toml").write_text('rulebook = "r.toml"\n', encoding="utf-8")
    (copied / "r.toml").write_text(text("v7", SOUTH.replace("total", "totla")), encoding="utf-8")
    hub.connect.cache_clear()
    words = page(board.app.run()[0])
    assert "totla" in words and "Orders compared" not in words
    with pytest.raises(UserMistake, match=r"rulebook r\.toml: "):
        hub.connect().lab.active()


def test_chinese_leaves_no_english_behind(board: ModuleType, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "language", lambda: "zh")
    words = page(board.app.run()[0])
    assert "谁从哪里去了哪里" in words
    for name in ("hangzhou", "guangzhou", "FREE-01", "English", "lab.csv", "orders.csv"):
        words = words.replace(name, "")
    assert set(re.findall(r"[A-Za-z]{3,}", words)) <= {"CSV"}


def test_without_paid_orders_it_says_what_to_do(board: ModuleType, folder: Path) -> None:
    snapshot.write(folder, {}, snapshot.Meta(as_of=NOW))
    assert texts.NO_ORDERS in page(board.app.run()[0])


def test_no_hub_is_one_sentence(board: ModuleType, folder: Path) -> None:
    assert "The hub cannot be read" in page(board.app.run()[0])


def test_a_draft_is_compared_with_the_active_version(living: hub.Hub) -> None:
    lab, period = living.lab, living.lab.periods()[0]
    tried = lab.tried(text("v2", SOUTH + GIFT), "v1", period, EN)
    assert (tried.trouble, tried.refused) == ("", "")
    found = tried.ground.result(tried.ground.compared(tried.before, tried.draft), lab.capacity(), lab.prices())
    assert found.compared.matrix().select("from", "to", "orders").rows() == [
        ("hangzhou", "hangzhou", 4), ("hangzhou", "guangzhou", 2),
    ]  # fmt: skip
    assert (found.figures.gifts_won, found.figures.pieces) == (2, (0, 4))
    words = board.words(tried.draft, "en")
    hits, near = tried.ground.traffic(tried.draft), tried.ground.cliffs(tried.draft)
    parts = {one.title: one for one in sections.sections(found, hits, near, words)}
    pick = board.of_row(parts["Won and lost"], parts["Won and lost"].rows["argument"].to_list().index("FREE-1"))
    assert tried.ground.picked(found, tried.draft, pick)["order_no"].to_list() == ["A5", "A6"]
    assert board.named(pick, words) == "Orders that win gift FREE-1"
    missed = lab.missed(tried.draft, period)
    assert missed.select("order_no", "sku", "due", "given").rows() == [("A5", "FREE-1", 2, 0), ("A6", "FREE-1", 2, 0)]
    why = tried.ground.why(missed["order_id"][0], {"after": tried.draft}, words)["after"]
    assert why.row(0)[:4] == ("routing", "south", "assign guangzhou", "acts")
    assert "✓ total >= 300 [500]" in why.row(0)[4]


EACH = GIFT.replace("gift FREE-1 x 2", "赠品 FREE-1 × 2 每人 2").replace(">= 500", ">= 200")


def test_what_is_missing_of_a_gift_that_each_buyer_has_once_is_counted_by_the_hubs_buyers(
    living: hub.Hub, tmp_path: Path
) -> None:
    rows = [f"B{n},paid,2026-11-10 1{n}:00,2026-11-10 1{n}:05,300,浙江省,S,1,300,{who}" for n, who in enumerate("xyx")]
    head = "order_no,status,placed_at,paid_at,total,province,sku,quantity,price,buyer\n"
    (tmp_path / "more.csv").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    living.import_file(tmp_path / "more.csv", "generic", on_error="reject-all", dry_run=False)
    draft = rulebook.read(text("v2", EACH)).book
    missed = living.lab.missed(draft).filter(pl.col("order_no").str.starts_with("B"))
    assert missed.select("order_no", "missing").rows() == [("B0", 2), ("B1", 2)]
    late = living.lab.late(draft)
    assert late is not None and late.height == living.lab.missed(draft).height


def test_over_a_copy_nobody_can_count_by_buyers_and_the_page_leaves_that_out(board: ModuleType, copied: Path) -> None:
    (copied / "book.toml").write_text(text("v7", EACH), encoding="utf-8")
    (copied / "orderhub.toml").write_text('rulebook = "book.toml"\n', encoding="utf-8")
    outputs, names = board.app.run()
    assert names["tried"].draft.version == "v7"
    assert "Near a threshold" in page(outputs) or "The draft's rules" in page(outputs)
    assert "Gifts that past orders have missed" not in page(outputs)


def test_a_replay_wants_what_the_hub_has_decided_whatever_became_of_the_orders_since(
    living: hub.Hub, tmp_path: Path
) -> None:
    written = text("v2", SOUTH + GIFT)
    living.editions.save(written, by="ann")
    living.editions.change("publish", "v2", by="ann")
    head = "order_no,status,placed_at,paid_at,shipped_at,refunded_at,total,province,sku,quantity,price\n"
    paid = [f"B{n},paid,2026-11-10 1{n}:00,2026-11-10 1{n}:05,{{}},{90 * n},{'广东省' if n % 2 else '浙江省'},S,1,9"
            for n in range(1, 9)]  # fmt: skip
    for number, (shipped, state) in enumerate((("", "paid"), ("2026-11-11 09:00", "shipped")), 1):
        rows = [row.format(f"{shipped},").replace("paid", state, 1) for row in paid]
        (tmp_path / f"more-{number}.csv").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
        living.import_file(tmp_path / f"more-{number}.csv", "generic", on_error="reject-all", dry_run=False)
    assert set(living.frame("orders").filter(pl.col("order_no").str.starts_with("B"))["headline"]) == {"shipped"}
    recorded = living.store.query(
        "hub", "SELECT order_no, action, argument, quantity FROM decisions JOIN orders USING (order_id)"
        " WHERE version = 'v2' AND shadow = 0 ORDER BY order_no, place",
    )  # fmt: skip
    assert len(recorded) > 8
    ground, book = living.lab.ground(living.lab.periods()[0]), rulebook.read(written).book
    again = decided(ground.index(book.zone), book).join(ground.orders.select("order_id", "order_no"), on="order_id")
    replayed = again.filter(pl.col("order_no").str.starts_with("B")).sort("order_no", maintain_order=True)
    assert replayed.select("order_no", "action", "argument", "quantity").rows() == [tuple(row) for row in recorded]


@pytest.mark.parametrize(
    ("draft", "told"),
    [
        ("version = ", "TOML"),
        (text("v2", SOUTH.replace("total", "totla")), "totla"),
        (text("v2", SOUTH.replace("assign guangzhou", "hold courier")), "courier"),
    ],
)
def test_what_cannot_be_tried_or_carried_out_is_told(living: hub.Hub, draft: str, told: str) -> None:
    tried = living.lab.tried(draft, "v1", living.lab.periods()[0], EN)
    assert told in (tried.trouble or tried.refused)


def asked(do: str, **rest: object) -> dict[str, object]:
    return {"do": do, "by": "bob", "comment": "why not", "version": "", "sure": True} | rest


def states(living: hub.Hub) -> dict[str, str]:
    return {one.version: one.state for one in living.editions.kept()}


def test_a_draft_is_kept_as_it_was_written_and_a_moved_one_anew(living: hub.Hub) -> None:
    lab, written = living.lab, "# a remark\n" + text("v2", SOUTH)
    book = rulebook.read(written).book
    assert lab.keep(asked("save"), written, book, EN) == ("Version v2 is now: Draft.", "good")
    assert living.editions.text("v2") == written
    (slid,) = board.movable(book, board.words(book, "en"))["options"].values()
    ground = lab.ground(lab.periods()[0])
    scale = ground.scale(book, slid)
    ends = board.slider(scale, slid)
    assert (ends["value"], ends["start"]) == (300, scale.first / 100), "in yuan, as people write it"
    moved, line = board.moved(book, slid, scale, ends["start"], board.words(book, "en"))
    assert line == f"south: province = 广东省 and total >= {scale.first // 100} -> assign guangzhou"
    assert lab.keep(asked("publish", version="v3"), written, moved, EN) == ("Version v3 is now: Active.", "good")
    assert rulebook.read(living.editions.text("v3")).book.groups == moved.groups
    assert states(living) == {"v1": "archived", "v2": "draft", "v3": "active"}


def test_going_back_is_publishing_a_version_that_was_active(living: hub.Hub) -> None:
    lab = living.lab
    lab.keep(asked("publish"), text("v2", SOUTH), rulebook.read(text("v2", SOUTH)).book, EN)
    assert lab.move(asked("publish", version="v1"), EN) == ("Version v1 is now: Active.", "good")
    assert states(living) == {"v1": "active", "v2": "archived"}
    said, tone = lab.move(asked("review", version="v1"), EN)
    assert tone == "bad" and "v1 is active" in said


def test_a_doubtful_draft_is_published_only_if_it_is_meant_so(living: hub.Hub) -> None:
    doubtful = text("v2", SOUTH.replace("total >= 300", "total >= 300 and total < 200"))
    book = rulebook.read(doubtful).book
    said, tone = living.lab.keep(asked("publish"), doubtful, book, EN)
    assert tone == "bad" and "contradict" in said
    assert states(living) == {"v1": "active"}, "told that nothing was changed"
    assert living.lab.keep(asked("anyway"), doubtful, book, EN)[1] == "good"


def test_a_file_that_is_no_text_is_told(living: hub.Hub) -> None:
    given, told = living.lab.opened(board.FILE, b"\xff\xfe\x00", "en")
    assert given == "" and "UTF-8" in told
    assert living.lab.opened("v1", text("v9").encode("utf-8-sig"), "en") == (text("v1"), "")
    assert living.lab.opened(board.FILE, text("v9").encode("utf-8-sig"), "en") == (text("v9"), "")
    assert living.lab.opened("v1", None, "en") == (text("v1"), "")


def test_prices_are_read_from_a_folder_of_files(tmp_path: Path) -> None:
    assert tariffs.read(tmp_path) is None
    files = {
        "weights": "sku,weight_g\nS1,400\n",
        "zones": "warehouse,province,zone\nhangzhou,浙江省,1\n",
        "tariffs": "warehouse,zone,from_g,base_minor,step_g,step_minor\nhangzhou,1,0,500,1000,100\n",
    }
    for name, content in files.items():
        (tmp_path / f"{name}.csv").write_text(content, encoding="utf-8")
    prices = tariffs.read(tmp_path)
    assert prices is not None
    assert (prices.weights.rows(), prices.tariffs.row(0)[3]) == ([("S1", 400)], 500)
    (tmp_path / "weights.csv").write_text("sku,weight_g\nS1,400\nS2,heavy\n", encoding="utf-8")
    with pytest.raises(UserMistake, match=r"weights\.csv, line 3: weight_g is 'heavy'"):
        tariffs.read(tmp_path)
    (tmp_path / "weights.csv").write_text("sku,grams\nS1,400\n", encoding="utf-8")
    with pytest.raises(UserMistake, match="there is no column 'weight_g'; it has sku, grams"):
        tariffs.read(tmp_path)


def test_what_was_reported_of_the_world_counts_in_a_replay(living: hub.Hub) -> None:
    stormy = text("v2", SOUTH.replace("province = 广东 and total >= 300", "storm"))
    lab = living.lab

    def moved() -> int:
        tried = lab.tried(stormy, "v1", lab.periods()[0], EN)
        assert tried.trouble == ""
        return int(tried.ground.compared(tried.before, tried.draft).changed_by_verb()["assign_warehouse"])

    assert moved() == 0
    living.signals.report("storm", "yes", by="ann", about="province=广东省", since=EARLIEST)
    assert moved() == 3
