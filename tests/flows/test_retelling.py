"""`orderhub log show`: what happened to an order, with what the hub did for it and the gifts that it was refused: of
neither the log has an entry."""

from __future__ import annotations

import json
from datetime import datetime
from random import Random
from zoneinfo import ZoneInfo

import fresh
import pytest
from test_parcels_live import a_dock
from typer.testing import CliRunner

from orderhub_core import hub
from orderhub_core.entry.commands.log import app
from orderhub_core.errors import UserMistake
from orderhub_core.flows import ops
from orderhub_core.i18n import retold, translator
from orderhub_core.model import RawMessage
from orderhub_core.names import Names
from orderhub_core.people import Release
from orderhub_core.settings import Settings
from orderhub_core.story import detail

SHOP = 'rulebook = "book.toml"\n[[shops]]\nid = "main"\nconnector = "direct"\nsecret_env = "SHOP_SECRET"\n'
BOOK = """version = "v1"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou"
[[groups]]
name = "more"
match = "all"
[[groups.rules]]
name = "few"
when = "total >= 1"
then = "gift FREE-1 limit 1"
[[groups.rules]]
name = "by_kind"
when = "total >= 200"
then = "split sku"
"""


def said_by(number, *skus, total=9_900, again=1, **besides):
    at = f"2026-11-11T10:0{again - 1}:00+08:00"
    content = {
        "total_minor": total, "paid_minor": total, "province": "浙江省",
        "lines": [{"line_no": no, "sku": sku, "price_minor": 100} for no, sku in enumerate(skus, 1)],
    }  # fmt: skip
    facts = {"order.placed": at, "payment.paid": at, **besides.get("facts", {})}
    event = {"id": f"{number}:{again}", "order_no": number, "at": at, "facts": facts, "content": content}
    return RawMessage("main", f"{number}:{again}", "event", json.dumps(event).encode(), number)


@pytest.fixture
def living(tmp_path, monkeypatch):
    """A hub with a warehouse that takes orders."""
    monkeypatch.setenv("ORDERHUB_DATA", str(tmp_path))
    monkeypatch.setenv("SHOP_SECRET", "another secret of some length")
    for name in ("ORDERHUB_DATABASE_URL", "ORDERHUB_SNAPSHOT"):
        monkeypatch.delenv(name, raising=False)
    with a_dock(monkeypatch) as (_, settings):
        (place,) = settings.warehouses
        dock = f'[[warehouses]]\nid = "hangzhou"\nconnector = "dock"\nurl = "{place.url}"\nsecret_env = "DOCK_SECRET"\n'
        (tmp_path / "orderhub.toml").write_text(SHOP + dock, encoding="utf-8")
        (tmp_path / "book.toml").write_text(BOOK, encoding="utf-8")
        fresh.hub(tmp_path)
        opened = hub.Hub(hub.home())
        yield opened
        opened.close()


def taken(opened, *messages):
    opened.receive(messages)
    opened.drain()


def shown(*arguments):
    done = CliRunner().invoke(app, ["show", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_hand_over_is_told_once_it_is_done_and_not_before(living):
    taken(living, said_by("A1", "HAT"))
    assert "Handed over" not in shown("A1")
    living.dispatch(owner="me", dice=Random(1))
    lines = shown("A1").splitlines()
    assert "Handed over to the warehouse: hangzhou  (happened" in lines[-1]
    assert sum("Handed over" in line for line in lines) == 1
    assert "已交给仓库：hangzhou（发生于" in shown("A1", "--lang", "zh").replace("  （", "（")


def test_each_parcel_is_handed_over_by_itself(living):
    taken(living, said_by("A1", "HAT", "CUP", total=30_000))
    living.dispatch(owner="me", dice=Random(1), limit=1)
    assert [line.split("  ")[-1] for line in shown("A1").splitlines() if "Handed over" in line] == [
        "goods HAT × 1, FREE-1 × 1; parcel 1; parcels 2"
    ]
    living.dispatch(owner="me", dice=Random(1))
    assert [line.split("  ")[-1] for line in shown("A1").splitlines() if "Handed over" in line] == [
        "goods HAT × 1, FREE-1 × 1; parcel 1; parcels 2", "goods CUP × 1; parcel 2; parcels 2",
    ]  # fmt: skip


def test_a_gift_that_its_limit_refused_is_told_with_what_was_left(living):
    taken(living, said_by("A1", "HAT"), said_by("A2", "HAT"))
    assert "Gift added: FREE-1" in shown("A1") and "not granted" not in shown("A1")
    told = shown("A2")
    assert "Gift added" not in told
    assert "Gift not granted: FREE-1, of 1 in all 0 are left, 1 asked  (happened" in told
    assert "赠品未发放：FREE-1，总量 1 件，剩 0 件，需 1 件（发生于" in shown("A2", "--lang", "zh")


def test_what_rules_decided_is_told_with_how_much_and_why_in_the_language_asked_for(living):
    taken(living, said_by("A1", "HAT"))
    (gift,) = (line for line in shown("A1").splitlines() if "Gift added" in line)
    assert "Gift added: FREE-1 × 1 (decided by a rule)" in gift
    assert gift.endswith("because total 99 >= 1; goes with HAT; rule few; version v1")
    chinese = shown("A1", "--lang", "zh").splitlines()
    (gift,) = (line for line in chinese if "赠品" in line)
    assert "来源 规则）" in gift and gift.endswith("因为 订单金额 99 >= 1；随 HAT 一起发；规则 few；版本 v1")
    assert chinese[0] == "A1（main）现在：已付款；仓库 hangzhou"
    told = json.loads(shown("A1", "--json").splitlines()[-1])
    (now,) = told["orders"]
    assert (now["shop"], now["headline"], now["warehouse"]) == ("main", "paid", "hangzhou")
    assert {(one["event"], one["quantity"]) for one in told["entries"] if one["reason"]} == {
        ("rule.assign_warehouse", 1), ("rule.add_gift", 1),
    }  # fmt: skip


def test_what_changed_is_told_by_its_name_and_as_people_write_it(living):
    taken(living, said_by("A1", "HAT"))
    taken(living, said_by("A1", "CUP", total=10_000, again=2))
    (changed,) = (line for line in shown("A1").splitlines() if "Content changed" in line)
    assert changed.endswith("lines; paid_amount 99.00 → 100.00; total 99.00 → 100.00")
    (changed,) = (line for line in shown("A1", "--lang", "zh").splitlines() if "内容变更" in line)
    assert changed.endswith("明细；实付金额 99.00 → 100.00；订单金额 99.00 → 100.00")


def test_a_zero_is_told_and_what_the_hub_let_go_was_no_person():
    tr, zone = translator("en"), ZoneInfo("UTC")
    names = Names(Settings(), tr)
    entry = {"event": "rule.read", "source": "rules", "reason": None, "detail": '{"buyer_orders":0,"buyer_first":true}'}
    assert detail.told(entry, zone, "en", tr, names) == "buyer_orders 0; buyer_first yes"
    entry = {"event": "order.released", "source": "ops", "reason": None}
    assert detail.source(entry | {"detail": '{"by":"orderhub","reason":"there"}'}, names) == "the hub"
    assert detail.source(entry | {"detail": '{"by":"ann","reason":"there"}'}, names) == "a person"


def test_what_the_log_has_no_entry_for_has_no_number_and_stands_where_it_happened(living):
    taken(living, said_by("A1", "HAT"), said_by("A2", "HAT"))
    living.dispatch(owner="me", dice=Random(1))
    told = json.loads(shown("A2", "--json").splitlines()[-1])["entries"]
    entries = [entry["event"] for entry in told]
    assert entries.index("rule.assign_warehouse") < entries.index("gift.refused") < entries.index("hub.handed_over")
    assert [entry["event"] for entry in told if entry["seq"] is None] == ["gift.refused", "hub.handed_over"]
    times = [datetime.fromisoformat(entry["recorded_at"]) for entry in told]
    assert times == sorted(times)
    assert living.store.verify_log().entries == living.frame("events").height, "nothing was written for it"


def test_a_word_that_came_too_late_stands_as_asked_and_the_order_as_waiting(living):
    wanted = {"after_sale.applied": "2026-11-11T10:00:30+08:00"}
    taken(living, said_by("A1", "HAT", facts=wanted))
    late = Release("main", "A1", "known buyer", "ann", seen={"push:main:A1": "what was listed before that"})
    taken(living, ops.release(late, hub.clock()))
    living.dispatch(owner="me", dice=Random(1))
    told = shown("A1")
    (word,) = (line for line in told.splitlines() if "known buyer" in line)
    assert "Asked to let it go  (happened" in word
    why = "the buyer wants something back: is it still to be sent?"
    assert (
        f"Still to be handed over to the warehouse: hangzhou  For a person; {why}" in told and "Handed over" not in told
    )
    assert "尚未交给仓库：hangzhou  需人工处理；买家在申请售后：还要发货吗？" in shown("A1", "--lang", "zh")
    (held,) = json.loads(shown("A1", "--json").splitlines()[-1])["ahead"]
    assert (held["state"], held["note"]) == ("person", why)
    living.holds.release("A1", reason="they keep it", by="ann")
    living.dispatch(owner="me", dice=Random(1))
    told = shown("A1")
    assert ("For a person" in told, told.count("Asked to let it go"), told.count("Handed over")) == (False, 2, 1)


def test_what_is_intended_and_not_done_stands_below_the_story(living):
    taken(living, said_by("A1", "HAT"))
    last = shown("A1").splitlines()[-1]
    assert last.startswith("Still to be handed over to the warehouse: hangzhou  Waiting; next try ")
    (place,) = living.settings.warehouses
    (living.home.data / "orderhub.toml").write_text(
        (living.home.data / "orderhub.toml").read_text("utf-8").replace(place.url, "http://127.0.0.1:9"), "utf-8"
    )
    down = hub.Hub(hub.home())
    down.dispatch(owner="me", dice=Random(1))
    down.close()
    line = shown("A1").splitlines()[-1]
    assert "hangzhou  Failing, tried again later; next try 20" in line
    assert "尚未交给仓库：hangzhou  失败，稍后重试" in shown("A1", "--lang", "zh")
    (one,) = json.loads(shown("A1", "--json").splitlines()[-1])["ahead"]
    assert (one["state"], one["tries"], one["target"]) == ("failing", 0, "hangzhou") and one["note"]
    assert one["note"].split(";")[0][:20] in line


def test_nothing_is_ahead_of_what_is_done(living):
    taken(living, said_by("A1", "HAT"))
    living.dispatch(owner="me", dice=Random(1))
    assert "Still" not in shown("A1")


@pytest.mark.parametrize("number", ["A7", "A7-gone"])
def test_a_number_of_which_only_a_parked_message_speaks_is_told_as_that(living, number):
    body = said_by(number, "HAT").body.replace(b"9900", b"99.5")
    taken(living, RawMessage("main", "m-1", "event", body, number))
    (parked,) = living.parked()
    for lang, seems in (("en", "seems to speak of it"), ("zh", "似乎说的就是它")):
        with pytest.raises(UserMistake) as told:
            CliRunner().invoke(app, ["show", number, "--lang", lang], catch_exceptions=False)
        assert seems in str(told.value.told(translator(lang))) and str(parked["id"]) in str(told.value)
    with pytest.raises(UserMistake, match="check the number"):
        CliRunner().invoke(app, ["show", "A", "--lang", "en"], catch_exceptions=False)


def test_what_a_parser_wants_of_an_amount_or_a_time_is_told_as_a_shop_keeps_them(living):
    amount = said_by("A8", "HAT").body.replace(b'"total_minor": 9900', b'"total_minor": 99.5')
    clock = said_by("A9", "HAT").body.replace(b"+08:00", b"")
    taken(living, RawMessage("main", "m-1", "event", amount, "A8"), RawMessage("main", "m-2", "event", clock, "A9"))
    why = {row["message_id"]: row["reason"] for row in living.parked()}
    assert why["m-1"].endswith("at `$.content.total_minor`; amounts are whole minor units: 19.90 is 1990 fen")
    zh = translator("zh")
    assert "金额以分为单位，须为整数" in retold(why["m-1"], zh) and "Expected" not in retold(why["m-1"], zh)
    assert "应为带时区的" in retold(why["m-2"], zh) and "timezone" not in retold(why["m-2"], zh)


def test_a_person_s_words_on_what_is_held_are_told_in_chinese(living):
    taken(living, said_by("A1", "HAT"))
    for at, act in enumerate(("again", "close"), living.as_of()):
        said = Release("main", "A1", reason="电话里说好了", by="ann", act=act)
        taken(living, ops.release(said, at))
    again, closed = [line for line in shown("A1", "--lang", "zh").splitlines() if "操作人 ann" in line]
    assert "要求放行" in again and again.endswith("  试过的也再发；操作人 ann；理由 电话里说好了")
    assert "要求了结" in closed and closed.endswith("  操作人 ann；理由 电话里说好了")
