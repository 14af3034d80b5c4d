"""The reconciliation board: over a snapshot with ledgers, over a living hub with a queue, and with nothing."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import fresh
import polars as pl
import pytest

from orderhub_core import errors, hub, i18n, ui
from orderhub_core.audit.reconcile import period, queue, texts
from orderhub_core.charts import reconcile as charts
from orderhub_core.entry.commands.demo import write_books
from orderhub_core.model import RawMessage
from orderhub_core.people import Review
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot
from orderhub_core.ui.choice import NUMBER

NOTEBOOK = "reconciliation"
NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
PLAN = Plan(seed=3, orders=3_000, start=NOW - 9 * DAY, end=NOW)


@pytest.fixture
def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    """A hub with a store, over whose folder the ledgers of a world lie."""
    monkeypatch.delenv("ORDERHUB_SNAPSHOT", raising=False)
    monkeypatch.setenv("ORDERHUB_DATA", str(tmp_path))
    fresh.hub(hub.home().data)
    write_books(tmp_path, build(PLAN), NOW)
    hub.connect.cache_clear()
    opened = hub.connect()
    assert isinstance(opened, hub.Hub)
    yield opened
    opened.close()
    hub.connect.cache_clear()


def page(outputs: tuple[object, ...]) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", " ".join(str(getattr(output, "text", "")) for output in outputs)))


def test_the_board_shows_what_the_reconciliation_says(board: ModuleType, living: hub.Hub) -> None:
    outputs, names = board.app.run()
    found, words = names["found"], page(outputs)
    totals = found.totals
    for minor in (totals.paid_minor, totals.refunded_minor, totals.outbound_minor, totals.gap_minor):
        assert texts.amount(minor, 2) in words
    assert totals.gap_minor == sum(found.parts["part_minor"]) != 0
    assert "Probably channel cost" in words


def test_an_acknowledgement_is_kept_and_can_be_taken_back(board: ModuleType, living: hub.Hub) -> None:
    _, names = board.app.run()
    tr, found = i18n.translator("en"), names["found"]
    waiting = names["rows"].filter(pl.col("reason").is_null())
    picked = queue.table(waiting, found, tr)[[0, 2]]
    names["settle"]({"rows": picked, "reason": " stock ran short ", "reviewer": "Li"})
    assert names["said"]() == ("2 acknowledged.", "good")
    living.drain()

    _, again = board.app.run()
    done = again["rows"].filter(pl.col("reason").is_not_null())
    assert done["reason"].unique().to_list() == ["stock ran short"]
    assert set(done["order_no"]) == set(picked["Order"])
    assert queue.waiting(again["rows"]) == waiting.height - 2
    assert living.reviews_of([queue.audit_id(found.period)])["reviewer"].to_list() == ["Li", "Li"]
    assert living.verify_log().broken_seq is None

    again["settle"]({"rows": queue.table(done, found, tr)[[0]], "sure": True})
    assert again["said"]() == ("1 taken back into the queue.", "good")
    living.drain()
    assert queue.waiting(board.app.run()[1]["rows"]) == waiting.height - 1


def test_another_period_has_a_queue_of_its_own(board: ModuleType, living: hub.Hub) -> None:
    _, names = board.app.run()
    spans = texts.spans(names["everything"], i18n.translator("en"))
    assert next(iter(spans)) == "All days"
    assert len({queue.audit_id(span) for span in spans.values()}) == len(spans)


def test_an_answer_that_cannot_be_kept_leaves_the_order_waiting(
    board: ModuleType, living: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(reviews: object) -> None:
        raise errors.Busy("the disk is full")

    monkeypatch.setattr(living, "judge_all", full)
    _, names = board.app.run()
    picked = queue.table(names["rows"], names["found"], i18n.translator("en"))[[0]]
    names["settle"]({"rows": picked, "reason": "why", "reviewer": ""})
    assert names["answered"]() == {}
    assert names["said"]()[0].startswith("Some of the answers may not have been taken: the disk is full.")
    names["settle"]({"rows": picked, "reason": "why", "reviewer": ""})
    assert names["answered"]() == {}


def test_of_answers_that_were_taken_in_part_the_page_shows_those_that_were(
    board: ModuleType, living: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a cluster takes messages in. What was said a moment ago, and is not applied yet, stays said."""
    _, names = board.app.run()
    picked, whole = queue.table(names["rows"], names["found"], i18n.translator("en")), living.judge_all
    monkeypatch.setattr(living, "judge_all", lambda _: None)  # taken, and no worker is about
    names["settle"]({"rows": picked[[0]], "reason": "sooner", "reviewer": ""})

    def in_part(said: list[Review]) -> None:
        whole(said[:1])
        living.drain()
        raise errors.Unreachable("no quorum")

    monkeypatch.setattr(living, "judge_all", in_part)
    names["settle"]({"rows": picked[[1, 2]], "reason": "why", "reviewer": ""})
    assert {order_no: said for (_, order_no), said in names["answered"]().items()} == {
        picked["Order"][0]: "sooner",
        picked["Order"][1]: "why",
    }
    monkeypatch.setattr(living, "judge_all", whole)
    names["settle"]({"rows": picked[[1, 2]], "reason": "why", "reviewer": ""})
    assert len(names["answered"]()) == 3 and names["said"]() == ("2 acknowledged.", "good")


def test_an_answer_that_no_message_may_hold_is_refused_and_changes_nothing(board: ModuleType, living: hub.Hub) -> None:
    _, names = board.app.run()
    picked = queue.table(names["rows"], names["found"], i18n.translator("en"))[[0]]
    names["settle"]({"rows": picked, "reason": "x" * 501, "reviewer": ""})
    assert names["said"]()[0].startswith("The answer was not taken: the note is too long")
    assert names["answered"]() == {}


def test_many_answers_are_handed_in_together(living: hub.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    span, keys = period.month("2026-11", "Asia/Shanghai"), [("s", "a"), ("s", "b"), ("s", "c")]
    before = living.pulse().received
    with pytest.raises(errors.UserMistake):
        queue.answer(living.judge_all, span, keys, "x" * 501)
    assert living.pulse().received == before
    commits: list[list[RawMessage]] = []
    monkeypatch.setattr(living, "receive", commits.append)
    queue.answer(living.judge_all, span, keys, "why", "Li")
    assert [len(messages) for messages in commits] == [3], "one commit, however many orders"


def test_a_reason_is_wanted() -> None:
    table = ui.table(pl.DataFrame({"a": [1]}), selection="multi")
    form = ui.reasoned(table, {"reason": "Reason"}, "Go", i18n.translator("en"), lambda _: None)
    rows = table.data[NUMBER].to_list()
    assert form.validate({"rows": [], "reason": "x"}) == "Choose rows first."
    assert form.validate({"rows": rows, "reason": " "}) == "Give a reason first."
    assert form.validate({"rows": rows, "reason": "x"}) is None


def test_chinese_leaves_no_english_behind(board: ModuleType, living: hub.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "language", lambda: "zh")
    words = page(board.app.run()[0])
    assert "差额原因" in words
    for name in ("fees.toml", "channel_cost", "douyin-main", "douyin-outlet", "mixed_times", "reconcile", "English"):
        words = words.replace(name, "")
    words = re.sub(r"\w+\.csv|orderhub audit|--[a-z-]+", "", words)
    assert set(re.findall(r"[A-Za-z]{3,}", words)) <= {"CSV", "XLSX", "ERP", "CNY", "fees"}


def test_a_snapshot_is_read_only_and_says_so(board: ModuleType, folder: Path) -> None:
    snapshot.write(folder, build(PLAN).until(NOW), snapshot.Meta(as_of=NOW))
    write_books(folder, build(PLAN), NOW)
    words = page(board.app.run()[0])
    assert "Read only: acknowledge in the hub itself." in words
    assert "Give a reason" not in words


def test_an_empty_hub_says_what_to_do(board: ModuleType, folder: Path) -> None:
    snapshot.write(folder, {}, snapshot.Meta(as_of=NOW))
    assert "Nothing has been paid or shipped yet" in page(board.app.run()[0])


def test_a_file_of_another_kind_is_one_sentence_on_the_page(board: ModuleType, folder: Path) -> None:
    snapshot.write(folder, {}, snapshot.Meta(as_of=NOW))
    (folder / "reconcile").mkdir()
    (folder / "reconcile" / "erp.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert "The ledgers cannot be read: erp.csv, as the ledger erp: no column for order_no" in page(board.app.run()[0])


def test_the_waterfall_ends_where_the_ledger_of_what_was_shipped_does(board: ModuleType, living: hub.Hub) -> None:
    found = board.app.run()[1]["found"]
    tr = i18n.translator("zh")
    rows = charts.steps(found, tr)
    (bars,) = charts.waterfall(found, tr).to_dict()["datasets"].values()
    assert [bar["end"] for bar in bars] == rows["end"].to_list()
    assert rows["end"].to_list()[-1] == pytest.approx(found.totals.outbound_minor / 100)
    moved = dict(zip(rows["name"], rows["said"], strict=True))
    causes = texts.causes(found, tr).select(tr("Cause"), tr("Part of the gap"))
    parts = {name: part for name, part in causes.iter_rows() if part}
    assert parts, "each cause takes away from the way what it adds to the gap, and the page says so"
    assert {name: float(moved[name].replace(",", "").replace("−", "-")) for name in parts} == {
        name: -part for name, part in parts.items()
    }
    assert all(moved[name][0] in "+−" for name in parts)
    assert texts.SIGNS in page(board.app.run()[0])
    assert set(charts.COLOURS) - {"total"} == set(texts.KINDS) - {"settled"}
