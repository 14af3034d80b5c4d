"""Versions of the rulebook: what becomes of them, and which one decides on an order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import rows
from small_shop import SHOP
from versions import GIFT, HOLD, NEVER, Bench, text

from orderhub_core.errors import NeedsPerson, UserMistake
from orderhub_core.flows import editions, intend, ops
from orderhub_core.flows.absorb import drain
from orderhub_core.model import Event as E
from orderhub_core.people import BookChange
from orderhub_core.rules.guard import FEWEST
from orderhub_core.rules.inforce import WHOLE, InForce, drawn
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Settings, WarehouseSettings
from orderhub_core.store import books


@pytest.fixture
def bench(context, order):
    return Bench(context, order)


def test_what_is_published_decides_on_what_comes_and_the_version_before_can_come_back(bench):
    bench.editions.save(text("v1", "hangzhou"), by="ann", comment="first")
    (nobody,) = bench.orders()
    bench.published("v1")
    (first,) = bench.orders()
    bench.editions.save(text("v2", "guangzhou"), by="bob", comment="nearer")
    (still,) = bench.orders()
    bench.published("v2")
    (second,) = bench.orders()
    bench.editions.back(by="eve", comment="too dear")
    (third,) = bench.orders()
    assert bench.decided() == {first: "v1", still: "v1", second: "v2", third: "v1"}
    assert bench.decided("argument")[second] == "guangzhou"
    assert {one.version: one.comment for one in bench.editions.kept()} == {"v1": "", "v2": "too dear"}, "why it is left"
    assert nobody not in bench.decided()
    assert bench.states() == {"v2": "archived", "v1": "active"}
    with pytest.raises(UserMistake, match="no version was published before"):
        bench.editions.back(by="eve")
    told = [(one.act, one.version) for one in reversed(bench.editions.changes())]
    assert told == [("save", "v1"), ("publish", "v1"), ("save", "v2"), ("publish", "v2"), ("rollback", "v1")]
    assert '"comment":"too dear"' in bench.editions.changes()[0].detail
    assert bench.store.verify_log().broken_seq is None


def test_a_way_back_without_a_word_leaves_the_comment_that_was_there(bench):
    for version in ("v1", "v2"):
        bench.editions.save(text(version, "hangzhou"), by="ann")
        bench.editions.change("publish", version, by="ann", comment=f"about {version}")
    bench.editions.back(by="eve")
    assert {one.version: one.comment for one in bench.editions.kept()} == {"v1": "about v1", "v2": "about v2"}


def test_going_back_again_goes_further_and_never_to_what_was_fled_from(bench):
    for version in ("v1", "v2", "v3"):
        bench.editions.save(text(version, "hangzhou"), by="ann")
        bench.published(version)
    assert [bench.editions.back(by="ann").version for _ in range(2)] == ["v2", "v1"]
    bench.published("v3")
    assert bench.editions.back(by="ann").version == "v2", "what was published last before it"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", "the warehouse 'hangzou', which the settings do not have; 'hangzhou'"),
        (GIFT.replace("gift FREE-1", "notify team"), "the notifier 'team', which the settings do not have"),
    ],
)
def test_what_nobody_could_be_sent_to_is_not_even_saved(context, order, more, told):
    settings = Settings(warehouses=(WarehouseSettings(id="hangzhou", connector=""),))
    kept = Bench(context, order, settings=settings).editions
    with pytest.raises(UserMistake, match=told):
        kept.save(text("v1", "hangzhou" if more else "hangzou", more), by="ann")
    assert kept.kept() == []
    kept.save(text("v1", "hangzhou"), by="ann")


def test_a_book_without_rules_or_without_a_name_does_not_slip_in(bench):
    with pytest.raises(UserMistake, match="has no name"):
        bench.editions.save(text("v1", "hangzhou").split("\n", 1)[1], by="ann")
    bench.editions.save('version = "v1"\n', by="ann")
    with pytest.raises(UserMistake, match="the book: it has no rule"):
        bench.editions.change("publish", "v1", by="ann")
    assert bench.states() == {"v1": "draft"}


def test_a_shadow_decides_and_nothing_is_done_of_it(bench):
    bench.editions.save(text("v1", "hangzhou"), by="ann")
    bench.editions.save(text("v2", "guangzhou", GIFT), by="ann")
    bench.published("v1")
    bench.editions.change("shadow", "v2", by="ann")
    (name,) = bench.orders()
    assert bench.decided() == {name: "v1"}
    assert bench.decided("argument", shadow=1) == {name: "guangzhou"}
    assert rows(bench.context, "SELECT count(*) FROM decisions WHERE shadow = 1") == [(2,)]
    assert rows(bench.context, "SELECT warehouse FROM orders") == [("hangzhou",)]
    assert rows(bench.context, "SELECT target FROM outbox WHERE key LIKE 'push:%'") == [("hangzhou",)]
    assert rows(bench.context, "SELECT count(*) FROM lines") == [(1,)]
    assert rows(bench.context, "SELECT DISTINCT detail FROM log WHERE outcome = 'decided'") == [
        ('{"rule":"otherwise","version":"v1"}',)
    ]


def test_the_version_that_decides_is_no_shadow_of_itself(bench):
    """The file of the settings speaks before it is kept; its text may be on trial by then."""
    bench.editions._file = Path("rules.toml")
    bench.editions.save(text("v1", "hangzhou"), by="ann")
    bench.editions.change("shadow", "v1", by="ann")
    bench.context = bench.context._replace(book=editions.read(bench.editions.text("v1")))
    (name,) = bench.orders()
    assert (bench.decided(), bench.decided(shadow=1)) == ({name: "v1"}, {})


def test_a_trial_before_any_version_decides_leaves_orders_to_the_first_that_does(bench):
    bench.editions.save(text("v1", "hangzhou"), by="ann")
    with pytest.raises(UserMistake, match="publish one first"):
        bench.editions.change("shadow", "v1", by="ann")
    bench._receive([ops.change(BookChange("rollout", "v1", "ann", share=5_000), bench.clock())])
    names = bench.orders(8)
    assert bench.decided() == {}
    bench.published("v1")
    for name in names:
        bench.news(name, E.PLACED, E.PAID, total=20_000, quantity=2)
    drain(bench.context, 100)
    assert bench.decided() == dict.fromkeys(names, "v1")


def test_whoever_acts_on_what_was_written_anew_meanwhile_is_told(bench, monkeypatch):
    kept = bench.editions
    kept.save(text("v1", "hangzhou"), by="ann")
    say = kept._say

    def late(said):
        bench._receive([ops.change(BookChange("save", "v1", "ann", "other", text("v1", "mars")), bench.clock())])
        say(said)

    monkeypatch.setattr(kept, "_say", late)
    for act in ("review", "publish"):
        with pytest.raises(UserMistake, match="somebody else has changed version v1"):
            kept.change(act, "v1", by="bob")
    assert bench.states() == {"v1": "draft"}


def test_an_unreadable_trial_stops_nobody_and_a_bug_in_one_costs_no_order_anything(bench, monkeypatch):
    for version in ("v1", "v2"):
        bench.editions.save(text(version, "hangzhou"), by="ann")
    bench.published("v1")
    bench.editions.change("shadow", "v2", by="ann")
    each = intend.each

    def broken(index, book):
        if book.version == "v2":
            raise OverflowError
        return each(index, book)

    monkeypatch.setattr(intend, "each", broken)
    (first,) = bench.orders()
    assert bench.decided("reason", shadow=1) == {first: "could not decide: OverflowError"}
    with bench.store.transaction("hub") as cursor:
        cursor.execute("UPDATE rulebooks SET body = 'version = 1' WHERE version = 'v2'")
    (second,) = bench.orders()
    assert bench.decided() == {first: "v1", second: "v1"}
    assert bench.editions.change("discard", "v2", by="ann").state == "archived"
    assert rows(bench.context, "SELECT count(*) FROM parked") == [(0,)]


def test_what_a_shadow_would_have_done_otherwise_is_told_by_kind(bench):
    silent = GIFT.replace("total >= 1", "total >= 150")
    bench.editions.save(text("v1", "hangzhou", GIFT), by="ann")
    bench.editions.save(f'version = "v2"\n{silent}', by="ann")
    bench.published("v1")
    bench.orders()
    bench.editions.change("shadow", "v2", by="ann")
    gifts, nothing = bench.orders(3), bench.orders(2, total=10_000)
    bench.editions.change("discard", "v2", by="ann")
    bench.orders()
    now, gift = ["add_gift FREE-1", "assign_warehouse hangzhou"], ["add_gift FREE-1"]
    assert bench.editions.moves("v2").rows() == [(now, gift, 3, gifts), (now, [], 2, nothing)]
    with pytest.raises(UserMistake, match="no version 'v3'"):
        bench.editions.moves("v3")


def test_a_rollout_speaks_on_its_share_and_a_larger_one_keeps_those_orders(bench):
    bench.editions.save(text("v1", "hangzhou"), by="ann")
    bench.editions.save(text("v2", "guangzhou"), by="ann")
    bench.published("v1")
    bench.editions.change("rollout", "v2", by="ann", share=2_000)
    names = bench.orders(60)
    decided = bench.decided()
    assert decided == {name: "v2" if drawn("v2", SHOP, name) < 2_000 else "v1" for name in names}
    assert set(decided.values()) == {"v1", "v2"}
    bench.editions.change("rollout", "v2", by="ann", share=9_999)
    (later,) = bench.orders()
    assert bench.decided()[later] == "v2"
    bench.editions.change("pause", "v2", by="ann")
    (last,) = bench.orders()
    assert bench.decided()[last] == "v1"


@given(names=st.lists(st.text(max_size=8), min_size=200, max_size=200, unique=True), share=st.integers(1, WHOLE - 1))
def test_shares_grow_by_orders_that_were_not_in_them(names, share):
    small, large = (
        {name for name in names if InForce(Rulebook("a"), Rulebook("b"), part).of("shop", name).version == "b"}
        for part in (share, min(WHOLE, share + 500))
    )
    assert small <= large
    expected, spread = 200 * share / WHOLE, (200 * share / WHOLE * (1 - share / WHOLE)) ** 0.5
    assert abs(len(small) - expected) <= 7 * spread + 1


def test_a_rollout_that_holds_more_orders_is_paused_and_says_why(bench):
    bench.editions.save(text("v1", "hangzhou"), by="ann")
    bench.editions.save(text("v2", "hangzhou", HOLD), by="ann")
    bench.published("v1")
    bench.editions.change("rollout", "v2", by="ann", share=5_000)
    bench.orders(2 * FEWEST - 10)
    assert bench.editions.watch() == "", "too few to say anything"
    bench.orders(2 * FEWEST)
    with bench.store.transaction("hub") as cursor:
        cursor.execute("UPDATE outbox SET state = 'waiting', released = 1 WHERE state = 'person'")
    told = bench.editions.watch()
    tried = sum(version == "v2" for version in bench.decided().values())
    assert told.startswith(f"v2 is paused: {tried} of {tried} orders wait for a person, of v1 0 of ")
    assert bench.states()["v2"] == "paused"
    (last,) = bench.orders()
    assert bench.decided()[last] == "v1"
    assert bench.editions.watch() == ""


def test_a_rollout_that_does_as_well_goes_on(bench):
    for version in ("v1", "v2"):
        bench.editions.save(text(version, "hangzhou", HOLD), by="ann")
    bench.published("v1")
    bench.editions.change("rollout", "v2", by="ann", share=5_000)
    bench.orders(4 * FEWEST)
    assert bench.editions.watch() == ""


def test_what_may_not_be_done_is_refused_and_changes_nothing(context, order):
    bench = Bench(context, order, settings=Settings(review_rules=True))
    kept = bench.editions
    with pytest.raises(UserMistake, match="rulebook as it is given: "):
        kept.save("version = 1", by="ann")
    with pytest.raises(UserMistake, match="would keep nothing back"):
        kept.save(text("v1", "hangzhou", GIFT.replace("gift FREE-1", "hold courier")), by="ann")
    with pytest.raises(UserMistake, match="say whose"):
        kept.save(text("v1", "hangzhou"), by=" ")
    with pytest.raises(UserMistake, match="no version 'v9'"):
        kept.change("publish", "v9", by="ann")
    assert kept.kept() == []
    kept.save(text("v1", "hangzhou", NEVER), by="ann")
    with pytest.raises(UserMistake, match=r"does not do what it says.*\n.*welcome"):
        kept.change("publish", "v1", by="ann", anyway=False)
    with pytest.raises(UserMistake, match="nobody has reviewed"):
        kept.change("publish", "v1", by="ann", anyway=True)
    with pytest.raises(UserMistake, match="somebody else must review"):
        kept.change("review", "v1", by="ann")
    kept.change("discard", "v1", by="ann")
    with pytest.raises(UserMistake, match="named by 1 to 100 characters"):
        kept.save(text("v" * 101, "hangzhou"), by="ann")
    with pytest.raises(UserMistake, match="no version"):
        kept.change("publish", "v\udcff", by="ann")
    kept.save(text("v2", "hangzhou"), by="ann")
    kept.change("review", "v2", by="bob")
    with pytest.raises(UserMistake, match="less than 100 percent"):
        kept.change("rollout", "v2", by="ann", share=WHOLE)
    assert kept.change("publish", "v2", by="ann").reviewed_by == "bob"
    with pytest.raises(UserMistake, match="is active and cannot be written again"):
        kept.save(text("v2", "guangzhou"), by="ann")
    with pytest.raises(UserMistake, match="v2 is active: it cannot be asked to discard"):
        kept.change("discard", "v2", by="ann")


def test_a_draft_that_is_written_again_must_be_reviewed_again(context, order):
    kept = Bench(context, order, settings=Settings(review_rules=True)).editions
    kept.save(text("v1", "hangzhou"), by="ann")
    kept.change("review", "v1", by="bob")
    kept.save(text("v1", "guangzhou"), by="ann")
    with pytest.raises(UserMistake, match="nobody has reviewed"):
        kept.change("publish", "v1", by="ann")


def test_a_version_that_cannot_be_carried_out_any_more_costs_no_message(bench):
    bench.editions.save(text("v1", "hangzhou"), by="ann")
    bench.published("v1")
    with bench.store.transaction("hub") as cursor:
        cursor.execute("UPDATE rulebooks SET body = 'version = 1'")
    with pytest.raises(NeedsPerson, match="cannot be carried out"):
        bench.orders()
    with bench.store.transaction("hub") as cursor:
        cursor.execute(bench.store.sql("UPDATE rulebooks SET body = ?"), (text("v1", "hangzhou"),))
    drain(bench.context, 100)
    assert bench.decided() == {"A1": "v1"}
    assert rows(bench.context, "SELECT count(*) FROM parked") == [(0,)]


def test_the_file_of_the_settings_is_the_first_version_and_never_slips_in_later(context, order, tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text(text("v1", "hangzhou"), encoding="utf-8")
    bench = Bench(context, order, settings=Settings(rulebook="rules.toml"), folder=tmp_path)
    bench.editions.save(text("draft", "chengdu"), by="ann")
    assert (bench.editions.take_up(), bench.editions.take_up()) == ("", "")
    drain(bench.context, 100)
    assert bench.states() == {"v1": "active", "draft": "draft"}
    told = [one.act for one in bench.editions.changes()]
    assert told == ["publish", "save", "save"], "another worker's word is the same"
    assert {one.version: one.author for one in bench.editions.kept()}["v1"] == "settings"
    file.write_text(text("v2", "guangzhou"), encoding="utf-8")
    assert "`orderhub rules publish rules.toml`" in bench.editions.take_up()
    file.write_text(text("v1", "guangzhou"), encoding="utf-8")
    assert "version v1" in bench.editions.take_up()
    assert bench.orders() == ["A1"]
    assert bench.decided("argument") == {"A1": "hangzhou"}


@pytest.mark.parametrize("thrown_away", [True, False])
def test_the_file_of_the_settings_does_not_publish_what_another_has_kept_under_its_version(
    context, order, tmp_path, thrown_away
):  # fmt: skip
    file = tmp_path / "rules.toml"
    file.write_text(text("v1", "hangzhou"), encoding="utf-8")
    bench = Bench(context, order, settings=Settings(rulebook="rules.toml"), folder=tmp_path)
    draft = text("v1", "hangzhou", GIFT)
    bench.editions.save(draft, by="ann")
    if thrown_away:
        bench.editions.change("discard", "v1", by="ann", comment="never")
    assert "rules.toml was not published: its version v1 is kept with another text" in bench.editions.take_up()
    drain(bench.context, 100)
    assert bench.states() == {"v1": "archived" if thrown_away else "draft"}
    assert bench.editions.text("v1") == draft, "nobody writes over another's draft"
    file.write_text(text("v2", "hangzhou"), encoding="utf-8")
    assert bench.editions.take_up() == ""
    drain(bench.context, 100)
    assert bench.states()["v2"] == "active"


class Paper:
    """The versions as they ought to be, by hand."""

    def __init__(self):
        self.states = {}

    def say(self, act, version):
        state = self.states.get(version)
        if act == "save":
            if state in (None, "draft", "reviewed"):
                self.states[version] = "draft"
        elif act == "review":
            if state == "draft":
                self.states[version] = "reviewed"
        elif act == "pause":
            if state in ("shadow", "rollout"):
                self.states[version] = "paused"
        elif act == "discard":
            if state not in (None, "active", "archived"):
                self.states[version] = "archived"
        elif state is not None and state != "active" and not (act == "shadow" and state == "shadow"):
            if act == "rollback" and state != "archived":
                return
            taken = ("active",) if act in ("publish", "rollback") else ("shadow", "rollout", "paused")
            for other, theirs in self.states.items():
                if other != version and theirs in taken:
                    self.states[other] = "archived"
            self.states[version] = {
                "publish": "active",
                "rollback": "active",
                "shadow": "shadow",
                "rollout": "rollout",
            }[act]


def test_whatever_people_ask_for_at_once_one_version_is_active_and_one_on_trial(bench):
    """Unchecked words, as of people who do not see each other's: what the store makes of them."""

    @given(st.lists(st.tuples(st.sampled_from([*books.STARTS, "save"]), st.sampled_from("abc")), max_size=14))
    def run(asked):
        with bench.store.transaction("hub") as cursor:
            cursor.execute("DELETE FROM rulebooks")
        paper = Paper()
        changes = []
        for act, version in asked:
            body = text(version, "hangzhou") if act == "save" else ""
            changes.append(BookChange(act, version, "ann", text=body, share=100 if act == "rollout" else 0))
            paper.say(act, version)
        bench._receive([ops.change(change, bench.clock()) for change in changes])
        drain(bench.context, 100)
        assert bench.states() == paper.states
        assert [one.state for one in books.speaking(bench.store)].count("active") <= 1
        assert len(books.speaking(bench.store)) <= 2
        editions.in_force(bench.store, Rulebook())

    run()
