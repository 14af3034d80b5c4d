"""Fields by any of their names: what the text, the TOML file, the form, the compiled expression and the explanation all
read. What there is stands in `fields`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

import polars as pl

from orderhub_core.rules import fields
from orderhub_core.rules.field import Field as Field
from orderhub_core.rules.field import Kind as Kind

MEASURED: Mapping[str, Field] = {field.name: field for field in fields.MEASURED}
"""By English name, those that must be told of what: `load(hangzhou)`."""
_MEASURED_BY_ANY_NAME = {
    name: field for field in fields.MEASURED for name in (field.name, field.zh, *field.aliases)
}  # fmt: skip


def measured(name: str) -> Field | None:
    """Of MEASURED that of this name, in either language."""
    return _MEASURED_BY_ANY_NAME.get(name)


def of_subject(field: Field, subject: str) -> Field:
    """One of MEASURED, of a warehouse or a SKU by its id."""
    name = f"{field.name}({subject})"
    return field._replace(name=name, zh=f"{field.zh}({subject})", column=name, subject=subject)


def of_the_line(field: Field) -> Field | None:
    """What asks for one of MEASURED of whatever the line has."""
    return next((one for one in fields.LINE if one.told == field.name), None)


@lru_cache(maxsize=1024)
def _of_subject(name: str) -> Field | None:
    base, bracket, rest = name.partition("(")
    field = MEASURED.get(base) if bracket and rest.endswith(")") and len(rest) > 1 else None
    return None if field is None else of_subject(field, rest[:-1])


class _Fields(dict[str, Field]):
    """Also finds `load(hangzhou)`; only the others are listed."""

    def __missing__(self, name: str) -> Field:
        if (field := _of_subject(name)) is None:
            raise KeyError(name)
        return field

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and _of_subject(name) is not None)

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name) or _of_subject(name) or default


FIELDS: Mapping[str, Field] = _Fields(
    {field.name: field for field in (*fields.ORDER, *fields.LINE, *fields.BUYER, *fields.SIGNAL)}
)
"""By English name. Those of MEASURED are there under the name with its subject, and not listed."""
SIGNALS = (*fields.SIGNAL, *fields.MEASURED)
"""All that reports may tell."""

_BY_ANY_NAME = {
    name: field for field in FIELDS.values() for name in dict.fromkeys((field.name, field.zh, *field.aliases))
}
_PREFIXES = ("商品明细.", "订单.", "line.", "order.")
"""Of the table that a field stands in, as other systems write it: `商品明细.品类`. Not needed here."""


def lookup(name: str) -> Field | None:
    """The field of this name, in either language."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return _BY_ANY_NAME.get(name)


def nearest_field(name: str) -> str:
    """The field name most like this one, in its language; empty where none is like it."""
    return nearest(name, (*_BY_ANY_NAME, *_MEASURED_BY_ANY_NAME))


def nearest(word: str, known: Iterable[str]) -> str:
    """Of the words that one might have meant the most likely one, capitals aside; empty where none is like it. Of two
    Chinese characters one may be wrong; of letters it takes more to be alike, or any two cities were."""
    folded: dict[str, str] = {}
    for each in known:
        folded.setdefault(each.casefold(), each)
    best = (0.6 if word.isascii() else 0.5, "")
    likeness = SequenceMatcher(b=word.casefold())
    for name, most in _by_letters(word.casefold(), list(folded), best[0]):
        if most < best[0]:
            break
        likeness.set_seq1(name)
        best = max(best, (likeness.ratio(), name))
    return folded[best[1]] if best[1] else ""


def _by_letters(word: str, names: list[str], least: float) -> Iterator[tuple[str, float]]:
    """The names that may be so much like it, and how much at most, by the letters that they share: that is quickly
    counted of all of them, and comparing is not. The likeliest first."""
    known = pl.Series("name", names, pl.String)
    shared = pl.sum_horizontal(
        pl.lit(0, pl.Int64),
        *(
            pl.col("name").str.count_matches(letter, literal=True).clip(upper_bound=n)
            for letter, n in Counter(word).items()
        ),
    )
    most = 2.0 * shared / (pl.col("name").str.len_chars().cast(pl.Int64) + max(len(word), 1))
    found = known.to_frame().with_columns(most=most).filter(pl.col("most") >= least)
    yield from found.sort("most", "name", descending=True).iter_rows()


def chinese_prefix(word: str) -> str:
    """The longest Chinese field name that a word begins with: it lacks a blank after it. Empty where there is none."""
    table = next((prefix for prefix in _PREFIXES if word.startswith(prefix)), "")
    rest = word.removeprefix(table)
    found = [name for name in _BY_ANY_NAME if not name.isascii() and rest.startswith(name)]
    return table + max(found, key=len) if found else ""
