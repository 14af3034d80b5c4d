"""A rulebook as most tests need one: who ships, and who gets a gift."""

from __future__ import annotations

from orderhub_core.rules.tree import Action, Condition, Group, Leaf, Op, Rule, Rulebook


def one_of(field: str, *values: str) -> Leaf:
    return Leaf(field, Op.AMONG, values)


def total_from(cents: int) -> Leaf:
    return Leaf("total", Op.AT_LEAST, (cents,))


def rulebook(
    version: str = "v1",
    default: str = "",
    routing: dict[tuple[str, str], Condition] | None = None,
    gifts: dict[tuple[str, str], Condition] | None = None,
) -> Rulebook:
    """Rules by their name and their argument: the warehouse or the SKU."""
    ships = _rules(routing, "assign_warehouse")
    gives = _rules(gifts, "add_gift")
    otherwise = (Action("assign_warehouse", default),) if default else ()
    groups = [Group("routing", "first", ships, otherwise)] if ships or otherwise else []
    return Rulebook(version, (*groups, *([Group("gifts", "all", gives)] if gives else [])))


def _rules(rules: dict[tuple[str, str], Condition] | None, verb: str) -> tuple[Rule, ...]:
    return tuple(Rule(name, when, (Action(verb, argument),)) for (name, argument), when in (rules or {}).items())
