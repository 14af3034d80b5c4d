"""From joined atoms to the tree that a person would write: what is said of one field is said once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_
from typing import TypeGuard

from orderhub_core.rules.compile import field_of
from orderhub_core.rules.example.atoms import Atom
from orderhub_core.rules.example.search import Joint
from orderhub_core.rules.tree import Condition, Either, Every, Leaf, Lines, Op

LISTS = {Op.IS: Op.AMONG, Op.AMONG: Op.AMONG, Op.IS_NOT: Op.NOT_AMONG, Op.NOT_AMONG: Op.NOT_AMONG}


def tree(joints: Sequence[Joint], parts: Sequence[Condition]) -> Condition:
    """The first joined to the second, these to the third."""
    made = parts[0]
    for joint, part in zip(joints, parts[1:], strict=True):
        made = _joined(joint, made, part)
    return made


def _joined(joint: Joint, left: Condition, right: Condition) -> Condition:
    made, one = (Every, _both) if joint == "and" else (Either, _one_of)
    parts = list(left.parts) if isinstance(left, made) else [left]
    for number, part in enumerate(parts):
        if (merged := one(part, right)) is not None:
            parts[number] = merged
            return parts[0] if len(parts) == 1 else made(tuple(parts))
    return made((*parts, right))


def _both(left: Condition, right: Condition) -> Condition | None:
    """One condition that says both, if there is one."""
    match left, right:
        case Lines("no", Leaf() as one), Lines("no", Leaf() as other):
            merged = _listed(one, other, (Op.IS, Op.AMONG))
            return merged and Lines("no", merged)
        case Leaf(), Leaf() if left.field == right.field and field_of(left).level != "line":
            return _listed(left, right, (Op.IS_NOT, Op.NOT_AMONG)) or _range(left, right) or _range(right, left)
    return None


def _one_of(left: Condition, right: Condition) -> Condition | None:
    if isinstance(left, Leaf) and isinstance(right, Leaf):
        return _listed(left, right, (Op.IS, Op.AMONG))
    return None


def _listed(left: Leaf, right: Leaf, ops: tuple[Op, Op]) -> Leaf | None:
    if left.field != right.field or not {left.op, right.op} <= set(ops):
        return None
    return Leaf(left.field, ops[1], tuple(dict.fromkeys((*left.values, *right.values))))


def _range(start: Leaf, end: Leaf) -> Leaf | None:
    if (start.op, end.op) != (Op.AT_LEAST, Op.LESS) or start.values >= end.values:
        return None
    return Leaf(start.field, Op.WITHIN, (*start.values, *end.values))


def shortened(
    joints: Sequence[Joint], parts: Sequence[Atom], goal: int, masks: Mapping[Condition, int]
) -> list[Condition]:
    """The conditions, of which a list of what is left out names no more than it must beside the others."""
    if set(joints) - {"and"} or not any(_is_exclusion(part.condition) for part in parts):
        return [part.condition for part in parts]
    return [
        _needed(part.condition, reduce(and_, (other.mask for other in parts if other is not part), -1) & ~goal, masks)
        if _is_exclusion(part.condition)
        else part.condition
        for part in parts
    ]


def _is_exclusion(condition: Condition) -> TypeGuard[Leaf]:
    return isinstance(condition, Leaf) and condition.op is Op.NOT_AMONG


def _needed(exclusion: Leaf, left: int, masks: Mapping[Condition, int]) -> Leaf:
    """`left`: the orders that it must keep out."""
    values = tuple(value for value in exclusion.values if left & ~masks[Leaf(exclusion.field, Op.IS_NOT, (value,))])
    if not values:
        return exclusion
    return Leaf(exclusion.field, Op.NOT_AMONG if len(values) > 1 else Op.IS_NOT, values)
