"""What the live path makes of decisions: holds and approvals stop the push, everything is kept, and what the hub cannot
be asked is refused when the rulebook is read."""

import pytest
from reading import rows
from small_rules import rulebook, total_from

from orderhub_core.errors import UserMistake
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.intend import refuse
from orderhub_core.model import Event as E
from orderhub_core.rules.tree import Action, Group, Leaf, Op, Rule, Rulebook

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


def test_what_is_held_stays_held_when_its_lines_change_and_is_withdrawn_when_it_is_cancelled(context, order):
    known = taken(context, order, book(Action("hold", "risk")))
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW + 1, total=30_000)], NOW + 1)
    drain(known, 100)
    assert rows(context, "SELECT state FROM outbox") == [("person",)]
    context.store.accept([order("A1", E.CANCELLED, at=NOW + 2)], NOW + 2)
    drain(known, 100)
    assert rows(context, "SELECT state FROM outbox") == [("withdrawn",)]


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
        (rulebook(routing={("busy", "w"): Leaf("storm", Op.IS, (True,))}), "rule 'busy' asks for storm"),
        (rulebook(default="nearest"), "assigns the nearest warehouse"),
        (rulebook(routing={("odd", "w"): Leaf("colour", Op.IS, ("red",))}), "no field 'colour'"),
    ],
)
def test_what_the_hub_cannot_tell_is_refused_before_anything_is_decided(rules, told):
    with pytest.raises(UserMistake, match=told):
        refuse(rules)
