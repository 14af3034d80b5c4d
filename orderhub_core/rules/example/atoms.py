"""The conditions of one thought that could tell the marked orders apart, each with the marked orders that meet it.

Their values are those that the marked orders have, and between two neighbouring ones the roundest. A condition that
holds for none of the wanted orders is left out: what excludes orders is written as what the wanted ones are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, product
from typing import NamedTuple, cast

import numpy as np

from orderhub_core.rules import bits, facts
from orderhub_core.rules.dictionary import FIELDS, Field, Kind
from orderhub_core.rules.example import rounding
from orderhub_core.rules.example.lengths import Ruler, is_word
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import Condition, Every, Leaf, Lines, Op, Scalar

NAMES_OF_ONE = frozenset({"order_no", "tracking_no"})
"""Fields that tell an order by its name: a rule of them speaks of no other."""
LISTED = 8
"""Values that a list may have."""
NEAR = 6
"""Cuts on either side of the wanted values that a range may end at."""
GOODS = ("category", "sku")
AMOUNTS = ("quantity", "line_amount")
TOKEN = re.compile(r"[㐀-鿿]+|[0-9A-Za-z]+")


class Atom(NamedTuple):
    condition: Condition
    mask: int
    """Bit n: whether it is true of the n-th marked order."""
    length: float


class Values(NamedTuple):
    """Of one field: its known values among the marked orders or their lines, and whether each is of a wanted order."""

    field: Field
    own: list[object]
    wanted: list[bool]

    def of(self, wanted: bool) -> list[object]:
        """Each once, in the order in which they come."""
        return list(dict.fromkeys(value for value, is_wanted in zip(self.own, self.wanted, strict=True)
                                  if is_wanted is wanted))  # fmt: skip


def atoms(marked: Index, wanted: bits.Bools, ruler: Ruler) -> list[Atom]:
    """Of every field that the frames of the marked orders have. `wanted`: of each of them, whether it should be
    taken."""
    asked = tuple(dict.fromkeys(_asked(marked, wanted, ruler)))
    *masks, goal = _masks([*marked.holds(asked), bits.pack(wanted)], len(wanted))
    return [
        Atom(condition, mask, ruler.length(condition))
        for condition, mask in zip(asked, masks, strict=True)
        if mask & goal
    ]


def _masks(holds: Sequence[bits.Bits], marked: int) -> list[int]:
    rows = np.unpackbits(np.stack(holds), axis=1, count=marked).astype(np.uint64)
    return cast(list[int], (rows << np.arange(marked, dtype=np.uint64)).sum(axis=1, dtype=np.uint64).tolist())


def fields(index: Index) -> list[Field]:
    """Those that the frames of an index have values of."""
    known = (field for field in FIELDS.values() if field.name not in NAMES_OF_ONE and field.level != "parcel")
    return [field for field in known if _is_there(field, index)]


def _is_there(field: Field, index: Index) -> bool:
    if field.is_reported and (index.reports is None or index.at not in index.raw_orders):
        return False
    frame, columns = facts.sources(field)
    return set(columns) <= set((index.raw_lines if frame == "lines" else index.raw_orders).columns)


def _asked(marked: Index, wanted: bits.Bools, ruler: Ruler) -> Iterator[Condition]:
    asked = fields(marked)
    marked.orders.prepare(field for field in asked if field.level != "line")
    marked.lines.prepare(field for field in asked if field.level == "line")
    for field in asked:
        values = _values(field, marked, wanted)
        if field.level == "line":
            yield from _of_lines(values, ruler)
        else:
            yield from _of_orders(values, marked, ruler)
    yield from _of_one_line(marked, wanted, ruler)


def _values(field: Field, marked: Index, wanted: bits.Bools) -> Values:
    if field.level == "line":
        column, wanted = marked.lines.column(field), wanted[marked.place]
    else:
        column = marked.orders.column(field)
    return _known(field, zip(column.to_list(), wanted.tolist(), strict=True))


def _known(field: Field, pairs: Iterable[tuple[object, bool]]) -> Values:
    known = [(value, is_wanted) for value, is_wanted in pairs if value is not None]
    return Values(field, [value for value, _ in known], [is_wanted for _, is_wanted in known])


def _of_orders(values: Values, marked: Index, ruler: Ruler) -> Iterator[Condition]:
    name = values.field.name
    if 0 < len(values.own) < marked.orders.height:
        yield from (Leaf(name, Op.IS_KNOWN), Leaf(name, Op.IS_MISSING))
    if not is_word(values.field):
        yield from _cuts(values, ruler)
        yield from _ranges(values, ruler)
        return
    yield from _words(values)
    unwanted = [value for value in values.of(False) if value not in values.of(True)]
    yield from (_leaf(name, Op.IS_NOT, value) for value in values.of(False))
    if 2 <= len(unwanted) <= LISTED:
        yield _leaf(name, Op.NOT_AMONG, *unwanted)


def _words(values: Values) -> Iterator[Leaf]:
    name, wanted, others = values.field.name, values.of(True), values.of(False)
    yield from (_leaf(name, Op.IS, value) for value in wanted)
    for some in (wanted, [value for value in wanted if value not in others]):
        if 2 <= len(some) <= LISTED:
            yield _leaf(name, Op.AMONG, *some)


def _of_lines(values: Values, ruler: Ruler) -> Iterator[Condition]:
    """That some line, every line or no line meets it."""
    if not is_word(values.field):
        some = list(_cuts(values, ruler))
        yield from some
        yield from (Lines("no", leaf) for leaf in some)
        return
    words = list(_words(values))
    yield from words
    yield from (Lines("every", leaf) for leaf in words)
    yield from (Lines("no", _leaf(values.field.name, Op.IS, value)) for value in values.of(False))
    for wanted in (True, False):
        for part in _parts(values, wanted):
            yield part if wanted else Lines("no", part)


def _parts(values: Values, wanted: bool) -> Iterator[Leaf]:
    """Words that product names contain, and what stands before the dash in a SKU."""
    texts = [str(value) for value in values.of(wanted)]
    if values.field.name == "product_name":
        yield from (_leaf("product_name", Op.CONTAINS, word) for word in dict.fromkeys(_words_of(texts)))
    if values.field.name == "sku":
        starts = dict.fromkeys(found[0] for text in texts if (found := re.match(r"[^-_]+[-_]", text)))
        yield from (_leaf("sku", Op.STARTS_WITH, start) for start in starts)


def _words_of(texts: Iterable[str]) -> Iterator[str]:
    """Latin words and numbers as they stand. Chinese ones are not set apart: two to four characters at either end of
    what stands together are taken for words."""
    for text in texts:
        for token in TOKEN.findall(text):
            if token.isascii():
                yield token
                continue
            for size in range(2, min(4, len(token)) + 1):
                yield token[:size]
                yield token[-size:]


def _of_one_line(marked: Index, wanted: bits.Bools, ruler: Ruler) -> Iterator[Condition]:
    """What is asked of one and the same line: such goods, and so many of them or for so much."""
    here = {field.name for field in fields(marked)}
    of_wanted = wanted[marked.place].tolist()
    own = {name: marked.lines.column(FIELDS[name]).to_list() for name in (*GOODS, *AMOUNTS) if name in here}
    for goods, amount in product((name for name in GOODS if name in here), (name for name in AMOUNTS if name in here)):
        rows = list(zip(own[goods], own[amount], of_wanted, strict=True))
        for value in dict.fromkeys(value for value, _, is_wanted in rows if is_wanted and value is not None):
            some = _known(FIELDS[amount], ((size, is_wanted) for each, size, is_wanted in rows if each == value))
            for cut in _cuts(some, ruler):
                yield Lines("some", Every((_leaf(goods, Op.IS, value), cut)))


def _cuts(values: Values, ruler: Ruler) -> Iterator[Leaf]:
    """Above and below the roundest number of every gap; of counts each number itself, too."""
    name = values.field.name
    if values.field.kind is Kind.NUMBER:
        yield from (_leaf(name, Op.IS, value) for value in values.of(True))
    for low, high in pairwise(_sorted(values, ruler)):
        cut = _between(low, high, values.field, ruler)
        yield _leaf(name, Op.AT_LEAST, cut)
        yield _leaf(name, Op.LESS, cut)
        if values.field.kind in (Kind.NUMBER, Kind.MONEY) and _rounder(low, cut, values.field, ruler):
            yield _leaf(name, Op.MORE, low)
            yield _leaf(name, Op.AT_MOST, low)


def _sorted(values: Values, ruler: Ruler) -> list[int]:
    return sorted({ruler.number(value, values.field) for value in values.own})


def _between(low: int, high: int, field: Field, ruler: Ruler) -> Scalar:
    return ruler.value(rounding.roundest(low, high, field, ruler.scale(field).span), field)


def _rounder(low: int, cut: Scalar, field: Field, ruler: Ruler) -> bool:
    span = ruler.scale(field).span
    return rounding.bits(low, field, span) < rounding.bits(cast(int, cut), field, span)


def _ranges(values: Values, ruler: Ruler) -> Iterator[Leaf]:
    """Ranges that have all wanted values, from and to one of the nearest cuts; and those that have wanted ones only."""
    every = _sorted(values, ruler)
    numbers = [ruler.number(value, values.field) for value in values.own]
    wanted = {number for number, is_wanted in zip(numbers, values.wanted, strict=True) if is_wanted}
    if not wanted or len(every) < 3:
        return
    gaps = [(low, _between(low, high, values.field, ruler)) for low, high in pairwise(every)]
    below = [cut for low, cut in gaps if low < min(wanted)][-NEAR:]
    above = [cut for low, cut in gaps if low >= max(wanted)][:NEAR]
    yield from (_leaf(values.field.name, Op.WITHIN, start, end) for start in below for end in above)
    pure = wanted - {n for n, is_wanted in zip(numbers, values.wanted, strict=True) if not is_wanted}
    turns = [cut for (low, cut), high in zip(gaps, every[1:], strict=True) if (low in pure) != (high in pure)]
    yield from (_leaf(values.field.name, Op.WITHIN, start, end) for start, end in pairwise(turns))
    if values.field.kind is Kind.TIME_OF_DAY:
        yield from _around_midnight(values.field, gaps, sorted(wanted))


def _around_midnight(field: Field, gaps: Sequence[tuple[int, Scalar]], wanted: Sequence[int]) -> Iterator[Leaf]:
    """Between two neighbouring wanted times the others are left out."""
    for earlier, later in pairwise(wanted):
        between = [cut for low, cut in gaps if earlier <= low < later]
        for end in between[:NEAR]:
            yield from (_leaf(field.name, Op.WITHIN, start, end) for start in between[-NEAR:] if start != end)


def _leaf(name: str, op: Op, *values: object) -> Leaf:
    return Leaf(name, op, cast(tuple[Scalar, ...], values))
