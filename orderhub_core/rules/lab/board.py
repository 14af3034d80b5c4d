"""What stands between the rule lab's figures and its page: what may be chosen, and what a click means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypedDict

import polars as pl

from orderhub_core.i18n import Named, Said, Translate, by_id, translator
from orderhub_core.rules import gifts
from orderhub_core.rules.check import check, sentence
from orderhub_core.rules.compile import EPOCH, MICROSECOND, field_of
from orderhub_core.rules.dictionary import Kind
from orderhub_core.rules.difference import differences
from orderhub_core.rules.example.finding import MARKED_MOST
from orderhub_core.rules.lab import texts
from orderhub_core.rules.lab.comparing import LOST, ONCE, WON
from orderhub_core.rules.lab.result import Pick, Result
from orderhub_core.rules.lab.sections import Section
from orderhub_core.rules.lab.texts import Words
from orderhub_core.rules.lab.thresholds import Scale, Threshold, number, thresholds, with_threshold
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.printing import print_rule
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.splitting import is_by_place
from orderhub_core.rules.tree import Rulebook

ALL, VERB = Pick(), ONCE[0]
MINUTE_US = 60_000_000
NOTHING, EXAMPLE, FILE = "nothing", "example", "put in"
"""Choices beside versions: a book without rules, one to begin with, and the file that was put in."""
BOOK = {
    "en": """version = "draft-1"

[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou"

[[groups.rules]]
name = "south"
when = "province in (广东, 福建, 湖南)"
then = "assign guangzhou"

[[groups]]
name = "gifts"
match = "all"

[[groups.rules]]
name = "from-299"
when = "total >= 299"
then = "gift FREE-01"
""",
    "zh": """version = "草稿-1"

[[groups]]
name = "分仓"
match = "first"
otherwise = "分仓 hangzhou"

[[groups.rules]]
name = "华南"
when = "省份 属于 (广东, 福建, 湖南)"
then = "分仓 guangzhou"

[[groups]]
name = "赠品"
match = "all"

[[groups.rules]]
name = "满299"
when = "订单金额 >= 299"
then = "赠品 FREE-01"
""",
}
MOST_EXAMPLES = MARKED_MOST // 2
"""As many others can be marked then."""
MOST_TOLD = 10_000
"""Orders of a pick that are shown; all of them are in the download."""


# -- which books


class Options(TypedDict):
    """What may be chosen, by what is shown, and the first choice."""

    options: dict[str, Any]
    value: str | None


def _options(known: dict[str, Any]) -> Options:
    return {"options": known, "value": next(iter(known), None)}


def starts(states: Sequence[tuple[str, str]], tr: Translate, file: str | None = None) -> Options:
    """Versions with their state (see `Lab.states`), and an example. The `file` that was put in is the first choice, or
    else a draft."""
    given = {tr("The file {name}").format(name=file): FILE} if file else {}
    ordered = sorted(states, key=lambda one: list(texts.KEPT_AS).index(one[1]) if one[1] in texts.KEPT_AS else 0)
    return _options({**given, **{_named(*one, tr): one[0] for one in ordered}, tr("An example"): EXAMPLE})


def against(states: Sequence[tuple[str, str]], tr: Translate) -> Options:
    """The book that decides comes first."""
    ordered = sorted(states, key=lambda one: one[1] not in ("active", "file"))
    return _options({**{_named(*one, tr): one[0] for one in ordered}, tr("No rules at all"): NOTHING})


def spans(known: Iterable[int], tr: Translate) -> Options:
    """Periods by their number of days."""
    return _options({tr(texts.SPANS[days]): days for days in known})


def _named(version: str, state: str, tr: Translate) -> str:
    return tr("The settings' rulebook") if state == "file" else f"{version} · {tr(texts.KEPT_AS[state])}"


class Tried(Protocol):
    """A draft beside another book, as `flows.lab` has them."""

    @property
    def draft(self) -> Rulebook: ...
    @property
    def force(self) -> Rulebook: ...
    @property
    def refused(self) -> str: ...
    @property
    def notes(self) -> Sequence[str]: ...


def remarks(against: str | None, start: str | None, file: str | None, tried: Tried, words: Words) -> list[Said]:
    """Which books stand beside each other, by their versions, and what is doubtful of the draft. `against` and `start`:
    what was chosen; `file`: the name of the one that was put in."""
    tr = words.tr
    then = tr("No rules at all") if against == NOTHING else tried.force.version or tr(texts.NONE)
    now = tried.draft.version or tr(texts.NONE)
    if file and start == FILE:
        now = tr("{version} (file {name})").format(version=now, name=file)
    compared = tr("Compared: {before} → {after}").format(before=then, after=now)
    notes: list[Said] = [(compared, "info")]
    if not differences(tried.force, tried.draft, words.language):
        notes.append((tr(texts.SAME), "info"))
    notes += [(told, "info") for told in left_out(tried.force, tried.draft, tr=tr)]
    noted: list[Said] = [(told, "warn") for told in tried.notes]
    return [*notes, *doubts(tried.draft, tried.refused, words), *noted]


def left_out(*books: Rulebook, tr: Translate) -> list[str]:
    """What these books say and the lab does not try."""
    groups = [group for book in books for group in book.parcels]
    rules = [name for one in groups for name in [rule.name for rule in one.rules] or [one.name]]
    told = [tr(texts.OF_PARCELS).format(rules=tr(", ").join(dict.fromkeys(rules)))] if rules else []
    return told + ([tr(texts.BY_PLACE)] if any(map(splits_by_place, books)) else [])


def splits_by_place(book: Rulebook) -> bool:
    """Whether any rule has warehouses or stock decide which parcels an order makes."""
    actions = [one for group in book.groups for rule in group.rules for one in rule.then]
    actions += [one for group in book.groups for one in group.otherwise]
    return any(one.verb == "split" and is_by_place(one.argument) for one in actions)


def limits_gifts(*books: Rulebook) -> bool:
    """Whether any of them gives a gift of which there is only so much."""
    return any(any(gifts.limited(book)) for book in books)


def example(choice: str | None, lang: str) -> str:
    """Its text, if it is chosen."""
    return BOOK["zh" if lang == "zh" else "en"] if choice == EXAMPLE else ""


def words(book: Rulebook, lang: str, names: Named = by_id) -> Words:
    language: Language = "zh" if lang == "zh" else "en"
    return Words(of_book(book), language, translator(language), names)


def doubts(book: Rulebook, refused: str, words: Words) -> list[Said]:
    """What is doubtful of a book without any order, and why the hub could not carry it out."""
    tr = words.tr
    notes: list[Said] = [
        (f"{one.group}, {one.rule}: {sentence(one, words.speech, words.language)}", "warn")
        for one in check(book)
        if one.level == "warning"
    ]
    if refused:
        notes.append((tr("The hub could not carry it out: {reason}").format(reason=refused), "warn"))
    return notes


def changes(before: Rulebook, after: Rulebook, words: Words) -> Sequence[tuple[str, str, str, str, str]]:
    """Rule by rule, for `tables.changes`."""
    return [
        (one.kind, one.group, one.rule, one.before, one.after) for one in differences(before, after, words.language)
    ]


# -- the slider


def movable(book: Rulebook, words: Words) -> Options:
    """Its thresholds."""
    return _options(texts.thresholds(list(thresholds(book)), words))


def slider(scale: Scale | None, one: Threshold | None) -> dict[str, float]:
    """Where it goes from and to. It shows amounts as people write them, a time of day in minutes since midnight, and an
    instant in minutes after the present one."""
    if scale is None or one is None:
        return {"start": 0, "stop": 1, "value": 0}
    origin, unit = _shown(one)
    places = {"start": scale.first, "stop": scale.last, "value": number(one.value)}
    return {**{name: _parts(place - origin, unit) for name, place in places.items()}, "step": _parts(scale.step, unit)}


def _shown(one: Threshold) -> tuple[int, int]:
    """What a slider shows as 0, and as 1 more."""
    field = field_of(one.asked)
    return (number(one.value), MINUTE_US) if field.kind is Kind.INSTANT else (0, 10**field.decimals)


def _parts(amount: int, unit: int) -> float:
    return amount / unit if amount % unit else amount // unit


def moved(
    book: Rulebook, one: Threshold | None, scale: Scale | None, place: float | None, words: Words
) -> tuple[Rulebook, str]:
    """The draft with its threshold where the slider stands, and its rule as it then reads."""
    if one is None or scale is None or place is None:
        return book, ""
    origin, unit = _shown(one)
    at = min(max(origin + round(place * unit), scale.first), scale.last)
    value = EPOCH + MICROSECOND * at if one.kind is Kind.INSTANT else at
    made = book if value == one.value else with_threshold(book, one.rule, one.leaf, one.end, value)
    rule = next(rule for group in made.groups for rule in group.rules if rule.name == one.rule)
    return made, f"{rule.name}: {print_rule(rule, words.speech, words.language)}"


# -- warehouses


def warehouses(found: Result, words: Words) -> Options:
    """Those that either book assigns; who gains most comes first."""
    gains = found.overloads.sort(pl.col("orders_after") - pl.col("orders_before"), descending=True, maintain_order=True)
    return _options({words.argument(VERB, place): place for place in gains["warehouse"]})


def hours(found: Result, warehouse: str) -> tuple[pl.DataFrame, int | None]:
    """LOADS of one, and its limit."""
    rows = found.by_hour.filter(pl.col("warehouse") == warehouse)
    limits = rows["limit"].head(1).to_list()
    return rows, limits[0] if limits else None


# -- what a click means


def as_examples(rows: pl.DataFrame, tr: Translate) -> tuple[str, str, dict[str, list[str]]]:
    """What leads to a rule by these examples, or the first of them, the app, and what is asked of it."""
    numbers = rows.select(pl.concat_str("shop", pl.lit("/"), "order_no")).to_series().head(MOST_EXAMPLES)
    said = tr("Look for a rule that takes those chosen ({n})").format(n=len(numbers))
    return said, "rule_example", {"should": numbers.to_list()}


def of_row(one: Section, row: int) -> Pick:
    """Of a row of a table that stands for orders."""
    return _PICKS[one.kind](one.rows.row(row, named=True))


def of_cell(verb: str, values: Mapping[str, Any]) -> Pick:
    """Of the values of a cell of the chart."""
    return Pick("cell", (verb, str(values.get("before", "")), str(values.get("after", ""))))


def cell(row: Mapping[str, Any], verb: str = VERB) -> Pick:
    """Of a row of MATRIX; those below of the other frames."""
    return Pick("cell", (verb, row["from"], row["to"]))


def difference(row: Mapping[str, Any]) -> Pick:
    """Those that lose it, or where nobody does, those that win it."""
    return Pick("difference", (row["verb"], row["argument"], LOST if row["lost"] else WON))


def rule(row: Mapping[str, Any]) -> Pick:
    return Pick("rule", (row["group"], row["rule"]))


def uncovered(row: Mapping[str, Any]) -> Pick:
    return Pick("uncovered", (row["group"],))


def overlap(row: Mapping[str, Any]) -> Pick:
    return Pick("overlap", (row["group"], row["rule"], row["other_group"], row["other"]))


def cliff(row: Mapping[str, Any]) -> Pick:
    return Pick("cliff", (row["rule"],), (row["leaf"], row["end"]))


_PICKS: Mapping[str, Callable[[Mapping[str, Any]], Pick]] = {
    "cell": cell,
    "difference": difference,
    "rule": rule,
    "uncovered": uncovered,
    "overlap": overlap,
    "cliff": cliff,
}


def named(pick: Pick, words: Words) -> str:
    """Which orders they are."""
    tr, keys = words.tr, pick.keys
    match pick.kind:
        case "cell":
            before, after = (words.argument(keys[0], value) for value in keys[1:])
            return tr("Orders: {before} → {after}").format(before=before, after=after)
        case "difference":
            what = f"{words.verb(keys[0])} {words.argument(*keys[:2])}"
            return (tr("Orders that win {what}") if keys[2] == WON else tr("Orders that lose {what}")).format(what=what)
        case "rule":
            return tr("Orders on which {rule} acts").format(rule=words.rule(keys[1]))
        case "uncovered":
            return tr("Orders for which no rule holds: {group}").format(group=keys[0] or tr("the whole book"))
        case "cliff":
            return tr("Orders near a threshold of {rule}").format(rule=keys[0])
        case "overlap":
            both = {"rule": words.rule(keys[1]), "other": words.rule(keys[3])}
            return tr("Orders for which both {rule} and {other} hold").format(**both)
        case _:
            return tr("All orders that change")
