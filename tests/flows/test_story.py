"""One order's story, as it is asked for: by whatever number somebody has of it, of a hub and of a snapshot."""

from __future__ import annotations

import contextlib
import json
from random import Random
from zoneinfo import ZoneInfo

import pytest
import test_retelling
from test_retelling import BOOK, SHOP, said_by, taken
from typer.testing import CliRunner

from orderhub_core import hub
from orderhub_core.board import SnapshotHub
from orderhub_core.entry.commands import holds
from orderhub_core.entry.commands.log import app
from orderhub_core.errors import UserMistake
from orderhub_core.flows.retelling import MOST_LIKE
from orderhub_core.i18n import translator
from orderhub_core.model import RawMessage
from orderhub_core.names import Names
from orderhub_core.settings import Settings
from orderhub_core.stated import PLAIN
from orderhub_core.story import detail, keeping, page

living = test_retelling.living
ZONE = ZoneInfo("Asia/Shanghai")
EN, ZH = translator("en"), translator("zh")
HELD = """version = "v1"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou"
[[groups]]
name = "more"
match = "all"
[[groups.rules]]
name = "dear"
when = "total >= 90"
then = "hold review"
"""


def names(tr):
    return Names(Settings(), tr)


def parcelled(number, *tracking_nos):
    message = said_by(number, "HAT")
    parcels = [{"tracking_no": tracking_no, "carrier": "sf"} for tracking_no in tracking_nos]
    body = json.dumps(json.loads(message.body) | {"parcels": parcels}).encode()
    return RawMessage(message.source, message.message_id, message.kind, body, number)


def numbers(found):
    return found.orders["order_no"].to_list()


@pytest.mark.parametrize("asked", ["A-1234", " A-1234\n", "'A-1234", "Ａ－１２３４", "SF778899", "ＳＦ778899"])
def test_an_order_is_found_by_its_number_or_its_parcel_s_however_it_was_copied(living, asked):
    taken(living, parcelled("A-1234", "SF778899"), said_by("B-1", "HAT"))
    found = living.story(asked)
    assert numbers(found) == ["A-1234"] and found.lines["sku"].to_list() == ["HAT", "FREE-1"]
    assert {entry["event"] for entry in found.life} >= {"order.placed", "payment.paid", "order.parcel", "rule.add_gift"}
    assert [one["event"] for one in found.ahead] == ["hub.handed_over"]
    assert not found.parked and found.like.is_empty()


@pytest.mark.parametrize(
    "asked",
    ["a-1234", "A-12 34", "Order: A-1234", "订单号：A-1234", "#A-1234", "sf778899", "SF 7788 99", "单号: sf 778899",
     "sf111222", "SF 111 222"],
)  # fmt: skip
def test_an_order_is_found_by_its_number_however_it_was_typed(living, asked):
    taken(living, parcelled("A-1234", "SF778899", "SF111222"), said_by("B-1", "HAT"))
    assert numbers(living.story(asked)) == ["A-1234"]
    if "1234" in asked.replace(" ", ""):
        assert living.story(asked[:-1]).like["order_no"].to_list() == ["A-1234"]


def test_what_looks_alike_is_another_order_where_there_is_one(living):
    taken(living, said_by("a-1", "HAT"), said_by("A-1", "HAT"), said_by("#A-1", "HAT"))
    assert [numbers(living.story(asked)) for asked in ("a-1", "A-1", "#A-1")] == [["a-1"], ["A-1"], ["#A-1"]]


def test_of_a_part_that_is_too_short_it_is_told_how_long_one_must_be(living):
    taken(living, said_by("A-1234", "HAT"))
    assert page.lost(living.story("34"), "34", EN) == [
        ("No order has the number 34; type at least 4 characters of one to find those that have them.", "warn")
    ]


def test_an_order_is_found_by_each_of_its_parcels(living):
    taken(living, parcelled("A-1", "SF1111", "SF2222", "SF3333"), said_by("B-1", "HAT"))
    for number in ("SF1111", "SF2222", " SF3333"):
        assert numbers(living.story(number)) == ["A-1"]


@pytest.mark.parametrize("asked", ["", "'", "\x00", "A\x00", "9" * 10_000, "(.*[", "\\", "😀😀😀😀", "%%%%", "____"])
def test_what_is_no_number_finds_nothing(living, asked):
    taken(living, said_by("A-1234", "HAT"), parcelled("B-1", "SF1"))
    found = living.story(asked)
    assert numbers(found) == [] and found.like.is_empty() and page.lost(found, asked, EN)


def test_what_stands_in_place_of_many_parcels_numbers_is_a_list_of_them(living):
    taken(living, *(parcelled(f"A-{n}", "none needed") for n in range(MOST_LIKE + 1)))
    found = living.story("none needed")
    assert numbers(found) == [] and found.life == found.ahead == [] and found.like.height == MOST_LIKE
    assert len(page.near(found, EN, names(EN))) == MOST_LIKE


def test_of_many_parked_messages_the_newest_are_told(living):
    bodies = {f"P{n}": b'{"id":"P%d:1","order_no":"P%d","at":"in 2026-13"}' % (n, n) for n in range(MOST_LIKE + 1)}
    taken(living, *(RawMessage("main", f"{no}:1", "event", body, no) for no, body in bodies.items()))
    assert len(living.story("2026").parked) == MOST_LIKE


def test_an_order_of_which_nobody_has_told_what_is_in_it_is_not_called_done(living):
    taken(living, said_by("A1"), said_by("A2", "HAT"))
    living.dispatch(owner="me", dice=Random(1))
    for number, kind in (("A1", "warn"), ("A2", "good")):
        ((order, own),) = page.each(living.story(number))
        assert own.ahead == [] and page.nothing(order, own, EN, knows=True)[1] == kind
        assert page.nothing(order, own, EN, knows=False) == (page.NOT_HERE, "info")


def test_a_part_of_a_number_leads_to_the_newest_of_those_that_have_it(living):
    taken(living, *(said_by(f"X{n:04}-9876", "HAT") for n in range(MOST_LIKE + 5)), said_by("Y1", "HAT"))
    found = living.story("-9876")
    assert numbers(found) == [] and found.life == [] and found.like.height == MOST_LIKE
    assert living.story("876").like.is_empty() and living.story("").like.is_empty()
    assert living.story("X00.*").like.is_empty(), "what is typed is no pattern"
    assert living.story("\ud83d-9876").orders.is_empty()
    (said, _), (more, _) = page.lost(found, "-9876", EN)
    assert said.startswith("Orders with -9876 in their number") and more.startswith("The newest 20 are shown")
    few = living.story("X0001-98")
    assert numbers(living.story("X0001-9876")) == ["X0001-9876"] and len(page.lost(few, "X0001-98", EN)) == 1
    text, leads_to = page.near(found, EN, names(EN))[0]
    assert leads_to in found.like["order_no"] and text.endswith(": paid")


def test_the_command_tells_whose_number_it_is_a_part_of(living):
    taken(living, said_by("ORDER-7", "HAT"))
    done = CliRunner().invoke(app, ["show", "RDER"])
    assert "with 'RDER' in their number, or in their parcel's: ORDER-7" in str(done.exception or done.output)


def test_a_number_that_only_a_parked_message_has_is_told_with_the_reason(living):
    taken(living, RawMessage("main", "A9:1", "event", b'{"id":"A9:1","order_no":"A9","at":"never"}', "A9"))
    found = living.story("A9")
    ((_, first), (said, kind)) = page.lost(found, "A9", ZH)
    assert first == kind == "warn" and said.startswith("搁置的消息 1 似乎说的就是这一单：")


def test_two_shops_orders_of_one_number_are_told_apart(living, tmp_path):
    (tmp_path / "orderhub.toml").write_text(
        (tmp_path / "orderhub.toml").read_text() + SHOP.partition("\n")[2].replace("main", "other"), encoding="utf-8"
    )
    one = said_by("A1", "HAT")
    opened = hub.Hub(hub.home())
    taken(opened, one, RawMessage("other", "A1:1", "event", said_by("A1", "CUP").body, "A1"))
    parts = list(page.each(opened.story("A1")))
    opened.close()
    assert [(order["shop"], own.lines["sku"].to_list()[0]) for order, own in parts] == [
        ("main", "HAT"),
        ("other", "CUP"),
    ]
    for order, own in parts:
        assert {entry["order_id"] for entry in own.life} == {order["order_id"]}
        assert {one["shop"] for one in own.ahead} == {order["shop"]}


def test_what_waits_for_a_person_is_told_with_why_until_it_went(living, tmp_path):
    (tmp_path / "book.toml").write_text(HELD, encoding="utf-8")
    taken(living, said_by("A1", "HAT"))
    found = living.story("A1")
    ((said, kind),) = page.todo(found, ZONE, ZH, names(ZH))
    assert said.startswith("尚未交给仓库：hangzhou。需人工处理") and kind == "warn" and page.is_asked(found)
    living.holds.release("A1", reason="looked at", by="ann")
    living.dispatch(owner="me", dice=Random(1))
    after = living.story("A1")
    assert not page.is_asked(after) and page.todo(after, ZONE, ZH, names(ZH)) == []
    told = [what for _, what, _ in page.moments(after, ZONE, EN, names(EN))]
    assert told[-2:] == ["Asked to let it go", "Handed over to the warehouse: hangzhou"]
    at, what, who = page.moments(after, ZONE, EN, names(EN))[0]
    assert (at, what) == ("2026-11-11 10:00:00", "Order placed  · → pending payment") and who.startswith(
        "main; known here"
    )


def test_a_snapshot_tells_what_the_log_has_and_that_the_rest_is_not_known(living, tmp_path):
    taken(living, said_by("A1", "HAT"))
    living.write_snapshot(tmp_path / "copy")
    copy, own = SnapshotHub(tmp_path / "copy").story("A1"), living.story("A1")
    assert copy.ahead == [] and numbers(copy) == ["A1"] and copy.lines.equals(own.lines)
    assert [entry["event"] for entry in copy.life] == [entry["event"] for entry in own.life]
    told = dict(page.table(copy, ZONE, EN, names(EN)).select("What happened", "Details").iter_rows())
    assert told["Warehouse assigned: hangzhou (decided by a rule)"].endswith("version v1")


def test_what_was_handed_over_is_not_told_as_still_to_be(living):
    taken(living, said_by("A1", "HAT"))
    living.dispatch(owner="me", dice=Random(1))
    living.holds.place("A1", reason="the buyer phoned")
    kept = living.story("A1")
    ((said, kind),) = page.todo(kept, ZONE, ZH, names(ZH))
    assert (said, kind) == (
        "已交给仓库：hangzhou。需人工处理；已下发仓库：看看要不要在那边拦下；由 人工 扣住：the buyer phoned", "warn"
    )  # fmt: skip
    living.holds.close("A1", reason="stopped there", by="ann")
    ((order, own),) = page.each(living.story("A1"))
    assert not page.is_asked(own) and not page.is_kept(own)
    assert page.nothing(order, own, EN, knows=True) == ("Nothing is left to be done.", "good")


def test_what_no_rule_sends_anywhere_is_told_to_be_kept_back_and_may_be_let_go(living, tmp_path):
    (tmp_path / "book.toml").write_text(BOOK.replace('match = "first"\notherwise = "assign hangzhou"', 'match = "all"'))
    with contextlib.closing(hub.Hub(hub.home())) as opened:
        taken(opened, said_by("A1", "HAT"))
        ((order, own),) = page.each(opened.story("A1"))
        assert page.nothing(order, own, EN, knows=True) == ("Nothing is left to be done.", "good")
        placed = opened.holds.place("A1", reason="the buyer phoned")
        assert keeping.told(placed, EN, names(EN)) == [keeping.LATER.format(order="main A1")]
        ((order, own),) = page.each(opened.story("A1"))
        assert page.is_kept(own) and page.nothing(order, own, EN, knows=True) == (page.KEPT, "warn")
        listed = CliRunner().invoke(holds.app, ["list", "--lang", "zh"])
        assert (listed.exit_code, listed.output.splitlines()[0].partition("扣住于")[0]) == (1, "main A1  ")
        assert "人工扣住" in listed.output.splitlines()[1]
        assert json.loads(CliRunner().invoke(holds.app, ["list", "--json"]).output)["held"][0]["order_no"] == "A1"
        opened.holds.release("A1", reason="it may go")
        assert CliRunner().invoke(holds.app, ["list"]).exit_code == 0
        ((order, own),) = page.each(opened.story("A1"))
        assert not page.is_kept(own)


@pytest.mark.parametrize(
    "news",
    [
        {"fulfilment.shipped": "10:05"},
        {"logistics.collected": "10:05"},
        {"payment.refunded": "10:05"},
        {"fulfilment.cancelled": "10:05"},
        {"order.hold_ended": "10:05"},
    ],
)
def test_the_page_lets_go_nothing_that_is_kept_back_no_more(living, tmp_path, news):
    """What has left since, or is called off, or of which a system has said so before its older word was heard."""
    (tmp_path / "book.toml").write_text(BOOK.replace('match = "first"\notherwise = "assign hangzhou"', 'match = "all"'))
    facts = {event: f"2026-11-11T{clock}:00+08:00" for event, clock in news.items()}
    kept = {"order.hold_requested": "2026-11-11T10:04:00+08:00"}
    first, then = (facts, kept) if "order.hold_ended" in facts else (kept, facts)
    with contextlib.closing(hub.Hub(hub.home())) as opened:
        taken(opened, said_by("A1", "HAT"), said_by("A1", "HAT", again=2, facts=first))
        taken(opened, said_by("A1", "HAT", again=3, facts=then))
        ((order, own),) = page.each(opened.story("A1"))
        assert not page.is_kept(own)
        assert page.nothing(order, own, EN, knows=True) == ("Nothing is left to be done.", "good")
        with pytest.raises(UserMistake, match="is not kept from its warehouse"):
            opened.holds.release("A1", reason="it may go")


def test_every_field_of_what_was_said_has_a_name_of_its_own_in_chinese():
    known = {**detail.LABELS, **{column: field.zh for column, field in detail.COLUMNS.items()}}
    untold = [name for name in PLAIN if ZH(known.get(name, name)) == name]
    assert untold == []


def test_amounts_that_no_rule_reads_are_told_as_money():
    entry = {"event": "order.content", "detail": '{"freight_minor": [0, 1000]}', "reason": None}
    assert detail.told(entry, ZONE, "zh", ZH, names(ZH)) == "运费 0.00 → 10.00"
