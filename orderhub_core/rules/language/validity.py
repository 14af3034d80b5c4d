"""Whether a tree that was not read from a line, but made by a form or written as tables, is one that can be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orderhub_core.rules.dictionary import FIELDS, nearest_field
from orderhub_core.rules.language import deeds
from orderhub_core.rules.language.mistakes import Mistake
from orderhub_core.rules.language.parsing import DEEPEST
from orderhub_core.rules.language.values import Misread, fits
from orderhub_core.rules.language.vocabulary import Vocabulary
from orderhub_core.rules.tree import Action, Condition, Either, Every, Leaf, Lines, Not


def tidy(condition: Condition) -> Condition:
    """The same condition without joints that join one part only, as forms make them."""
    match condition:
        case Leaf():
            return condition
        case Every((part,)) | Either((part,)):
            return tidy(part)
        case Every(parts):
            return Every(tuple(tidy(part) for part in parts))
        case Either(parts):
            return Either(tuple(tidy(part) for part in parts))
        case Not(part):
            return Not(tidy(part))
        case Lines(which, part):
            return Lines(which, tidy(part))


def mistakes(condition: Condition, speech: Vocabulary, place: tuple[str, ...] = ()) -> list[Mistake]:
    """All that is wrong with a tidy tree; its place is the path to it, as in `when.parts[1]`."""
    return [
        Mistake(wrong.code, wrong.blanks, suggestion=wrong.suggestion, place=(*place, path) if path else place)
        for path, wrong in _wrong(condition, speech, "", 0, False)
    ]


def _wrong(
    condition: Condition, speech: Vocabulary, path: str, depth: int, of_lines: bool
) -> Iterator[tuple[str, Misread]]:
    if depth > DEEPEST:
        yield path, Misread("too_deep", most=str(DEEPEST))
        return
    match condition:
        case Leaf():
            yield from _wrong_leaf(condition, speech, path, of_lines)
        case Every(parts) | Either(parts):
            if isinstance(condition, Either) and not parts:
                yield path, Misread("too_few_parts")
            for number, part in enumerate(parts):
                yield from _wrong(part, speech, f"{path}.parts[{number}]".lstrip("."), depth + 1, of_lines)
        case Not(part):
            yield from _wrong(part, speech, f"{path}.part".lstrip("."), depth + 1, of_lines)
        case Lines(part=part):
            if of_lines:
                yield path, Misread("lines_in_lines")
            yield from _wrong(part, speech, f"{path}.part".lstrip("."), depth + 1, True)


def _wrong_leaf(leaf: Leaf, speech: Vocabulary, path: str, of_lines: bool) -> Iterator[tuple[str, Misread]]:
    field = FIELDS.get(leaf.field)
    if field is None:
        yield path, Misread("unknown_field", nearest_field(leaf.field), word=leaf.field)
        return
    if of_lines and field.level != "line":
        yield path, Misread("order_field_in_lines", name=leaf.field)
    try:
        fits(leaf, field, speech)
    except Misread as misread:
        yield path, misread


def action_mistakes(actions: Sequence[Action], speech: Vocabulary, place: tuple[str, ...] = ()) -> list[Mistake]:
    found = []
    for action in actions:
        try:
            deeds.fits(action, speech)
        except Misread as misread:
            found.append(Mistake(misread.code, misread.blanks, suggestion=misread.suggestion, place=place))
    return found
