"""Rule by example as its page tells it: which orders are marked, what each rule gets wrong, and what to mark next."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Protocol

import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.i18n import Said, Translate, translator
from orderhub_core.rules import rulebook
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.example import Alike, Called, Candidate, Findings
from orderhub_core.rules.lab import board, forming, texts
from orderhub_core.rules.lab import example_texts as say
from orderhub_core.rules.lab.texts import Words
from orderhub_core.rules.language.mistakes import told
from orderhub_core.rules.language.parsing import parse_condition
from orderhub_core.rules.language.printing import print_condition
from orderhub_core.rules.tree import Condition, Rulebook

LISTED = 2_000
"""Orders that are listed to be marked, the newest; others are found by a condition or by their numbers."""
OVERLAPS = 5
"""Rules of the book, the most overlapping, that a row tells."""
_BETWEEN = re.compile(r"[\s,，、;；]+")

Marks = Mapping[int, bool]
"""Orders (their order_id), and whether the rule should take them."""


class Bench(NamedTuple):
    """Orders to be marked, by what people call them."""

    called: Called
    words: Words

    @classmethod
    def of(cls, orders: pl.DataFrame, words: Words) -> Bench:
        return cls(Called(orders, words.tr("this period")), words)

    def marked(self, marks: Marks, answer: Mapping[str, Any]) -> dict[int, bool]:
        """With what the form says: `rows`, those chosen of a table that begins with their names, `numbers` and
        `do`."""
        ids = self._ids(answer["rows"].to_series(0).to_list(), answer.get("numbers"))
        rest = {number: should for number, should in marks.items() if number not in ids}
        return rest if answer["do"] == "forget" else {**rest, **dict.fromkeys(ids, answer["do"] == "yes")}

    def marking(self, answer: Mapping[str, Any]) -> Callable[[Marks], dict[int, bool]]:
        """What an answer of the form does to marks."""
        return lambda marks: self.marked(marks, answer)

    def lacks(self, answer: Mapping[str, Any]) -> str:
        """What is missing or wrong of an answer as the browser sends it; empty where nothing is."""
        try:
            named = self._ids([], answer.get("numbers"))
        except UserMistake as mistake:
            return mistake.told(self.words.tr)
        return "" if named or len(answer["rows"]) else self.words.tr("Choose orders, or write their numbers.")

    def _ids(self, names: Sequence[str], numbers: str | None) -> list[int]:
        return self.called.ids([*names, *filter(None, _BETWEEN.split(numbers or ""))])

    def listed(self, orders: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
        """Of ORDERS what people tell them by."""
        tr, zone = self.words.tr, self.words.speech.zone
        sold = lines.filter(pl.col("order_id").is_in(orders["order_id"].implode()), pl.col("gift_of").is_null())
        piece = pl.format("{} × {}", pl.coalesce("sku", "name"), "quantity")
        goods = sold.group_by("order_id").agg(goods=piece.sort_by("line_no").head(4).str.join(", "))
        told = orders.join(goods, on="order_id", how="left", maintain_order="left")
        return told.select(
            pl.Series(tr("Order"), self.called.names(orders["order_id"].to_list()), pl.String),
            (pl.col("total_minor") / 100).alias(tr("Amount")),
            pl.col("province").alias(tr("Province")),
            pl.col("goods").fill_null("").alias(tr("Goods")),
            pl.col("city").alias(tr("City")),
            pl.col("paid_at").dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M").alias(tr("Paid or accepted")),
            self.words.shops(told["shop"]).alias(tr("Shop")),
            self.words.channels(told["platform"]).alias(tr("Channel")),
        )


def acts(tr: Translate) -> dict[str, str]:
    """What orders may be marked as: its name by the words for it."""
    return {tr(said): act for act, said in say.ACTS.items()}


def counted(orders: int, tr: Translate) -> str:
    """How many there are to mark, and how many of them are listed."""
    if orders > LISTED:
        return tr(say.FIRST).format(n=f"{orders:,}", most=f"{LISTED:,}")
    return tr(say.FOUND).format(n=f"{orders:,}")


def given(orders: pl.DataFrame, numbers: Sequence[str]) -> dict[int, bool]:
    """Orders that are wanted by their numbers, where each is one order's."""
    known: dict[int, bool] = {}
    if not numbers:
        return known
    called = Called(orders, "")
    for number in numbers:
        with suppress(UserMistake):
            known |= dict.fromkeys(called.ids([number]), True)
    return known


def only(ground: Ground, text: str, words: Words) -> tuple[pl.DataFrame, str]:
    """The orders for which a condition holds, the newest first; or all of them, and what is wrong with it."""
    newest = partial(pl.DataFrame.sort, by=["paid_at", "order_id"], descending=True)
    if not text.strip():
        return newest(ground.orders), ""
    parsed = parse_condition(text, words.speech)
    if parsed.mistakes:
        return newest(ground.orders), told(parsed.mistakes, words.tr)
    try:
        return newest(ground.held(parsed.when, words.speech.zone)), ""
    except UserMistake as mistake:
        return newest(ground.orders), mistake.told(words.tr)


class Found(NamedTuple):
    """What was found, and what stood in the way."""

    findings: Findings
    notes: tuple[Said, ...] = ()
    orders: int = 0
    """Of the history."""

    def chosen(self, condition: Condition | None) -> Candidate | None:
        """The candidate that says so; the best where none does."""
        known = self.findings.candidates
        return next((one for one in known if one.condition == condition), known[0] if known else None)


class Ground(Protocol):
    """Past orders, as `flows.ground` has them."""

    orders: pl.DataFrame
    lines: pl.DataFrame

    def held(self, condition: Condition, zone: str) -> pl.DataFrame: ...
    def example(
        self, should: Sequence[int], should_not: Sequence[int], book: Rulebook
    ) -> tuple[Findings, UserMistake | None]: ...  # fmt: skip


def found(ground: Ground, marks: Marks, book: Rulebook, words: Words) -> Found:
    """What the marked orders say; of too few, nothing, and what lacks."""
    tr, there = words.tr, set(ground.orders["order_id"].filter(ground.orders["order_id"].is_in(list(marks))))
    should, should_not = ([one for one in marks if one in there and marks[one] is wanted] for wanted in (True, False))
    notes: list[Said] = []
    if gone := len(marks) - len(there):
        notes.append((tr(say.ELSEWHERE).format(n=gone), "warn"))
    if not should or not should_not:
        notes.append((tr(say.NOT_YET).format(should=len(should), should_not=len(should_not)), "info"))
        return Found(Findings((), ()), tuple(notes))
    try:
        findings, blind = ground.example(should, should_not, book)
    except UserMistake as mistake:
        return Found(Findings((), ()), (*notes, (mistake.told(tr), "bad")))
    if blind:
        notes.append((tr(say.BLIND).format(reason=blind.told(tr)), "warn"))
    if not findings.candidates:
        notes.append((tr(say.NO_RULE), "warn"))
    elif not any(one.separates for one in findings.candidates):
        notes.append((tr(say.NONE_SEPARATES), "warn"))
    return Found(findings, tuple(notes), ground.orders.height)


def candidates(found: Found, words: Words) -> pl.DataFrame:
    """One row each, the best first."""
    tr = words.tr
    rows = [
        (line(one, words), len(one.missed) + len(one.wrongly), one.taken,
         one.counter_examples, _overlaps(one, tr))
        for one in found.findings.candidates
    ]  # fmt: skip
    schema = {
        tr("Rule"): pl.String,
        tr("Marked orders that it gets wrong"): pl.Int64,
        tr("Orders that it takes, of {n}").format(n=f"{found.orders:,}"): pl.Int64,
        tr("Of them not marked"): pl.Int64,
        tr("Overlaps with (orders)"): pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _overlaps(one: Candidate, tr: Translate) -> str:
    told = [f"{over.group} / {over.rule} ({over.both:,})" for over in one.overlaps[:OVERLAPS]]
    more = len(one.overlaps) - len(told)
    return tr(", ").join([*told, tr("and {n} more").format(n=more)] if more else told)


def worth_a_look(one: Candidate, found: Found) -> dict[int, str]:
    """Orders, and which of say.REASONS. Beside the first candidate, orders of which others say otherwise."""
    known = found.findings.candidates
    undecided = [number for other in known for number in other.undecided] if one == known[0] else one.undecided
    looked = {"missed": one.missed, "wrongly": one.wrongly, "undecided": undecided, "nearest": one.nearest}
    return {number: why for why in reversed(say.REASONS) for number in looked[why]}


def line(one: Candidate, words: Words) -> str:
    return print_condition(one.condition, words.speech, words.language)


def look(one: Candidate, found: Found, ground: Ground, bench: Bench) -> pl.DataFrame:
    """`Bench.listed` of those worth a look, with the reason."""
    tr, why = bench.words.tr, worth_a_look(one, found)
    orders, lines = ground.orders, ground.lines
    shown = orders.filter(pl.col("order_id").is_in(list(why)))
    told = pl.Series(tr("Why"), [tr(say.REASONS[why[number]]) for number in shown["order_id"]], pl.String)
    listed = bench.listed(shown, lines)
    return listed.insert_column(1, told)


def marks_table(marks: Marks, orders: pl.DataFrame, lines: pl.DataFrame, bench: Bench) -> pl.DataFrame:
    """`Bench.listed` of the marked orders, with what they are marked as."""
    shown, tr = orders.filter(pl.col("order_id").is_in(list(marks))), bench.words.tr
    told = [tr("Should be taken") if marks[number] else tr("Should not") for number in shown["order_id"]]
    return bench.listed(shown, lines).insert_column(1, pl.Series(tr("Marked as"), told, pl.String))


def notes(found: Found, bench: Bench) -> list[Said]:
    """What stands in the way of a rule, or of a better one."""
    return [*found.notes, *((alike(pair, bench), "warn") for pair in found.findings.alike)]


def alike(pair: Alike, bench: Bench) -> str:
    """What marks of two orders stand in the way, in words."""
    tr, (should, should_not) = bench.words.tr, bench.called.names([pair.should, pair.should_not])
    if not pair.differ_in:
        text = tr("! {should} and {should_not} are marked differently, and nothing that is known tells them apart")
        return text.format(should=should, should_not=should_not)
    zh = bench.words.language == "zh"
    names = tr(", ").join(FIELDS[name].zh if zh else name for name in pair.differ_in)
    text = tr("{should} and {should_not} are marked differently and much alike; they differ in: {fields}")
    return text.format(should=should, should_not=should_not, fields=names)


Region = tuple[pl.DataFrame, pl.DataFrame]
"""The orders of a picture, and those of its data that were brushed."""


def brushed(orders: pl.DataFrame, region: Region | None) -> pl.DataFrame:
    """Those of a region of their picture, where one is chosen."""
    if region is None or region[0] is not orders or region[1].is_empty():
        return orders
    return orders.filter(pl.col("order_id").is_in(region[1]["order_id"].implode()))


# -- a draft of it


class Kept(Protocol):
    @property
    def version(self) -> str: ...


class Lab(Protocol):
    """`flows.lab`'s."""

    @property
    def writable(self) -> bool: ...
    def kept(self) -> Sequence[Kept]: ...
    def refused(self, version: str, by: str, tr: Translate) -> str: ...
    def keep(self, asked: Mapping[str, Any], text: str, book: Rulebook, tr: Translate) -> Said: ...


class Made(NamedTuple):
    """A draft, and what came of it."""

    begun: str = ""
    """What it began with, or where it is saved, its own version."""
    text: str = ""
    notes: Sequence[Said] = ()


class Make(NamedTuple):
    """A draft of a version (`text`) with one rule more, of a condition that was found."""

    lab: Lab
    begun: str
    text: str
    condition: Condition
    lang: str

    def lacks(self, answer: Mapping[str, Any]) -> str:
        """What is wrong with an answer; empty where nothing is."""
        _, (told, tone) = forming.with_condition(self.text, answer, self.condition, self.lang)
        if tone == "bad":
            return told
        if not self.lab.writable:
            return ""
        version, tr, by = self._version(answer), translator(self.lang), (answer["by"] or "").strip()
        if not by:
            return tr(say.WHO)
        if version != self.begun and version in [one.version for one in self.lab.kept()]:
            return tr(say.TAKEN).format(version=version)
        return self.lab.refused(version, by, tr)

    def _version(self, answer: Mapping[str, Any]) -> str:
        """The draft's own where none is asked for."""
        return (answer["version"] or "").strip() or rulebook.read(self.text).book.version

    def kept(self, answer: Mapping[str, Any]) -> Made:
        """Where `lacks` finds nothing wrong: it is saved where there is a hub to save it in."""
        tr = translator(self.lang)
        longer, told = forming.with_condition(self.text, answer, self.condition, self.lang)
        if not self.lab.writable:
            return Made(self.begun, longer, [told, (tr(say.READ_ONLY), "info")])
        version = self._version(answer)
        named = rulebook.with_version(longer, version)
        came = self.lab.keep({**answer, "do": "save"}, named, rulebook.read(named).book, tr)
        if came[1] == "bad":
            return Made(self.begun, "", [came])
        return Made(version, named, [told, came, (tr(say.TRY), "info")])


def begins(lab_starts: board.Options, made: Made) -> board.Options:
    """What may be chosen to begin with; first of all what was worked on last."""
    last = next((name for name, version in lab_starts["options"].items() if made.begun == version), None)
    return {**lab_starts, "value": last or lab_starts["value"]}


def asks_name(tr: Translate) -> dict[str, forming.Asked]:
    """What is asked of who saves it."""
    return {name: forming.Asked(tr(told)) for name, told in texts.ASKED.items()}
