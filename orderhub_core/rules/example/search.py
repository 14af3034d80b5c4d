"""The shortest combinations of up to three atoms that tell marked orders apart.

The marked orders that a combination takes are the bits of one number, and combinations that take the same are alike to
the search (observational equivalence, as in enumerative program synthesis). All pairs are tried; of more than ATOMS
conditions those of the most promising, for pairs grow with the square. Of triples those whose parts can still become
right: what is joined by `and` must take all wanted orders but SLACK, what is joined by `or` none of the others but
SLACK; of more than PAIRS such pairs the most promising.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from orderhub_core.rules.example.atoms import Atom
from orderhub_core.rules.example.lengths import AND_BITS, OR_BITS

ERROR_BITS = 20.0
"""A marked order that the rule gets wrong. Longer than most conditions: people mark on purpose."""
PROMISE_BITS = 2.0
"""The same, of an atom or a pair to which a condition will be added."""
SLACK = 1
ATOMS, PAIRS = 2_000, 8_000
AT_A_TIME = 1_000
"""Pairs to which a condition is added: what is held in memory meanwhile is this many times ATOMS."""
ALIKE = 2
"""Kept of those that take the same marked orders."""
FOUND = 120

Joint = Literal["and", "or"]
JOINT_BITS: dict[Joint, float] = {"and": AND_BITS, "or": OR_BITS}
Masks = np.ndarray[tuple[int], np.dtype[np.uint64]]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
Lengths = np.ndarray[tuple[int], np.dtype[np.float64]]


class Block(NamedTuple):
    """Combinations of one shape: the first atom and the second joined by the first joint, and so on."""

    joints: tuple[Joint, ...]
    atoms: tuple[Numbers, ...]
    """Of each place, the atom's number."""
    masks: Masks
    lengths: Lengths

    def take(self, rows: Numbers) -> Block:
        return Block(self.joints, tuple(column[rows] for column in self.atoms), self.masks[rows], self.lengths[rows])


class Found(NamedTuple):
    joints: tuple[Joint, ...]
    atoms: tuple[int, ...]
    score: float
    """Its length, and ERROR_BITS for each marked order that it gets wrong."""


def search(atoms: Sequence[Atom], wanted: int, marked: int) -> list[Found]:
    """The best FOUND, best first. Bit n of `wanted`: whether the n-th of the `marked` orders should be taken."""
    goal, others = np.uint64(wanted), np.uint64(~wanted & ((1 << marked) - 1))
    single = _single(atoms)
    parts = single if len(atoms) <= ATOMS else _promising(single, goal, ATOMS)
    keeping = parts.take(np.flatnonzero(_count(goal & ~parts.masks) <= SLACK))
    clean = parts.take(np.flatnonzero(_count(parts.masks & others) <= SLACK))
    blocks = [single]
    for joint in JOINT_BITS:
        pairs = _joined(parts, parts, joint)
        blocks.append(_best(pairs, goal))
        for fit, partners, other in (
            (_count(goal & ~pairs.masks), keeping, "and"),
            (_count(pairs.masks & others), clean, "or"),
        ):
            promising = _promising(pairs.take(np.flatnonzero(fit <= SLACK)), goal, PAIRS)
            for rows in np.array_split(np.arange(len(promising.masks)), -(-PAIRS // AT_A_TIME)):
                blocks.append(_best(_joined(promising.take(rows), partners, other), goal))  # type: ignore[arg-type]
    found = [each for block in blocks for each in _found(_best(block, goal), goal)]
    return sorted(found, key=lambda each: each.score)[:FOUND]


def _single(atoms: Sequence[Atom]) -> Block:
    masks = np.array([atom.mask for atom in atoms], dtype=np.uint64)
    return Block((), (np.arange(len(atoms)),), masks, np.array([atom.length for atom in atoms], dtype=np.float64))


def _count(masks: Masks) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.bitwise_count(masks)


def _joined(left: Block, right: Block, joint: Joint) -> Block:
    """Each of one with each of the other, if that takes other orders than either; where the order of atoms does not
    matter, in one order only."""
    last, new = left.atoms[-1][:, None], right.atoms[0][None, :]
    fresh = new > last if set(left.joints) <= {joint} else (new != last) & (new != left.atoms[0][:, None])
    first, second = left.masks[:, None], right.masks[None, :]
    masks = first & second if joint == "and" else first | second
    rows, partners = np.nonzero(fresh & (masks != first) & (masks != second))
    return Block(
        (*left.joints, joint),
        (*(column[rows] for column in left.atoms), right.atoms[0][partners]),
        masks[rows, partners],
        left.lengths[rows] + right.lengths[partners] + JOINT_BITS[joint],
    )


def _promising(block: Block, goal: np.uint64, most: int) -> Block:
    """The shortest ALIKE of each mask, and of those the best."""
    order = np.lexsort((block.lengths, block.masks))
    masks = block.masks[order]
    kept = order[np.concatenate([np.ones(min(ALIKE, len(order)), bool), masks[ALIKE:] != masks[:-ALIKE]])]
    scores = block.lengths[kept] + PROMISE_BITS * _count(block.masks[kept] ^ goal)
    return block.take(kept[_lowest(scores, most)])


def _best(block: Block, goal: np.uint64) -> Block:
    return block.take(_lowest(_scores(block, goal), FOUND))


def _scores(block: Block, goal: np.uint64) -> Lengths:
    scores: Lengths = block.lengths + ERROR_BITS * _count(block.masks ^ goal)
    return scores


def _lowest(scores: Lengths, count: int) -> Numbers:
    if len(scores) <= count:
        return np.argsort(scores, kind="stable")
    lowest: Numbers = np.argpartition(scores, count)[:count]
    return lowest[np.argsort(scores[lowest], kind="stable")]


def _found(block: Block, goal: np.uint64) -> list[Found]:
    scores = _scores(block, goal).tolist()
    atoms = zip(*(column.tolist() for column in block.atoms), strict=True)
    return [Found(block.joints, own, score) for own, score in zip(atoms, scores, strict=True)]
