"""The health board: a shop with orders, an empty one, none at all, and one that is alive."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import altair as alt
import fresh
import polars as pl
import pytest

from orderhub_core import errors, frames, held, hub, i18n, ui
from orderhub_core.charts import health as charts
from orderhub_core.flows import away, doubts, following
from orderhub_core.flows.editions import Editions
from orderhub_core.health import diagnosis, holds, queue
from orderhub_core.model import RawMessage
from orderhub_core.names import Names
from orderhub_core.rules import allotting, shortages
from orderhub_core.rules.actions import HOLDS
from orderhub_core.settings import Endpoint, Settings, WarehouseSettings
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot, statements
from orderhub_core.ui.choice import NUMBER

NOTEBOOK = "health"
START = 1_762_000_000_000_000
DAY_US = 86_400_000_000
PLAN = Plan(seed=3, orders=3_000, start=START, end=START + 10 * DAY_US)


@pytest.fixture(scope="module")
def known() -> dict[str, pl.DataFrame]:
    return build(PLAN).until(PLAN.end)


def page(outputs: tuple[object, ...]) -> str:
    return re.sub(r"<[^>]*>", " ", str(getattr(outputs[-1], "text", "")))


def test_the_board_shows_what_the_diagnosis_says(
    board: ModuleType, folder: Path, known: dict[str, pl.DataFrame]
) -> None:
    snapshot.write(folder, known, snapshot.Meta(as_of=PLAN.end))
    outputs, names = board.app.run()
    found = diagnosis.diagnose(known["orders"], PLAN.end)
    assert names["found"].worst == found.worst
    assert len(found.worst) == 3
    words = page(outputs)
    assert f"{found.overdue:,} overdue, {found.at_risk:,} at risk" in words
    assert f"{found.worst[0].orders:,} overdue" in words


def test_chinese_leaves_no_english_behind(
    board: ModuleType, folder: Path, known: dict[str, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot.write(folder, known, snapshot.Meta(as_of=PLAN.end))
    monkeypatch.setattr(ui, "language", lambda: "zh")
    words = page(board.app.run()[0])
    assert "最严重的堵点" in words
    names = {name for column in ("warehouse", "shop", "carrier") for name in known["orders"][column].unique() if name}
    for name in sorted(names, key=len, reverse=True):
        words = words.replace(name, "")
    for typed in ("orderhub diagnose --thresholds FILE", "thresholds.toml", "English", "CSV"):
        words = words.replace(typed, "")
    assert not re.findall(r"[A-Za-z]{3,}", words)


def test_an_empty_hub_says_so(board: ModuleType, folder: Path) -> None:
    snapshot.write(folder, {}, snapshot.Meta(as_of=PLAN.end))
    words = page(board.app.run()[0])
    assert "There are no orders yet" in words
    assert "Nothing happened in the last hour." in words


@pytest.mark.usefixtures("folder")
def test_no_hub_says_how_to_make_one(board: ModuleType) -> None:
    outputs, _ = board.app.run()
    said = " ".join(str(getattr(output, "text", "")) for output in outputs)
    assert "The hub cannot be read: no snapshot in" in said


def test_a_living_hub_shows_its_pulse(board: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDERHUB_SNAPSHOT", raising=False)
    monkeypatch.setenv("ORDERHUB_DATA", str(tmp_path))
    fresh.hub(hub.home().data)
    hub.connect.cache_clear()
    words = page(board.app.run()[0])
    assert "Refused signatures" in words
    assert "Nothing has come in yet." in words
    assert "Nothing is parked." in words
    assert "There are no orders yet" in words


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    """A living hub with messages that wait and messages that nobody could read."""
    monkeypatch.delenv("ORDERHUB_SNAPSHOT", raising=False)
    monkeypatch.setenv("ORDERHUB_DATA", str(tmp_path))
    fresh.hub(hub.home().data)
    hub.connect.cache_clear()
    opened = hub.connect()
    assert isinstance(opened, hub.Hub)
    opened.receive([RawMessage("stranger", f"m{n}", "order", b"{}") for n in range(3)])
    opened.drain()
    opened.store.accept([RawMessage("late", f"w{n}", "order", b"{}") for n in range(7)], hub.clock() - 500_000_000)
    yield opened
    opened.close()
    hub.connect.cache_clear()


def test_the_queue_shows_who_waits_and_why_messages_are_parked(board: ModuleType, busy: hub.Hub) -> None:
    outputs, names = board.app.run()
    words = page(outputs)
    assert "waits too long" in words
    assert "Parked messages" in words
    assert names["flowing"] == busy.flow()
    assert [row["source"] for row in names["parked"]()] == ["stranger"] * 3
    shown = str(getattr(outputs[-1], "text", ""))
    assert "no shop or touchpoint named" in shown
    assert "late" in shown
    chinese = i18n.translator("zh")
    assert set(queue.parked(names["parked"](), "UTC", chinese)[chinese("Reason")]) == {
        "设置里没有名为 'stranger' 的店铺或触点"
    }


def test_where_nobody_applies_what_waits_the_page_says_how_a_worker_is_started(
    board: ModuleType, busy: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, now = "orderhub worker", hub.clock()
    assert asked not in page(board.app.run()[0]), "nobody has looked for long"
    monkeypatch.setattr(busy.flow, "_clock", lambda: now + 61_000_000)
    busy.flow.forget()
    assert asked in page(board.app.run()[0])


def test_a_replay_of_some_is_told_and_leaves_the_others(board: ModuleType, busy: hub.Hub) -> None:
    _, names = board.app.run()
    rows = queue.parked(names["parked"](), "Asia/Shanghai", i18n.translator("en"))
    names["held"]._on_change({"rows": rows[[1]], "do": "replay", "reason": "", "by": "", "sure": True})
    assert names["said"]()[0] == ("Tried 1 again: 0 were read, 1 are still parked.", "warn")
    assert (busy.pulse().parked, busy.pulse().waiting) == (3, 7)  # the others wait for the worker


def test_a_replay_wants_to_be_confirmed(board: ModuleType, busy: hub.Hub) -> None:
    form = board.app.run()[1]["held"]
    asked = {"rows": [], "do": queue.REPLAY, "reason": "", "by": ""}
    assert form.validate({**asked, "sure": False}) == "Tick the box first."
    assert form.validate({**asked, "sure": True}) is None


def test_a_dismissal_wants_messages_a_reason_and_a_name(board: ModuleType, busy: hub.Hub) -> None:
    form = board.app.run()[1]["held"]
    whole = {
        "rows": form.element["rows"].data[NUMBER].to_list()[1:2],
        "do": queue.DISMISS,  # as the browser sends it
        "reason": "noise",
        "by": "ann",
        "sure": True,
    }
    assert form.validate(whole) is None
    assert form.validate({**whole, "sure": False}) == "Tick the box first."
    assert form.validate({**whole, "rows": []}) == "Choose the messages to dismiss."
    for name in ("reason", "by"):
        assert form.validate({**whole, name: " "}) == "Dismissing needs a reason and your name."


def test_some_are_dismissed_and_the_others_go_on_waiting(board: ModuleType, busy: hub.Hub) -> None:
    _, names = board.app.run()
    rows = queue.parked(names["parked"](), "Asia/Shanghai", i18n.translator("en"))
    names["held"]._on_change({"rows": rows[[1]], "do": "dismiss", "reason": "noise", "by": "ann", "sure": True})
    text, kind = names["said"]()[0]
    assert (text.startswith("Dismissed 1."), kind) == (True, "good")
    told = [(row["message_id"], row["dismissal"], row["dismissed_by"]) for row in busy.parked(dismissed=True)]
    assert told == [("m1", "noise", "ann")]
    assert busy.pulse().parked == 9, "two of the strangers', and the seven that were applied on the way"


def test_a_dismissal_that_is_refused_is_told(board: ModuleType, busy: hub.Hub) -> None:
    _, names = board.app.run()
    rows = queue.parked(names["parked"](), "Asia/Shanghai", i18n.translator("en"))
    busy.dismiss([rows["Number"][1]], reason="somebody else was faster")
    names["held"]._on_change({"rows": rows[[1]], "do": "dismiss", "reason": "noise", "by": "ann", "sure": True})
    text, kind = names["said"]()[0]
    assert ("dismissed already" in text, "somebody else was faster" in text, kind) == (True, True, "bad")


def test_a_read_only_board_shows_the_queue_and_offers_no_replay(board: ModuleType, busy: hub.Hub) -> None:
    busy.writable = False
    words = page(board.app.run()[0])
    assert "Read only: replay or dismiss in the hub" in words
    assert "Try them again" not in words


RULEBOOK = """version = "1"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou"
[[groups]]
name = "care"
match = "all"
[[groups.rules]]
name = "大额"
when = "total >= 100"
then = "hold risk"
[[groups.rules]]
name = "特大"
when = "total >= 1000"
then = "approve finance"
"""
EXPORT = """order_no,status,placed_at,paid_at,total,sku,quantity,receiver_name,receiver_phone
L1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,100,S-1,1,王小明,13800138000
L2,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,1000,S-1,1,李小红,13900139000
S1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,99,S-1,1,赵大力,13700137000
"""


@pytest.fixture
def holding(busy: hub.Hub, tmp_path: Path) -> Iterator[hub.Hub]:
    """A living hub whose rulebook holds two of three orders."""
    (tmp_path / "rules.toml").write_text(RULEBOOK, encoding="utf-8")
    (tmp_path / "orderhub.toml").write_text('rulebook = "rules.toml"\n', encoding="utf-8")
    (tmp_path / "paid.csv").write_text(EXPORT, encoding="utf-8")
    hub.connect.cache_clear()
    opened = hub.connect()
    assert isinstance(opened, hub.Hub)
    opened.import_file(tmp_path / "paid.csv", "generic", on_error="reject-all", dry_run=False)
    yield opened
    opened.close()


def test_held_orders_stand_in_a_table_with_their_reasons(board: ModuleType, holding: hub.Hub) -> None:
    outputs, names = board.app.run()
    shown = holds.table(names["back"](), "UTC", i18n.translator("en"))
    assert dict(shown.select("Order", "Reasons").iter_rows()) == {
        "L1": "rule 大额 holds it: risk",
        "L2": "rule 大额 holds it: risk; rule 特大 asks for the approval of finance",
    }
    assert shown["Since"].str.to_datetime("%Y-%m-%d %H:%M:%S").is_sorted()
    words = names["waiting"].text
    assert "Held orders" in words and "held-orders.csv" in words
    assert not any(part in words + page(outputs) for part in ("小明", "小红", "1380013", "1390013"))
    holding.holds.release("L1", reason="known buyer", by="ann")
    _, after = board.app.run()
    assert [one.order_no for one in after["back"]()] == ["L2"]


def test_chosen_orders_are_let_go_and_of_the_others_it_is_told_why_not(holding: hub.Hub) -> None:
    tr = i18n.translator("en")
    shown = holds.table(holding.holds.kept(), "UTC", tr)
    holding.holds.release("L1", reason="known buyer", by="ann")
    answer = {"rows": shown, "do": "go", "reason": "finance has agreed", "by": "ann"}
    told, kind = holds.carried_out(answer, holding.holds, tr)
    assert kind == "bad"
    assert told.splitlines()[0] == "Let go: 1. They are handed over next."
    assert "order L1 is not kept from its warehouse" in told
    assert holding.holds.kept() == []
    log = holding.store.query("hub", "SELECT detail FROM log WHERE detail LIKE '%finance has agreed%'")
    assert len(log) == 1, "who, and why, is in the log"


def test_an_order_that_is_shown_by_names_is_let_go_all_the_same(holding: hub.Hub) -> None:
    tr = i18n.translator("zh")
    kept = holding.holds.kept()
    shop, place = Endpoint(kept[0].shop, "direct", name="旗舰店"), WarehouseSettings(kept[0].target, "", name="杭州仓")
    named = Names(Settings(shops=(shop,), warehouses=(place,)), tr)
    table = ui.table(holds.table(kept, "UTC", tr, named), named, selection="multi")
    assert set(table.data.select(tr("Shop"), tr("Target")).iter_rows()) == {("旗舰店", "杭州仓")}
    table._update([str(table.data[NUMBER][0])])
    told, kind = holds.carried_out(
        {"rows": table.value, "do": "go", "reason": "ok", "by": "ann"}, holding.holds, tr, named
    )
    assert (kind, told) == ("good", "已放行 1 单，接着就会交给仓库。")
    assert [one.order_no for one in holding.holds.kept()] == ["L2"]


def test_what_has_another_reason_now_is_not_let_go_unseen(holding: hub.Hub) -> None:
    tr = i18n.translator("zh")
    seen = holds.table(holding.holds.kept(), "UTC", tr)
    with holding.store.transaction("hub") as cursor:
        cursor.execute("UPDATE outbox SET note = 'partly refunded: what is still to be sent?; before: ' || note")
    told, kind = holds.carried_out({"rows": seen.head(1), "do": "go", "reason": "ok", "by": "ann"}, holding.holds, tr)
    assert (kind, "请先看清" in told) == ("bad", True)
    assert len(holding.holds.kept()) == 2


def told_of(holding: hub.Hub, act: str, about: str = "") -> tuple[str, str]:
    """What is told of whoever says that of L1, which the hub has as the database is told `about` it."""
    if about:
        with holding.store.transaction("hub") as cursor:
            cursor.execute(f"UPDATE outbox SET {about} WHERE key LIKE '%L1%'")
    tr = i18n.translator("en")
    (one,) = (one for one in holding.holds.kept() if one.order_no == "L1")
    answer = {"rows": holds.table([one], "UTC", tr), "do": act, "reason": "ok", "by": "ann"}
    return holds.carried_out(answer, holding.holds, tr)


def is_held(holding: hub.Hub) -> bool:
    return any(one.order_no == "L1" for one in holding.holds.kept())


@pytest.mark.parametrize("act", ["go", "again"])
def test_what_was_handed_over_already_is_not_said_to_go(holding: hub.Hub, act: str) -> None:
    told = told_of(holding, act, "done_at = 1")
    assert told == ("Handed over before, and left as it is: 1. Nothing more of it goes.", "good")
    assert not is_held(holding)


def test_a_person_who_has_seen_to_an_order_says_so_on_the_page(board: ModuleType, holding: hub.Hub) -> None:
    form = board.app.run()[1]["keeping"][0]
    assert list(form.element["do"].options.values()) == ["go", "again", "close"]
    asked = {
        "rows": form.element["rows"].data[NUMBER].to_list()[:1],
        "do": holds.ACTS["close"],
        "by": "ann",
        "sure": True,
    }
    assert form.validate({**asked, "reason": " "}) == "Give a reason first."
    assert form.validate({**asked, "reason": "sent by hand", "rows": []}) == "Choose rows first."
    assert form.validate({**asked, "reason": "sent by hand"}) is None
    assert told_of(holding, "close") == ("Seen to: 1. The hub sends them no more.", "good")
    assert not is_held(holding)


def test_what_was_tried_goes_only_once_more_and_what_was_not_just_goes(holding: hub.Hub) -> None:
    told, kind = told_of(holding, "go", "attempts = 3")
    assert (kind, "was tried 3 times and may have arrived" in told, is_held(holding)) == ("bad", True, True)
    assert told_of(holding, "again") == ("Handed over once more: 1, under the same key.", "good")
    assert not is_held(holding)


def test_once_more_of_what_was_never_tried_is_letting_it_go(holding: hub.Hub) -> None:
    assert told_of(holding, "again") == ("Let go: 1. They are handed over next.", "good")


def made_for(holding: hub.Hub, order_no: str) -> str:
    """What is made for a held order waits, too, and is younger than all else that does. The order's shop."""
    one = next(one for one in holding.holds.kept() if one.order_no == order_no)
    with holding.store.transaction("hub") as cursor:
        names = [row[1] for row in cursor.execute("PRAGMA table_info(outbox)")]
        work = {
            "key": f"'work:{one.shop}:{order_no}'", "target": "'suzhou'", "note": "'asked'",
            "intended_at": "intended_at + 1",
        }  # fmt: skip
        values = ", ".join(work.get(name, name) for name in names)
        cursor.execute(f"INSERT INTO outbox SELECT {values} FROM outbox WHERE key = '{one.key}'")
    return one.shop


def test_an_order_that_is_shown_is_shown_whole_and_can_be_let_go(
    board: ModuleType, holding: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "MOST", 1)
    made_for(holding, "L1")
    _, names = board.app.run()
    shown = names["back"]()
    assert [one.key.partition(":")[0] for one in shown] == ["push", "work"], "what is between them is of another order"
    tr = i18n.translator("en")
    told, kind = holds.carried_out(
        {"rows": holds.table(shown, "UTC", tr), "do": "go", "reason": "ok", "by": "ann"}, holding.holds, tr
    )  # fmt: skip
    assert (told, kind) == ("Let go: 2. They are handed over next.", "good")


def test_who_chooses_one_of_several_that_one_word_lets_go_lets_none_go(holding: hub.Hub) -> None:
    tr = i18n.translator("en")
    shop = made_for(holding, "L1")
    seen = holds.table(holding.holds.kept(shop=shop, order_no="L1"), "UTC", tr)
    for row in range(2):
        told, kind = holds.carried_out(
            {"rows": seen[row : row + 1], "do": "go", "reason": "ok", "by": "ann"}, holding.holds, tr
        )
        assert (kind, "choose its other rows, too" in told) == ("bad", True)
    assert len(holding.holds.kept()) == 3
    told, kind = holds.carried_out({"rows": seen, "do": "go", "reason": "ok", "by": "ann"}, holding.holds, tr)
    assert (told, kind) == ("Let go: 2. They are handed over next.", "good")
    assert [left.order_no for left in holding.holds.kept()] == ["L2"]


def test_of_many_held_orders_the_oldest_are_shown_and_that_is_said(holding: hub.Hub) -> None:
    everything = holding.holds.kept()
    assert [one.order_no for one in holding.holds.kept(limit=1)] == [everything[0].order_no]
    tr = i18n.translator("en")
    assert holds.remarks(everything, tr, writable=True) == []
    assert holds.remarks(everything, tr, writable=False) == [holds.RELEASE]
    many = [one._replace(order_no=f"{one.order_no}-{n}") for n in range(holds.MOST) for one in everything]
    (cut, _) = holds.remarks(many, tr, writable=False)
    assert cut.startswith("The oldest 1,000 orders are shown")
    assert holds.remarks(everything * holds.MOST, tr, writable=True) == [], "two orders, however much of them waits"


def test_without_held_orders_the_page_says_so_unless_nothing_could_hold_any(
    board: ModuleType, busy: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is no rulebook, so paid orders go nowhere" in page(board.app.run()[0])
    monkeypatch.setattr(Editions, "decides", lambda _: True)
    assert "Nothing is held." in page(board.app.run()[0])


def test_the_reasons_of_held_orders_are_told_in_chinese(board: ModuleType, holding: hub.Hub) -> None:
    """Those that the hub gives itself; and what a rule holds for is named as rules name it."""
    tr = i18n.translator("zh")
    told = " ".join(holds.table(board.app.run()[1]["back"](), "UTC", tr)[tr("Reasons")])
    assert not re.findall("[A-Za-z]{3,}", told.replace("finance", ""))
    assert {kind: tr(name) for kind, name in held.KINDS.items()} == {kind: hold.zh for kind, hold in HOLDS.items()}
    worded = (
        "partly_refunded", "wanted_back", "readdressed", "many", "elsewhere", "shipped", "carried", "relined",
        "changed", "again",
    )  # fmt: skip
    sources = "".join(map(inspect.getsource, (away, doubts, following, statements)))
    assert {holds.REASONS[name] for name in worded} <= set(re.findall(r'"([^"\n]+)"', sources)), "as the hub words them"
    partly, shipped = holds.REASONS["partly_refunded"], holds.REASONS["shipped"]
    many = doubts.MANY.format(cases=2, refunded=1)
    assert holds.reasons(f"{many}; before: {partly}", tr) == (
        "有 2 个售后单，其中 1 个已退款：请逐个查看；此前：已部分退款：还要发什么？"
    )
    also = holds.REASONS["elsewhere"].format(shop="exports")
    called = {"exports": "旧导出"}
    assert holds.reasons(f"{also}; {partly}", tr, lambda kind, name: called[name] if kind == "shop" else name) == (
        "旧导出 也有同号的订单：是不是同一单？；已部分退款：还要发什么？"
    )
    failed = "gave up after 5 tries: no stock, it says; its own trouble"
    assert holds.reasons(f"{shipped}; before: {failed}; before: {partly}", tr) == (
        "未通知仓库就已标记发货；此前：尝试 5 次后放弃：no stock, it says；是对方自己的故障；"
        "此前：已部分退款：还要发什么？"
    )
    note = f"{shipped}; before: {partly}; before: gave up after 5 tries: no stock"
    assert (
        holds.reasons(note, tr)
        == "未通知仓库就已标记发货；此前：已部分退款：还要发什么？；此前：尝试 5 次后放弃：no stock"
    )
    assert holds.reasons(note, str) == note
    some = "1,200 of SKU-1 left, 2,000 asked, 0 of CUP left, 1 asked"
    lack = f"nothing was taken: hangzhou: {some}; attic: closed (blackout)"
    assert holds.reasons(f"{lack}; south: full, 30 of 30", tr) == (
        "没有取用：hangzhou：SKU-1 剩 1,200 件，需 2,000 件、CUP 剩 0 件，需 1 件；attic：未开放（blackout）；"
        "south：已满，30 单已接 30 单"
    )
    assert holds.reasons(lack, str) == lack
    assert {*holds.LACKING, holds.LACKED, *held.LACKS} <= set(
        re.findall(r'"([^"\n]+)"', inspect.getsource(shortages) + inspect.getsource(allotting))
    ), "as the hub words them"
    assert holds.reasons("a warehouse's own answer", tr) == "a warehouse's own answer"


def test_a_snapshot_has_no_queue_and_says_so(board: ModuleType, folder: Path) -> None:
    snapshot.write(folder, {}, snapshot.Meta(as_of=PLAN.end))
    assert "A snapshot has no queue" in page(board.app.run()[0])


def test_a_store_that_stops_answering_is_told_and_tried_again(
    board: ModuleType, busy: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise errors.Unreachable("the database does not answer")

    monkeypatch.setattr(busy, "flow", away)
    said = [str(getattr(output, "text", "")) for output in board.app.run()[0]]
    (told,) = [text for text in said if "The hub cannot be read: the database does not answer" in text]
    assert "marimo-refresh" in told


def drawn(chart: alt.Chart) -> list[dict[str, object]]:
    """The rows that a chart draws."""
    return [row for rows in chart.to_dict().get("datasets", {}).values() for row in rows]


def test_charts_draw_every_order_of_every_stage_and_nothing_where_there_is_nothing(
    known: dict[str, pl.DataFrame],
) -> None:
    tr = i18n.translator("zh")
    stages = diagnosis.diagnose(known["orders"], PLAN.end).stages
    counted: Counter[object] = Counter()
    for row in drawn(charts.levels(stages, tr)):
        counted[row["stage"]] += int(str(row["count"]))
    dwelt = {row["stage"]: row["orders"] for row in drawn(charts.dwell(stages, tr))}
    assert dict(counted) == dwelt
    assert sorted(dwelt.values()) == sorted(stages["orders"])
    nothing = diagnosis.diagnose(frames.empty("orders"), PLAN.end).stages
    assert drawn(charts.levels(nothing, tr)) == drawn(charts.dwell(nothing, tr)) == []
