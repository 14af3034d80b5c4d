"""A rule that is built by choosing, without writing its line: what the form asks, and the draft with the rule in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from types import MappingProxyType
from typing import Any, NamedTuple

from orderhub_core.i18n import Said, translator
from orderhub_core.rules import rulebook
from orderhub_core.rules.actions import VERBS
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.lab import board
from orderhub_core.rules.lab.texts import Words
from orderhub_core.rules.language import validity
from orderhub_core.rules.language.mistakes import Mistake, sentence
from orderhub_core.rules.language.mistakes import told as wrongs
from orderhub_core.rules.language.operators import FITTING, OPERATORS, Spoken
from orderhub_core.rules.language.operators import told as fitting
from orderhub_core.rules.language.parsing import parse_actions
from orderhub_core.rules.language.printing import name_of, print_rule
from orderhub_core.rules.language.values import Misread, read
from orderhub_core.rules.tree import Action, Condition, Either, Every, Group, Leaf, Op, Rule, Rulebook

CONDITIONS = 3
"""That the form has room for; more are written."""
NEW = {
    "new first": "A new group: the first that holds acts",
    "new all": "A new group: each that holds acts",
    "new parcels": "A new group on parcels: each that holds acts",
}
JOINED = {"every": "All of them", "either": "Any of them"}
NEW_GROUP = Spoken(("more",), ("新增",))
TITLE = "Add a rule without writing it"
ADD = "Add it to the draft"
HELP = (
    "It comes last in its group, where those before it are asked first. Several values: with commas between. Below, the"
    " draft is tried with it at once; nothing decides by it until it is published."
)
ANEW = "The draft had to be written anew for it, without its comments: it is in one language now."
UNREAD = "Mend the draft's text first: {mistakes}"
_ENDS = re.compile(r"\s*(?:~|～|至|到|,|，|\bto\b)\s*")
_QUOTED = re.compile(r'["“](?P<quoted>[^"”]*)["”]')
_LISTED = re.compile(rf"{_QUOTED.pattern}|(?P<bare>[^,，、;；\s][^,，、;；]*)")


class Asked(NamedTuple):
    """One field of the form: its label, and what may be chosen by what is shown; empty: a text."""

    label: str
    options: Mapping[str, str] = MappingProxyType({})
    value: str | None = None
    """What is chosen at first, as it is shown."""


Key = tuple[str | None, object]
"""What a draft began with: the choice, and what the file holds that was put in, if that is it."""


class Built(NamedTuple):
    """A draft with a rule that was built."""

    key: Key
    text: str
    said: Said


def given(built: Built | None, key: Key) -> tuple[str, str] | None:
    """The draft's text, and no trouble with it, if the form has made it of what began like this."""
    return (built.text, "") if built is not None and built.key == key else None


class Form(NamedTuple):
    """Over a draft as it stands now."""

    key: Key
    text: str
    lang: str

    @property
    def asked(self) -> dict[str, Asked]:
        return asks(self.text, self.lang)

    @property
    def add(self) -> str:
        """What its button says."""
        return translator(self.lang)(ADD)

    def build(self, answer: Mapping[str, Any]) -> Built:
        """Where `lacks` finds nothing wrong."""
        return Built(self.key, *added(self.text, answer, self.lang))

    def lacks(self, answer: Mapping[str, Any]) -> str:
        """What is wrong with an answer; empty where nothing is."""
        _, (said, tone) = added(self.text, answer, self.lang)
        return said if tone == "bad" else ""

    def told(self, built: Built | None) -> list[Said]:
        """What was added last to what began like this."""
        return [built.said] if built is not None and (built.key, built.text) == (self.key, self.text) else []


def asks(text: str, lang: str) -> dict[str, Asked]:
    """Of a draft's text: by name, in the order in which they stand."""
    words = board.words(rulebook.read(text).book, lang)
    tr, language = words.tr, words.language
    fields = {name_of(field, words.speech, language): field.name for field in FIELDS.values()}
    operators = {said.printed(language): op.value for op, said in OPERATORS.items()}
    joined = {tr(said): how for how, said in JOINED.items()}
    place, deed = _places(text, lang), _deeds(lang)
    asked = place | {"joined": Asked(tr("Which conditions must hold"), joined, next(iter(joined)))}
    for number in range(1, CONDITIONS + 1):
        asked |= {
            f"field{number}": Asked(tr("Condition {n}: what").format(n=number), fields),
            f"op{number}": Asked(tr("Condition {n}: how").format(n=number), operators),
            f"value{number}": Asked(tr("Condition {n}: value").format(n=number)),
        }
    return asked | deed


def asks_deed(text: str, lang: str) -> dict[str, Asked]:
    """`asks` of a rule whose condition is known."""
    return _places(text, lang) | _deeds(lang)


def _places(text: str, lang: str) -> dict[str, Asked]:
    tr = translator(lang)
    groups = {group.name: group.name for group in rulebook.read(text).book.every_group}
    groups |= {tr(said): new for new, said in NEW.items()}
    return {"group": Asked(tr("Group"), groups, next(iter(groups))), "name": Asked(tr("The rule's name"))}


def _deeds(lang: str) -> dict[str, Asked]:
    tr = translator(lang)
    verbs = {verb.zh if lang == "zh" else verb.en: verb.name for verb in VERBS.values()}
    return {"verb": Asked(tr("What is done"), verbs), "argument": Asked(tr("Which, how much (e.g. FREE-01 × 2)"))}


def added(text: str, answer: Mapping[str, Any], lang: str) -> tuple[str, Said]:
    """The text of the draft with the rule in it, and what the rule says; or as it was, and what is wrong."""
    words = board.words(rulebook.read(text).book, lang)
    when = _when(answer, words)
    wrong = [one for one in when if isinstance(one, str)]
    leaves = tuple(one for one in when if not isinstance(one, str))
    condition: Condition = Either(leaves) if answer["joined"] == "either" else Every(leaves)
    return with_condition(text, answer, validity.tidy(condition), lang, wrong)


def with_condition(
    text: str, answer: Mapping[str, Any], condition: Condition, lang: str, wrong: Sequence[str] = ()
) -> tuple[str, Said]:
    """`added`, of a condition that is known, and what is `wrong` with it."""
    book, mistakes = rulebook.read(text)
    words = board.words(book, lang)
    if mistakes:
        return text, (words.tr(UNREAD).format(mistakes=wrongs(mistakes, words.tr)), "bad")
    group = _group(answer, book, words)
    then = _then(answer, words)
    wrong = [*wrong, *(one for one in then if isinstance(one, str))]
    if wrong:
        return text, ("\n\n".join(wrong), "bad")
    name = (answer["name"] or "").strip() or _free(group, words)
    if any(rule.name == name for rule in group.rules):
        told = words.tr("The group {group} has a rule {rule} already.").format(group=group.name, rule=name)
        return text, (told, "bad")
    rule = Rule(name, condition, tuple(one for one in then if not isinstance(one, str)))
    parcels = group in book.parcels or answer["group"] == "new parcels"
    longer, anew = rulebook.with_rule(text, book, group, rule, words.language, parcels=parcels)
    if mistakes := rulebook.read(longer).mistakes:  # of its name
        return text, (wrongs(mistakes, words.tr), "bad")
    line = print_rule(rule, words.speech, words.language)
    said = words.tr("Added to {group}: {rule}").format(group=group.name, rule=line)
    return longer, (f"{said}\n\n{words.tr(ANEW)}", "warn") if anew else (said, "good")


def _group(answer: Mapping[str, Any], book: Rulebook, words: Words) -> Group:
    """As the draft has it, or a new one."""
    known = {group.name: group for group in book.every_group}
    chosen = str(answer["group"] or "")
    if chosen in known:
        return known[chosen]
    base = NEW_GROUP.printed(words.language)
    name = next(name for name in _numbered(base) if name not in known)
    return Group(name, "first" if chosen == "new first" else "all")


def _free(group: Group, words: Words) -> str:
    taken = {rule.name for rule in group.rules}
    return next(name for name in _numbered(words.tr("rule")) if name not in taken)


def _numbered(base: str) -> Iterator[str]:
    return (f"{base}-{number}" for number in count(1))


def _when(answer: Mapping[str, Any], words: Words) -> list[Leaf | str]:
    """The conditions that are chosen; for one that cannot be what is wrong with it."""
    found: list[Leaf | str] = []
    for number in range(1, CONDITIONS + 1):
        field, op, value = (answer[f"{part}{number}"] for part in ("field", "op", "value"))
        if field:
            found.append(_leaf(number, field, op, (value or "").strip(), words))
    return found or [words.tr("Choose what the rule asks, in the first condition.")]


def _leaf(number: int, name: str, op: str | None, value: str, words: Words) -> Leaf | str:
    field, tr = FIELDS[name], words.tr
    called = name_of(field, words.speech, words.language)
    place = tr("Condition {n}, {field}: ").format(n=number, field=called)
    if op is None or Op(op) not in FITTING[field.kind]:
        return place + tr("it can be asked: {operators}").format(operators=fitting(field.kind, words.language))
    asked = Op(op)
    if asked in (Op.IS_KNOWN, Op.IS_MISSING):
        return Leaf(name, asked)
    if not value:
        return place + tr("write its value")
    try:
        parts = enumerate(_parts(value, asked))
        values = [read(part, field, words.speech, quoted=quoted, last=n > 0) for n, (part, quoted) in parts]
        leaf = Leaf(name, asked, tuple(values))
        wrong = validity.mistakes(leaf, words.speech)
    except Misread as misread:
        wrong = [Mistake(misread.code, misread.blanks, suggestion=misread.suggestion)]
    return place + "; ".join(sentence(one, tr) for one in wrong) if wrong else leaf


def _parts(value: str, asked: Op) -> Iterator[tuple[str, bool]]:
    """What is asked for, one by one, and whether it stands in quotation marks, in which all stands for itself."""
    if asked is Op.WITHIN:
        yield from ((end, False) for end in _ENDS.split(value) if end)
    elif asked in (Op.AMONG, Op.NOT_AMONG):
        for found in _LISTED.finditer(value):
            yield (found["quoted"], True) if found["bare"] is None else (found["bare"].strip(), False)
    else:
        whole = _QUOTED.fullmatch(value)
        yield (whole["quoted"], True) if whole else (value, False)


def _then(answer: Mapping[str, Any], words: Words) -> list[Action | str]:
    if not answer["verb"]:
        return [words.tr("Choose what is to be done.")]
    verb = VERBS[answer["verb"]]
    line = f"{verb.zh if words.language == 'zh' else verb.en} {(answer['argument'] or '').strip()}"
    parsed = parse_actions(line, words.speech)
    return [wrongs(parsed.mistakes, words.tr)] if parsed.mistakes else list(parsed.then)
