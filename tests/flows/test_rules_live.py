"""What the live path makes of decisions: holds and approvals stop the push, everything is kept, and what the hub cannot
be asked is refused when the rulebook is read."""

import msgspec
import pytest
from reading import rows
from small_rules import rulebook, total_from
from small_shop import SHOP

from orderhub_core import effects
from orderhub_core.errors import Unreadable, UserMistake
from orderhub_core.flows import ops
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.admitted import refuse
from orderhub_core.flows.context import Source
from orderhub_core.flows.places import places
from orderhub_core.flows.replay import replay
from orderhub_core.model import Event as E
from orderhub_core.people import Release
from orderhub_core.rules.tree import Action, Group, Leaf, Op, Rule, Rulebook
from orderhub_core.settings import BaseSettings, Settings

NOW = 1_700_000_000_000_000
EVERYBODY = total_from(1)


def book(*actions):
    routing = rulebook(default="hangzhou").groups
    return Rulebook("v1", (*routing, Group("more", "all", (Rule("dear", EVERYBODY, actions),))))


def taken(context, order, rules):
    known = context._replace(book=rules)
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW, total=20_000)], NOW)
    drain(known, 100)
    return known


def test_a_hold_that_blocks_the_push_keeps_it_waiting_for_a_person(context, order):
    taken(context, order, book(Action("hold", "risk")))
    assert rows(context, "SELECT state, note, attempts FROM outbox") == [("person", "rule dear holds it: risk", 0)]


def test_a_hold_of_a_later_step_lets_it_go(context, order):
    taken(context, order, book(Action("hold", "courier")))
    assert rows(context, "SELECT state, note FROM outbox") == [("waiting", "")]


def test_an_approval_is_waited_for(context, order):
    taken(context, order, book(Action("approve", "lead")))
    assert rows(context, "SELECT state, note FROM outbox") == [("person", "rule dear asks for the approval of lead")]


def test_every_reason_to_hold_is_told(context, order):
    taken(context, order, book(Action("hold", "risk"), Action("approve", "lead")))
    assert rows(context, "SELECT note FROM outbox") == [
        ("rule dear holds it: risk; rule dear asks for the approval of lead",)
    ]


def test_what_is_held_stays_held_when_its_lines_change_and_is_withdrawn_when_it_is_cancelled(context, order):
    known = taken(context, order, book(Action("hold", "risk")))
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW + 1, total=20_000, quantity=7)], NOW + 1)
    drain(known, 100)
    ((state, note, payload),) = rows(context, "SELECT state, note, payload FROM outbox")
    assert (state, note) == ("person", "rule dear holds it: risk")
    assert '"quantity":7' in payload
    context.store.accept([order("A1", E.CANCELLED, at=NOW + 2)], NOW + 2)
    drain(known, 100)
    assert rows(context, "SELECT state FROM outbox") == [("withdrawn",)]


@pytest.fixture(params=[1, 100], ids=["one by one", "in one batch"])
def limit(request):
    return request.param


def let_go(at):
    return ops.release(Release(SHOP, "A1", "the buyer has answered", "ann"), at)


def with_people(context):
    """The source of what people say, beside the shop's."""
    return context._replace(source=lambda name: Source("", "", ops.decode) if name == ops.OPS else context.source(name))


REFUNDED = (E.PLACED, E.PAID, E.PARTLY_REFUNDED)


@pytest.mark.parametrize(
    ("after", "state"),
    [
        (lambda order: [let_go(NOW)], "waiting"),
        (lambda order: [let_go(NOW), order("A1", E.PLACED, E.PAID, at=NOW + 9, total=30_000)], "waiting"),
        (lambda order: [order("A1", *REFUNDED, at=NOW + 3, total=20_000), let_go(NOW)], "waiting"),
        (lambda order: [let_go(NOW), order("A1", *REFUNDED, at=NOW + 3, total=20_000)], "person"),
        (lambda order: [let_go(NOW), order("A1", E.SHIPPED, at=NOW + 3)], "person"),
        (lambda order: [order("A1", E.SHIPPED, at=NOW + 3), let_go(NOW)], "waiting"),
        (lambda order: [let_go(NOW), order("A1", E.CANCELLED, at=NOW + 3)], "withdrawn"),
        (lambda order: [order("A1", E.CANCELLED, at=NOW + 3), let_go(NOW)], "withdrawn"),
    ],
    ids=[
        "let go",
        "let go, then other news",
        "refunded, then let go by whoever knew",
        "let go, then refunded",
        "let go, then said to be shipped",
        "said to be shipped, then let go",
        "let go, then cancelled",
        "cancelled, then let go",
    ],
)
def test_who_lets_an_order_go_decides_on_what_is_known_then(context, order, limit, after, state):
    known = with_people(taken(context, order, book(Action("hold", "risk"))))
    for message in after(order):
        # With its order's number: in other lanes it would be applied at another moment, and that is what counts.
        context.store.accept([msgspec.structs.replace(message, key="A1")], NOW + 5)
        if limit == 1:
            drain(known, 1)
    drain(known, limit)
    assert rows(context, "SELECT state FROM outbox") == [(state,)]
    (logged,) = rows(context, "SELECT after, detail FROM log WHERE event = 'order.released'")
    assert logged == ("go", '{"by":"ann","reason":"the buyer has answered"}')


def test_what_is_being_sent_and_was_refunded_meanwhile_is_not_let_go_again(context, order, limit):
    """It may have arrived already, however the refund and the word on it fall into batches."""
    known = with_people(taken(context, order, rulebook(default="hangzhou")))
    context.store.lease(now=NOW + 1, until=NOW + 10**9, owner="me", limit=1)
    for message in (order("A1", *REFUNDED, at=NOW + 3, total=20_000), let_go(NOW)):
        context.store.accept([msgspec.structs.replace(message, key="A1")], NOW + 5)
    drain(known, limit)
    assert rows(context, "SELECT state, attempts FROM outbox") == [("person", 1)]


def test_what_came_before_a_person_let_an_order_go_and_is_applied_after_it_holds_it_again(context, order):
    """A refund that nobody could read at first: whoever let the order go did not know of it."""
    known = with_people(taken(context, order, book(Action("hold", "risk"))))
    refund = order("A1", *REFUNDED, at=NOW + 3, total=20_000)
    readable = known.source

    def unreadable(name):
        if name == refund.source:
            raise Unreadable("not yet")
        return readable(name)

    context.store.accept([refund], NOW + 5)
    drain(known._replace(source=unreadable), 100)
    context.store.accept([let_go(NOW)], NOW + 6)
    drain(known, 100)
    assert rows(context, "SELECT state FROM outbox") == [("waiting",)]
    ((parked,),) = rows(context, "SELECT id FROM parked")
    replay(known, [parked], 100)
    assert rows(context, "SELECT state FROM outbox") == [("person",)]


def test_a_refund_of_an_order_that_a_rule_holds_is_told_to_whoever_lets_it_go(context, order):
    known = taken(context, order, book(Action("hold", "risk")))
    for at in (1, 2):
        context.store.accept([order("A1", *REFUNDED, at=NOW + at, total=20_000)], NOW + at)
        drain(known, 100)
    ((note,),) = rows(context, "SELECT note FROM outbox")
    assert note == "partly refunded: what is still to be sent?; before: rule dear holds it: risk"


def test_people_are_told_once_and_nothing_that_a_rule_has_read(context, order):
    known = taken(context, order, book(Action("notify", "team"), Action("hold", "risk")))
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW + 1, total=30_000, quantity=7)], NOW + 1)
    drain(known, 100)
    ((key, target, state, payload),) = rows(
        context, "SELECT key, target, state, payload FROM outbox WHERE key LIKE 'notify:%'"
    )
    assert (key, target, state) == (f"notify:team:dear:{SHOP}:A1", "team", "waiting")
    assert effects.decode(payload) == effects.Notify("team", f"A1 · {SHOP}", "dear (v1)")


@pytest.mark.parametrize(
    "action",
    [Action("hold", "courier")],
    ids=lambda action: f"{action.verb} {action.argument}",
)
def test_what_the_hub_would_not_do_is_refused_before_anything_is_decided(action):
    with pytest.raises(UserMistake, match="group 'more'"):
        refuse(book(action))


def test_every_action_of_a_rule_is_kept_and_logged(context, order):
    taken(context, order, book(Action("tag", "vip"), Action("tag", "dear"), Action("priority", "100")))
    asked = "SELECT place, rule_group, rule, action, argument FROM decisions ORDER BY place"
    assert rows(context, asked) == [
        (0, "routing", "otherwise", "assign_warehouse", "hangzhou"),
        (1, "more", "dear", "tag", "vip"),
        (2, "more", "dear", "tag", "dear"),
        (3, "more", "dear", "priority", "100"),
    ]
    logged = rows(context, "SELECT event, after FROM log WHERE source = 'rules' ORDER BY seq")
    assert logged == [
        ("rule.assign_warehouse", "hangzhou"),
        ("rule.tag", "vip"),
        ("rule.tag", "dear"),
        ("rule.priority", "100"),
    ]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (rulebook(routing={("odd", "w"): Leaf("colour", Op.IS, ("red",))}), "no field 'colour'"),
    ],
)
def test_what_the_hub_cannot_tell_is_refused_before_anything_is_decided(rules, told):
    with pytest.raises(UserMistake, match=told):
        refuse(rules)


MARKED = book(
    Action("carrier", "sf"),
    Action("tag", "vip"),
    Action("tag", "vip"),
    Action("priority", "100"),
    Action("priority", "-30"),
)


def test_the_warehouse_is_told_of_carrier_tags_and_points_also_when_lines_change(context, order, limit):
    known = context._replace(book=MARKED)
    context.store.accept(
        [order("A1", E.PLACED, E.PAID, at=NOW, total=20_000), order("A1", at=NOW + 1, total=20_000, quantity=7)], NOW
    )
    drain(known, limit)
    ((payload,),) = rows(context, "SELECT payload FROM outbox")
    told = effects.decode(payload)
    assert told.marks == effects.Marks("sf", ("vip",), 70)
    assert told.lines[0].quantity == 7


def made(context, order, argument, *news):
    settings = Settings(
        bases=(
            BaseSettings("south", "dock", province="广东省"),
            BaseSettings("east", "dock", province="浙江省"),
        )
    )
    known = context._replace(book=book(Action("work_order", argument)), places=places(settings))
    for number, message in enumerate([order("A1", E.PLACED, E.PAID, at=NOW, total=20_000), *news]):
        context.store.accept([message], NOW + number)
        drain(known, 100)
    return rows(context, "SELECT target, state, note, payload FROM outbox WHERE key LIKE 'work:%'")


def test_a_production_base_gets_one_work_order_with_a_number_that_lasts(context, order):
    ((target, state, _, payload),) = made(context, order, "south")
    assert (target, state) == ("south", "waiting")
    told = effects.decode(payload)
    assert (told.number, [line.sku for line in told.lines]) == ("WO-shop-1-A1", ["SKU-1"])


def test_the_nearest_base_is_named_in_the_decision(context, order):
    made(context, order, "nearest")
    ((argument,),) = rows(context, "SELECT argument FROM decisions WHERE action = 'work_order'")
    assert argument == "south", "of equals, or where nobody knows how far it is, the first"


def test_a_cancelled_order_is_not_made(context, order):
    ((_, state, note, _),) = made(context, order, "south", order("A1", E.CANCELLED, at=NOW + 1))
    assert (state, note) == ("withdrawn", "the order is cancelled")


def test_what_a_rule_holds_is_not_made_either(context, order):
    known = context._replace(book=book(Action("work_order", "south"), Action("approve", "lead")))
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW, total=20_000)], NOW)
    drain(known, 100)
    held = rows(context, "SELECT key, state FROM outbox ORDER BY key")
    assert held == [("push:shop-1:A1", "person"), ("work:shop-1:A1", "person")]
    word = ops.release(Release("shop-1", "A1", "it may go", "bob"), NOW + 5)

    def known_to(name):
        return Source("", "", ops.decode) if name == ops.OPS else known.source(name)

    context.store.accept([word], NOW + 5)
    drain(known._replace(source=known_to), 100)
    assert rows(context, "SELECT state FROM outbox") == [("waiting",), ("waiting",)]


def test_what_is_made_follows_the_order_though_no_warehouse_is_ours(context, order):
    rules = Rulebook("v1", (Group("more", "all", (Rule("dear", EVERYBODY, (Action("work_order", "south"),)),)),))
    settings = Settings(bases=(BaseSettings("south", "dock"),))
    known = context._replace(book=rules, places=places(settings))

    def heard(*messages):
        for number, message in enumerate(messages):
            context.store.accept([message], NOW + number)
            drain(known, 100)
        ((state, payload),) = rows(context, "SELECT state, payload FROM outbox")
        return state, effects.decode(payload).lines[0].quantity

    assert heard(order("A1", E.PLACED, E.PAID, at=NOW, total=20_000)) == ("waiting", 1)
    assert heard(order("A1", at=NOW + 1, total=20_000, quantity=7)) == ("waiting", 7)
    assert heard(order("A1", E.CANCELLED, at=NOW + 2))[0] == "withdrawn"
