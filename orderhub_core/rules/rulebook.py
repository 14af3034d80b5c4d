"""The rulebook: a TOML file that business people own.

    version = "2026-11-22"
    zone = "Asia/Shanghai"                # in which days and times of day are meant

    [words.warehouse]                     # the business's own words for values
    "杭州仓" = "hangzhou"

    [[groups]]
    name = "routing"
    match = "first"                       # the first rule that holds acts; "all": each that holds does
    otherwise = "分仓 杭州仓"

    [[groups.rules]]
    name = "douyin-onesies"
    when = "渠道 = 抖音 且 品类 = 连体衣"   # or the tree as tables, as forms write it
    then = "分仓 杭州仓"
    note = "why the rule is there"

    [[parcels]]                           # groups that are asked of each parcel, see `of_parcels`
    name = "carriers"
    match = "first"

    [[parcels.rules]]
    name = "hangzhou-by-sf"
    when = "发货仓 = 杭州仓"
    then = "快递 顺丰"

A book is never loaded in part: all that is wrong with it is told at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from orderhub_core.errors import Mistaken, Term
from orderhub_core.i18n import Translate
from orderhub_core.rules.booktables import book_of
from orderhub_core.rules.language.mistakes import Mistake, told
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.printing import print_actions, print_condition
from orderhub_core.rules.language.vocabulary import Vocabulary, of_book
from orderhub_core.rules.tree import Group, Rule, Rulebook
from orderhub_core.settings import parsed, read_text

_VERSION = re.compile(r"""^[ \t]*["']?version["']?[ \t]*=[ \t]*("[^"\n]*"|'[^'\n]*')""", re.MULTILINE)


class Draft(NamedTuple):
    """What a file says. With mistakes the book holds what could be read, and is only to be shown."""

    book: Rulebook
    mistakes: tuple[Mistake, ...]


def load(path: Path) -> Rulebook:
    """Raises UserMistake that tells all that is wrong with it."""
    return usable(read_text(path, "rulebook"), path)


def usable(text: str, name: Path | str) -> Rulebook:
    """A rulebook from the text of its file, which is called `name`. Raises UserMistake as `load`."""
    book, mistakes = read(text)
    if mistakes:
        raise Mistaken(lambda tr: refusal(name, mistakes, tr))
    return book


def refusal(name: Path | str, mistakes: Sequence[Mistake], tr: Translate) -> str:
    """All that is wrong with a file, for people: how much, and then each mistake."""
    count = tr("one mistake") if len(mistakes) == 1 else tr("{n} mistakes").format(n=len(mistakes))
    path = tr(name) if isinstance(name, Term) else name
    heading = tr("rulebook {path}: {count}").format(path=path, count=count)
    return f"{heading}\n{told(mistakes, tr)}"


def read(text: str) -> Draft:
    """A rulebook from the text of its file."""
    try:
        tables = parsed(text)
    except ValueError as error:
        return Draft(Rulebook(), (Mistake("not_toml", (("reason", str(error)),)),))
    return Draft(*book_of(tables))


def dump(book: Rulebook, language: Language = "en") -> str:
    """The text of a file that loads as the same book."""
    speech = of_book(book)
    parts = [f"version = {_text(book.version)}\nzone = {_text(book.zone)}\n"]
    of = dict.fromkeys(word.of for word in book.words)
    for name in of:
        own = "".join(f"{_text(word.word)} = {_text(word.value)}\n" for word in book.words if word.of == name)
        parts.append(f"[words.{name}]\n{own}")
    for group in book.groups:
        parts.append(_group(group, speech, language))
        parts += [_rule(rule, speech, language) for rule in group.rules]
    for group in book.parcels:
        parts.append(_group(group, speech, language, "parcels"))
        parts += [_rule(rule, speech, language, "parcels") for rule in group.rules]
    return "\n".join(parts)


def with_rule(
    text: str, book: Rulebook, group: Group, rule: Rule, language: Language, *, parcels: bool = False
) -> tuple[str, bool]:
    """The text of a book with one rule more, the last of its group, or of a new one, which then comes last (of those
    on `parcels`, or on orders); and whether the book had to be written anew for it, without comments. Else what was
    written stays as it was."""
    wanted, table = _with(book, group, rule, parcels), "parcels" if parcels else "groups"
    speech, new = of_book(book), group.name not in [known.name for known in book.every_group]
    more = (_group(group, speech, language, table) + "\n" if new else "") + _rule(rule, speech, language, table)
    # Before a group or a table of words, or at the end: where the text then says what it should is the place.
    places = [len(text), *(found.start() for found in re.finditer(r"^[ \t]*\[", text, re.MULTILINE))]
    for place in places:
        longer = "\n\n".join(filter(None, (text[:place].rstrip(), more.rstrip(), text[place:].lstrip("\r\n"))))
        if read(longer) == Draft(wanted, ()):
            return longer.rstrip() + "\n", False
    return dump(wanted, language), True


def with_version(text: str, version: str) -> str:
    """The text of a book that can be used, under another version; what was written else stays as it was."""
    wanted = Draft(msgspec.structs.replace(read(text).book, version=version), ())
    told = [text[: one.start(1)] + _text(version) + text[one.end(1) :] for one in _VERSION.finditer(text)]
    return next((one for one in (text, *told, f"version = {_text(version)}\n{text}") if read(one) == wanted),
                dump(wanted.book))  # fmt: skip


def _with(book: Rulebook, group: Group, rule: Rule, parcels: bool) -> Rulebook:
    own = book.parcels if parcels else book.groups
    known = next((one for one in own if one.name == group.name), group)
    longer = msgspec.structs.replace(known, rules=(*known.rules, rule))
    groups = {one.name: one for one in (*own, longer)}
    made = tuple(groups.values())
    return msgspec.structs.replace(book, parcels=made) if parcels else msgspec.structs.replace(book, groups=made)


def _group(group: Group, speech: Vocabulary, language: Language, table: str = "groups") -> str:
    told = f"[[{table}]]\nname = {_text(group.name)}\nmatch = {_text(group.match)}\n"
    if group.otherwise:
        told += f"otherwise = {_text(print_actions(group.otherwise, speech, language))}\n"
    return told


def _rule(rule: Rule, speech: Vocabulary, language: Language, table: str = "groups") -> str:
    told = f"[[{table}.rules]]\nname = {_text(rule.name)}\n"
    told += f"when = {_text(print_condition(rule.when, speech, language))}\n"
    told += f"then = {_text(print_actions(rule.then, speech, language))}\n"
    return told + (f"note = {_text(rule.note)}\n" if rule.note else "")


def _text(text: str) -> str:
    """A TOML string; a literal one where that spares escapes."""
    if re.search(r'["\\]', text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
