"""From the tables of a TOML file to a rulebook, with all that is wrong on the way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, TypeVar, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orderhub_core.rules import names, of_parcels
from orderhub_core.rules.actions import VERBS
from orderhub_core.rules.dictionary import FIELDS, Kind, lookup, nearest
from orderhub_core.rules.language import validity
from orderhub_core.rules.language.mistakes import Mistake
from orderhub_core.rules.language.parsing import parse_actions, parse_condition
from orderhub_core.rules.language.tables import Tables
from orderhub_core.rules.language.values import bare, meant
from orderhub_core.rules.language.vocabulary import OWN_WORDS, Vocabulary, vocabulary
from orderhub_core.rules.tree import ALWAYS, Action, Condition, Group, Rule, Rulebook, Word, leaves

Place = tuple[str, ...]
Made = TypeVar("Made")
OTHERWISE = "otherwise"
"""The rule that decisions name where none of a group's own held."""
_KINDS: dict[type, str] = {str: "text", list: "list", dict: "table"}
_OF_TABLES = ("groups", "parcels", "rules")


class _Mistakes(list[Mistake]):
    def note(self, code: str, place: Place, suggestion: str = "", **blanks: str) -> None:
        self.append(Mistake(code, tuple(blanks.items()), suggestion=suggestion, place=place))


def book_of(tables: Mapping[str, Any]) -> tuple[Rulebook, tuple[Mistake, ...]]:
    wrong = _Mistakes()
    _keys(tables, ("version", "zone", "words", "groups", "parcels"), (), wrong)
    zone = _zone(_taken(tables, "zone", str, Rulebook().zone, (), wrong), wrong)
    words = _words(_taken(tables, "words", dict, {}, (), wrong), wrong)
    speech = vocabulary(words, zone)
    groups, parcels = (_groups(tables, key, speech, wrong) for key in ("groups", "parcels"))
    _names(groups + parcels, wrong)
    return Rulebook(_taken(tables, "version", str, "none", (), wrong), groups, zone, words, parcels), tuple(wrong)


def _keys(table: Mapping[str, Any], known: Collection[str], place: Place, wrong: _Mistakes) -> None:
    for key in table:
        if key not in known:
            wrong.note("unknown_key", place, nearest(key, known), word=key, known=", ".join(sorted(known)))


def _taken(table: Mapping[str, Any], key: str, kind: type[Made], default: Made, place: Place, wrong: _Mistakes) -> Made:
    value = table.get(key, default)
    if isinstance(value, kind):
        return value
    wrong.note("wrong_type", place, word=key, kind=key if key in _OF_TABLES else _KINDS[kind])
    return default


def _zone(name: str, wrong: _Mistakes) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        wrong.note("unknown_zone", (), word=name)
        return Rulebook().zone


def _words(tables: Mapping[str, Any], wrong: _Mistakes) -> tuple[Word, ...]:
    found: list[Word] = []
    for title, table in tables.items():
        place = (f"words.{title}",)
        field = lookup(title)
        of = field.name if field else title
        if of not in OWN_WORDS:
            wrong.note("unknown_word_of", place, nearest(of, OWN_WORDS), word=title)
        elif not isinstance(table, dict):
            wrong.note("wrong_type", place, word=title, kind="table")
        else:
            for word, value in table.items():
                _word(Word(of, word, value), found, place, wrong)
    return tuple(found)


def _word(new: Word, found: list[Word], place: Place, wrong: _Mistakes) -> None:
    """Add it, if it can be told apart from those that are there."""
    if not isinstance(new.value, str) or not new.value:
        wrong.note("wrong_type", place, word=new.word, kind="text")
    elif not bare(new.word):
        wrong.note("unspeakable", place, word=new.word)
    elif taken := _taken_by(new, found):
        wrong.note("word_taken", place, word=new.word, value=taken)
    else:
        found.append(new)


def _taken_by(new: Word, found: list[Word]) -> str:
    """What one of its two names stands for already; empty if they are free."""
    same = next((word.value for word in found if (word.of, word.word) == (new.of, new.word)), "")
    if same or new.of not in FIELDS or FIELDS[new.of].kind is not Kind.CHOICE:
        return same
    meanings = vocabulary([*found, new]).of_field(FIELDS[new.of])
    before = vocabulary(found).of_field(FIELDS[new.of])
    clash = next((name for name in (new.word, new.value) if meant(name, before) not in (None, new.value)), "")
    return (meant(clash, before) or "") if clash else "" if meant(new.value, meanings) == new.value else new.word


def _groups(tables: Mapping[str, Any], key: str, speech: Vocabulary, wrong: _Mistakes) -> tuple[Group, ...]:
    """Those that are asked of orders, or of parcels."""
    found = []
    for number, table in enumerate(_taken(tables, key, list, [], (), wrong), 1):
        group = _group(table, f"{key}[{number}]", speech, wrong)
        (_of_parcels if key == "parcels" else _of_orders)(group, wrong)
        found.append(group)
    return tuple(found)


def _of_orders(group: Group, wrong: _Mistakes) -> None:
    for rule in group.rules:
        for leaf in leaves(rule.when):
            if (field := lookup(leaf.field)) and field.level == "parcel":
                wrong.note("of_parcels", (group.name, rule.name, "when"), word=f"{field.name} ({field.zh})")


def _of_parcels(group: Group, wrong: _Mistakes) -> None:
    """Of what is done, only marks of a hand-over can be of one parcel."""
    for place, actions in [("otherwise", group.otherwise), *((rule.name, rule.then) for rule in group.rules)]:
        for action in actions:
            if (verb := VERBS.get(action.verb)) and verb.name not in of_parcels.VERBS:
                known = ", ".join(f"{VERBS[name].en} ({VERBS[name].zh})" for name in of_parcels.VERBS)
                wrong.note("not_of_parcels", (group.name, place), word=f"{verb.en} ({verb.zh})", known=known)


def _group(table: Any, name: str, speech: Vocabulary, wrong: _Mistakes) -> Group:
    place: Place = (name,)
    if not isinstance(table, dict):
        wrong.note("wrong_type", place, word=place[0], kind="group")
        return Group("", "first")
    _keys(table, ("name", "match", "rules", "otherwise"), place, wrong)
    name = _name(table, place, wrong)
    place = (name or place[0],)
    match = _match(table, place, wrong)
    otherwise = _then(table, "otherwise", speech, place, wrong) if "otherwise" in table else ()
    if otherwise and match == "all":
        wrong.note("otherwise_of_all", place)
    rules = [
        _rule(each, number, speech, place, wrong)
        for number, each in enumerate(_taken(table, "rules", list, [], place, wrong), 1)
    ]
    return Group(name, match, tuple(rules), otherwise)


def _match(table: Mapping[str, Any], place: Place, wrong: _Mistakes) -> Literal["first", "all"]:
    match = table.get("match")
    if match is None:
        wrong.note("missing_key", place, word="match")
    elif not isinstance(match, str):
        wrong.note("wrong_type", place, word="match", kind="text")
    elif match not in ("first", "all"):
        wrong.note("unknown_match", place, word=match)
    else:
        return cast(Literal["first", "all"], match)
    return "first"


def _rule(table: Any, number: int, speech: Vocabulary, place: Place, wrong: _Mistakes) -> Rule:
    unnamed = f"rules[{number}]"
    if not isinstance(table, dict):
        wrong.note("wrong_type", place, word=unnamed, kind="rule")
        return Rule("", ALWAYS, ())
    _keys(table, ("name", "when", "then", "note"), (*place, unnamed), wrong)
    name = _name(table, (*place, unnamed), wrong)
    place = (*place, name or unnamed)
    when = _when(table, speech, place, wrong)
    if "then" not in table:
        wrong.note("missing_key", place, word="then")
    then = _then(table, "then", speech, place, wrong) if "then" in table else ()
    return Rule(name, when, then, _taken(table, "note", str, "", place, wrong))


def _name(table: Mapping[str, Any], place: Place, wrong: _Mistakes) -> str:
    name = table.get("name")
    if name is None:
        wrong.note("missing_key", place, word="name")
    elif not isinstance(name, str):
        wrong.note("wrong_type", place, word="name", kind="text")
    elif not name:
        wrong.note("name_empty", place)
    elif refused := names.judge(name):
        wrong.note("bad_name", place, refused.suggestion, word=name, why=refused.why)
        return name
    elif name == OTHERWISE:
        wrong.note("reserved", place, word=name)
    else:
        return name
    return ""


def _names(groups: tuple[Group, ...], wrong: _Mistakes) -> None:
    """Each may stand once, of groups and of rules."""
    for named in ([group.name for group in groups], [rule.name for group in groups for rule in group.rules]):
        for name in sorted({name for name in named if name and named.count(name) > 1}):
            wrong.note("twice", (), word=name)


def _when(table: Mapping[str, Any], speech: Vocabulary, place: Place, wrong: _Mistakes) -> Condition:
    place = (*place, "when")
    written = table.get("when")
    if written is None:
        wrong.note("missing_key", place[:-1], word="when")
    elif isinstance(written, str):
        parsed = parse_condition(written, speech)
        wrong += [mistake._replace(place=place) for mistake in parsed.mistakes]
        return parsed.when
    elif isinstance(written, dict):
        tables = Tables(place)
        tree = validity.tidy(tables.condition(written))
        wrong += tables.mistakes or validity.mistakes(tree, speech, place)
        return tree
    else:
        wrong.note("wrong_type", place[:-1], word="when", kind="line")
    return ALWAYS


def _then(table: Mapping[str, Any], key: str, speech: Vocabulary, place: Place, wrong: _Mistakes) -> tuple[Action, ...]:
    place = (*place, key)
    written = table[key]
    if isinstance(written, str):
        parsed = parse_actions(written, speech)
        wrong += [mistake._replace(place=place) for mistake in parsed.mistakes]
        return parsed.then
    if not isinstance(written, list | dict):
        wrong.note("wrong_type", place[:-1], word=key, kind="line")
        return ()
    tables = Tables(place)
    actions = tables.actions(written)
    if not written:
        wrong.note("no_action", place)
    wrong += tables.mistakes or validity.action_mistakes(actions, speech, place)
    return actions
