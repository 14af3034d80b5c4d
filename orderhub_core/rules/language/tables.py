"""Trees as tables, as forms write them into TOML or JSON:

    when = { type = "every", parts = [
        { type = "leaf", field = "channel", op = "=", values = ["douyin"] },
        { type = "leaf", field = "total", op = ">=", values = [29900] },   # as the frames hold it: cents
    ] }
    then = [{ verb = "add_gift", argument = "FREE-01", quantity = 2 }]

Law: `condition(msgspec.to_builtins(tree))` is the tree. An instant may be a text in ISO 8601.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal, cast

from orderhub_core.rules.dictionary import FIELDS, Kind, nearest
from orderhub_core.rules.language.mistakes import Mistake
from orderhub_core.rules.language.operators import CLAUSES
from orderhub_core.rules.language.parsing import DEEPEST
from orderhub_core.rules.language.values import LARGEST
from orderhub_core.rules.tree import ALWAYS, Action, Condition, Either, Every, Leaf, Lines, Not, Op, Scalar

_KEYS = {
    "leaf": ("field", "op", "values"),
    "every": ("parts",),
    "either": ("parts",),
    "not": ("part",),
    "lines": ("which", "part"),
}
_WHICH = ("some", "every", "no")


class Tables:
    """Reads tables, and notes what is wrong with them under their path, as in `when.parts[1]`."""

    def __init__(self, place: tuple[str, ...]) -> None:
        self.place = place
        self.mistakes: list[Mistake] = []

    def note(self, code: str, path: str, suggestion: str = "", **blanks: str) -> None:
        place = (*self.place, path) if path else self.place
        self.mistakes.append(Mistake(code, tuple(blanks.items()), suggestion=suggestion, place=place))

    def condition(self, table: Any, path: str = "", depth: int = 0) -> Condition:
        """ALWAYS stands in for what is no condition."""
        if depth > DEEPEST:
            self.note("too_deep", path, most=str(DEEPEST))
            return ALWAYS
        if not isinstance(table, Mapping):
            self.note("wrong_type", path, word=path or "when", kind="table")
            return ALWAYS
        sort = self._word(table, "type", path)
        if sort not in _KEYS:
            self._unknown(sort, _KEYS, path)
            return ALWAYS
        self._keys(table, ("type", *_KEYS[sort]), path)
        return self._of_sort(sort, table, path, depth)

    def _of_sort(self, sort: str, table: Mapping[str, Any], path: str, depth: int) -> Condition:
        if sort == "leaf":
            return self._leaf(table, path)
        if sort in ("every", "either"):
            given = self._list(table, "parts", path)
            parts = [self.condition(part, f"{path}.parts[{n}]".lstrip("."), depth + 1) for n, part in enumerate(given)]
            return Every(tuple(parts)) if sort == "every" else Either(tuple(parts))
        part = self.condition(table.get("part"), f"{path}.part".lstrip("."), depth + 1)
        if sort == "not":
            return Not(part)
        which = self._word(table, "which", path)
        if which not in _WHICH:
            self._unknown(which, _WHICH, path)
            return ALWAYS
        return Lines(cast(Literal["some", "every", "no"], which), part)

    def _leaf(self, table: Mapping[str, Any], path: str) -> Condition:
        name, op = self._word(table, "field", path), self._word(table, "op", path)
        if op and op not in set(Op):
            self.note("unknown_operator", path, nearest(op, set(Op)), word=op)
        if not name or op not in set(Op):
            return ALWAYS
        instants = name in FIELDS and FIELDS[name].kind is Kind.INSTANT
        values = [self._value(value, instants, path) for value in self._list(table, "values", path)]
        return Leaf(name, Op(op), tuple(values))

    def _value(self, value: Any, instant: bool, path: str) -> Scalar:
        if instant and isinstance(value, str):
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                return value
        if not isinstance(value, str | int | datetime):
            self.note("wrong_type", path, word="values", kind="list of values")
            return ""
        if isinstance(value, int) and abs(value) > LARGEST:
            self.note("too_large", path, word=f"{value:#x}"[:12] + "…")
            return ""
        return value

    def _word(self, table: Mapping[str, Any], key: str, path: str) -> str:
        """A text that must be there; empty where it is none, which is noted."""
        word = table.get(key)
        if isinstance(word, str) and word:
            return word
        self.note("wrong_type" if word is not None and word != "" else "missing_key", path, word=key, kind="text")
        return ""

    def _unknown(self, word: str, known: Collection[str], path: str) -> None:
        if word:
            self.note("unknown_sort", path, nearest(word, known), word=word, known=", ".join(known))

    def _list(self, table: Mapping[str, Any], key: str, path: str) -> list[Any]:
        given = table.get(key, [])
        if isinstance(given, list | tuple):
            return list(given)
        self.note("wrong_type", path, word=key, kind="list")
        return []

    def _keys(self, table: Mapping[str, Any], known: Collection[str], path: str) -> None:
        for key in table:
            if key not in known:
                self.note("unknown_key", path, nearest(key, known), word=key, known=", ".join(sorted(known)))

    def actions(self, tables: Any) -> tuple[Action, ...]:
        """Of a list of tables, or of one."""
        found = []
        for number, table in enumerate(tables if isinstance(tables, list | tuple) else [tables]):
            path = f"[{number}]"
            if not isinstance(table, Mapping):
                self.note("wrong_type", path, word=path, kind="table")
                continue
            self._keys(table, ("verb", "argument", "quantity", *CLAUSES), path)
            verb, argument, quantity = table.get("verb"), table.get("argument", ""), table.get("quantity", 1)
            numbers = (quantity, *(table.get(clause, 0) for clause in CLAUSES))
            if isinstance(verb, str) and isinstance(argument, str) and all(map(_is_whole, numbers)):
                found.append(Action(verb, argument, *numbers))
            else:
                self.note("bad_action", path)
        return tuple(found)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
