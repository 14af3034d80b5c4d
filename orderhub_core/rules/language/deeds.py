"""Reading and judging actions: `分仓 杭州仓; 赠品 FREE-01 × 2`."""

from __future__ import annotations

import re

from orderhub_core.rules import ways
from orderhub_core.rules.actions import BY_ANY_NAME, LONGEST_PRIORITY, MOST_PIECES, NEVER, VERBS, Verb
from orderhub_core.rules.dictionary import nearest
from orderhub_core.rules.language.lexing import Sort, Token
from orderhub_core.rules.language.operators import AND_WORDS, CLAUSES, PARCELS, RESERVED
from orderhub_core.rules.language.reader import Reader
from orderhub_core.rules.language.values import Misread, listed, meant, narrow
from orderhub_core.rules.language.vocabulary import Vocabulary
from orderhub_core.rules.tree import Action

EXAMPLE = {"en": "assign hangzhou", "zh": "分仓 hangzhou"}
_PIECES = re.compile(r"(\d{1,9})(?:件|个|份|pcs)?")
_CLAUSE = {word: clause for clause, spoken in CLAUSES.items() for word in (*spoken.en, *spoken.zh)}
_JOINED = re.compile(rf"({'|'.join(sorted(_CLAUSE, key=len, reverse=True))})(\d{{1,9}})(?:件|个|份|pcs)?")
"""A clause and its number without a blank between them: 每2件."""
_AT_MOST = {tuple(phrase.split()): phrase for phrase in (*PARCELS.en, *PARCELS.zh)}
_OF_PARCELS = ("parcels", "parcel", "个包裹", "个")
_PARCELS = re.compile(rf"(?P<number>[0-9]{{1,9}})(?:{'|'.join(_OF_PARCELS)})?")
MOST_GIVEN = 100_000_000
"""Pieces that a limit may name."""
_TIMES = re.compile(r"[xX×](\d{1,9})(?:件|个|份|pcs)?")
_POINTS = re.compile(r"[+-]?\d{1,9}")
_PHRASES: dict[tuple[str, ...], Verb] = {
    **{(name.lower(),): verb for name, verb in BY_ANY_NAME.items()},
    **{tuple(verb.en.split("_")): verb for verb in VERBS.values()},
}
_ENDS = (Sort.END, Sort.SEMICOLON, Sort.COMMA)


def actions(reader: Reader) -> tuple[Action, ...]:
    """All up to the end of the line."""
    found = [_action(reader)]
    while reader.takes(Sort.SEMICOLON) or reader.takes(Sort.COMMA) or reader.says(AND_WORDS):
        found.append(_action(reader))
    if reader.here.sort is not Sort.END:
        raise reader.halt("expected_more", reader.here, word=reader.here.text)
    return tuple(action for action in found if action)


def _action(reader: Reader) -> Action | None:
    first = reader.here
    if first.sort is not Sort.WORD:
        raise reader.halt("expected_action", first, example=EXAMPLE[reader.language])
    verb = reader.phrase(_PHRASES)
    if verb is None:
        reader.note("unknown_verb", first, suggestion=nearest(first.text, BY_ANY_NAME), word=first.text)
        _skip(reader)
        return None
    argument = _argument(reader, verb, first)
    if not argument:
        _skip(reader)
        return None
    if verb.parcels:
        argument = _limited(reader, argument)
    quantity = _quantity(reader, verb, first)
    return Action(verb.name, argument, quantity, **_clauses(reader, verb, first))


def _skip(reader: Reader) -> None:
    """On to the next action."""
    while reader.here.sort not in _ENDS:
        reader.take()


def _argument(reader: Reader, verb: Verb, first: Token) -> str:
    token = reader.here
    reserved = token.sort is Sort.WORD and token.text.lower() in RESERVED
    if token.sort not in (Sort.WORD, Sort.QUOTED) or reserved:
        reader.note("no_argument", first, name=first.text)
        return ""
    reader.take()
    try:
        value = read(token.text, verb, reader.speech, quoted=token.sort is Sort.QUOTED)
        fits(Action(verb.name, value), reader.speech)
    except Misread as misread:
        reader.note_misread(misread, token)
        return ""
    return value


def _limited(reader: Reader, kind: str) -> str:
    """A way of `split`, with the number of parcels that stands after its kind, if one does."""
    start, found = reader.here, None
    text = narrow(start.text) if start.sort is Sort.WORD else ""
    if joined := next((words for words in PARCELS.zh if text.startswith(words) and text != words), ""):
        # Without a blank between them: 最多3个.
        reader.take()
        found = _PARCELS.fullmatch(text.removeprefix(joined))
    elif not reader.phrase(_AT_MOST):
        return kind
    elif reader.here.sort is Sort.WORD and reader.here.text.lower() not in RESERVED:
        found = _PARCELS.fullmatch(narrow(reader.take().text))
    reader.says(_OF_PARCELS)
    limit = int(found["number"]) if found else 0
    if kind == NEVER:
        reader.note("never_several", start, reader.before)
    elif limit not in ways.LIMITS:
        reader.note_misread(_bad_parcels(reader.text[start.start : reader.before.end]), start, reader.before)
    else:
        return ways.written(ways.Way(kind, limit))
    return kind


def _quantity(reader: Reader, verb: Verb, first: Token) -> int:
    """1 where none is written."""
    start = reader.here
    joined = _TIMES.fullmatch(narrow(start.text)) if start.sort is Sort.WORD else None
    if not (joined or start.sort is Sort.TIMES or (start.sort is Sort.WORD and start.text.lower() == "x")):
        return 1
    reader.take()
    last = start if joined else reader.take()
    found = joined or _PIECES.fullmatch(narrow(last.text))
    if not verb.quantity:
        reader.note("no_quantity", start, last, name=first.text)
    elif found is None or not 1 <= int(found[1]) <= MOST_PIECES:
        reader.note("bad_quantity", last, word=last.text, most=str(MOST_PIECES))
    else:
        return int(found[1])
    return 1


def _clauses(reader: Reader, verb: Verb, first: Token) -> dict[str, int]:
    """What stands after the pieces of a gift: for how many bought it is given, and how many of it there are."""
    found: dict[str, int] = {}
    while reader.here.sort is Sort.WORD:
        start = reader.here
        joined = _JOINED.fullmatch(narrow(start.text.lower()))
        clause = joined[1] if joined else start.text.lower()
        if clause not in _CLAUSE:
            break
        reader.take()
        last = start if joined else reader.take()
        number = joined[2] if joined else (match[1] if (match := _PIECES.fullmatch(narrow(last.text))) else "")
        if not verb.quantity:
            reader.note("no_quantity", start, last, name=first.text)
        elif _CLAUSE[clause] in found:
            reader.note("clause_twice", start, last, word=start.text)
        elif not number or not 1 <= int(number) <= MOST_GIVEN:
            reader.note("bad_limit", start, last, word=last.text, most=str(MOST_GIVEN))
        else:
            found[_CLAUSE[clause]] = int(number)
    return found


def read(text: str, verb: Verb, speech: Vocabulary, *, quoted: bool = False) -> str:
    """The argument that is written. Raises Misread."""
    meanings = speech.of_verb(verb)
    if verb.takes == "name":
        return text if quoted else meanings.of_word.get(text, text)
    value = meant(text, meanings)
    if verb.takes == "choice":
        if value is None:
            known = sorted(verb.words.values()) if text.isascii() else list(verb.words)
            suggestion = nearest(text, [*verb.words, *verb.words.values()])
            raise Misread("unknown_value", suggestion, word=text, name=verb.en, known=listed(known))
        return value
    points = value or narrow(text)
    if not _POINTS.fullmatch(points):
        raise Misread("bad_priority", word=text, most=str(LONGEST_PRIORITY))
    return str(int(points))


def fits(action: Action, speech: Vocabulary) -> None:
    """Raises Misread for an action that cannot be carried out as it stands."""
    verb = VERBS.get(action.verb)
    if verb is None:
        raise Misread(
            "unknown_verb", nearest(action.verb, VERBS) or nearest(action.verb, BY_ANY_NAME), word=action.verb
        )
    if not action.argument:
        raise Misread("no_argument", name=verb.name)
    if action.quantity != 1 and not verb.quantity:
        raise Misread("no_quantity", name=verb.name)
    if not 1 <= action.quantity <= MOST_PIECES:
        raise Misread("bad_quantity", word=str(action.quantity), most=str(MOST_PIECES))
    _fit_clauses(action, verb)
    chosen = _kind(action.argument) if verb.parcels else action.argument
    if verb.takes == "choice" and chosen not in verb.words.values():
        known = sorted(verb.words.values())
        raise Misread("unknown_value", nearest(chosen, known), word=chosen, name=verb.name, known=listed(known))
    if verb.takes == "number" and not _points(action.argument):
        raise Misread("bad_priority", word=action.argument, most=str(LONGEST_PRIORITY))


def _kind(argument: str) -> str:
    """Of a way of `split`."""
    try:
        way = ways.read(argument)
    except ValueError:
        raise _bad_parcels(argument) from None
    if way.kind == NEVER and way.limit:
        raise Misread("never_several")
    return way.kind


def _bad_parcels(word: str) -> Misread:
    return Misread("bad_parcels", word=word, least=str(ways.LIMITS[0]), most=str(ways.LIMITS[-1]))


def _fit_clauses(action: Action, verb: Verb) -> None:
    for number in (action.per, action.total, action.per_day, action.per_buyer):
        if number and not verb.quantity:
            raise Misread("no_quantity", name=verb.name)
        if not 0 <= number <= MOST_GIVEN:
            raise Misread("bad_limit", word=str(number), most=str(MOST_GIVEN))


def _points(text: str) -> bool:
    return bool(_POINTS.fullmatch(text)) and str(int(text)) == text and abs(int(text)) <= LONGEST_PRIORITY
