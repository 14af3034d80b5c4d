"""`orderhub rules example`: from orders of a file that a rule should take, and others that it should not, to a rule."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import polars as pl
import typer

from orderhub_core.entry.commands.rules_eval import Lines, Orders, Signals, without_lines
from orderhub_core.entry.options import AsJson, InLanguage, Lang, tell
from orderhub_core.errors import UserMistake
from orderhub_core.i18n import translator
from orderhub_core.rules import buyers, exports, needs, rulebook
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.example import Alike, Candidate, Findings, Overlap, by_example
from orderhub_core.rules.index import Index
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.printing import print_condition
from orderhub_core.rules.language.vocabulary import Vocabulary, of_book
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import read_text

NONE_SEPARATES = 1
"""Exit code: no rule tells the marked orders apart."""
OVERLAPS = 5
"""Rules of the book that people are told of; `--json` has all of them."""

NUMBERS = "NO,NO,..."


def example(
    orders: Orders,
    should: Annotated[
        str, typer.Option(metavar=NUMBERS, help="Orders that the rule should take, by number; or SHOP/NO.")
    ] = "",
    should_not: Annotated[str, typer.Option(metavar=NUMBERS, help="Orders that it should not take.")] = "",
    should_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="More that it should take: a text file, one number a line.")
    ] = None,
    lines: Lines = None,
    signals: Signals = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="FILE", help="A rulebook: its words, and what overlaps with it.")
    ] = None,
    best: Annotated[int, typer.Option(metavar="N", help="Candidates at most.")] = 3,
    shop: Annotated[str, typer.Option(help="Their shop, where several have such orders.")] = "",
    lang: InLanguage = Lang.EN,
    as_json: AsJson = False,
) -> None:
    """The shortest rules that take some orders of a file and not others, what each gets wrong, and which orders to
    mark next.

    Exit code 1 where no rule tells them apart.
    """
    if best < 1:
        raise UserMistake("--best {best}: ask for one candidate at least", best=best)
    book = rulebook.load(rules) if rules else Rulebook()
    wanted = [*_split(should), *(_split(read_text(should_file, "--should-file")) if should_file else [])]
    read = exports.read(book, orders, lines, signals)
    exported = read._replace(orders=buyers.informed(read.orders))
    needs.check_all(exported.orders.schema, exported.lines.schema)
    called = Called(exported.orders, orders, shop)
    marks = _marks(called, wanted, _split(should_not))
    history = Index(exported.orders, exported.lines, zone=book.zone, reports=exported.reports)
    found = by_example(history, *marks, book=book, best=best)
    told = Told(called, of_book(book), lang.value)
    tell(
        document(found, exported, marks, told),
        "\n".join(sentences(found, exported, told)),
        as_json=as_json,
    )
    if not any(candidate.separates for candidate in found.candidates):
        raise typer.Exit(NONE_SEPARATES)


def _split(text: str) -> list[str]:
    """The numbers in a text, each once."""
    return list(dict.fromkeys(number for each in re.split(r"[,，、\r\n]", text) if (number := each.strip())))


class Called:
    """The orders of a file by what people call them: their number, or SHOP/NO where several shops have it."""

    def __init__(self, orders: pl.DataFrame, path: Path, shop: str) -> None:
        if shop and "shop" not in orders:
            raise UserMistake("--shop {shop}: {path} has no column 'shop'", shop=shop, path=path)
        own = pl.col("shop").cast(pl.String).fill_null("") if "shop" in orders else pl.lit("")
        self._orders = orders.select("order_id", "order_no", shop=own)
        self._orders = self._orders.with_columns(full=pl.concat_str("shop", pl.lit("/"), "order_no"))
        shared = pl.col("order_no").is_duplicated()
        self._orders = self._orders.with_columns(name=pl.when(shared).then("full").otherwise("order_no"))
        self._path, self._shop = path, shop

    def ids(self, numbers: Sequence[str]) -> list[int]:
        """Their order_id. Raises UserMistake for what is no order's number, or that of several."""
        asked = self._orders.filter(pl.col("order_no").is_in(numbers) | pl.col("full").is_in(numbers))
        by_number: defaultdict[str, list[int]] = defaultdict(list)
        by_full: dict[str, int] = {}
        for order_id, number, shop, full, _ in asked.iter_rows():
            by_full[full] = order_id
            if self._shop in ("", shop):
                by_number[number].append(order_id)
        found = {number: by_number.get(number) or [by_full[number]] for number in numbers
                 if number in by_number or number in by_full}  # fmt: skip
        if absent := [number for number in numbers if number not in found]:
            more = f" and {len(absent) - exports.NAMED} more" if len(absent) > exports.NAMED else ""
            where = f"{self._path}{f' of the shop {self._shop}' if self._shop else ''}"
            raise UserMistake(
                "there is no order {absent}{more} in {where}",
                absent=tuple(absent[: exports.NAMED]),
                more=more,
                where=where,
            )
        if several := next((number for number, own in found.items() if len(own) > 1), None):
            raise UserMistake(
                "{n} shops have an order {several}: name one by --shop, or write SHOP/{several}",
                n=len(found[several]),
                several=several,
            )
        return [own[0] for own in found.values()]

    def names(self, ids: Sequence[int]) -> list[str]:
        """As they can be marked again."""
        return self._orders["name"].gather([each - 1 for each in ids]).to_list()


def _marks(called: Called, should: Sequence[str], should_not: Sequence[str]) -> tuple[list[int], list[int]]:
    if not should:
        raise UserMistake("no order is marked as one that the rule should take: name some by --should or --should-file")
    if not should_not:
        raise UserMistake("no order is marked as one that the rule should not take: name some by --should-not")
    wanted = list(dict.fromkeys(called.ids(should)))
    others = list(dict.fromkeys(called.ids(should_not)))
    if both := set(wanted) & set(others):
        name = called.names([min(both)])[0]
        raise UserMistake("order {name} is marked both ways: the rule either takes it or not", name=name)
    return wanted, others


class Told(NamedTuple):
    """What it takes to tell findings: the names of orders, the words of the business, the language."""

    called: Called
    speech: Vocabulary
    language: Language


def document(
    found: Findings, exported: exports.Exported, marks: tuple[Sequence[int], Sequence[int]], told: Told
) -> dict[str, Any]:
    """As JSON."""

    def candidate(each: Candidate) -> dict[str, Any]:
        return {
            "line": print_condition(each.condition, told.speech, told.language),
            "bits": round(each.length, 1),
            "separates": each.separates,
            "missed": told.called.names(each.missed),
            "wrongly": told.called.names(each.wrongly),
            "taken": each.taken,
            "counter_examples": each.counter_examples,
            "nearest": told.called.names(each.nearest),
            "undecided": told.called.names(each.undecided),
            "overlaps": [overlap._asdict() for overlap in each.overlaps],
        }

    return {
        "orders": exported.orders.height,
        "stray_lines": exported.stray_lines,
        "rules_without_lines": exported.blind,
        "should": told.called.names(marks[0]),
        "should_not": told.called.names(marks[1]),
        "separates": any(each.separates for each in found.candidates),
        "candidates": [candidate(each) for each in found.candidates],
        "alike": [
            {
                "should": told.called.names([pair.should])[0],
                "should_not": told.called.names([pair.should_not])[0],
                "differ_in": pair.differ_in,
            }
            for pair in found.alike
        ],
    }


def sentences(found: Findings, exported: exports.Exported, told: Told) -> Iterator[str]:
    """For people: candidate by candidate, the best first; then what stands in the way of a better one."""
    tr = translator(told.language)
    for number, candidate in enumerate(found.candidates, 1):
        yield f"{number}. {print_condition(candidate.condition, told.speech, told.language)}"
        yield from (f"   {line}" for line in _of(candidate, exported.orders.height, told))
    if not found.candidates:
        yield tr("no rule: nothing is known of the orders that it should take")
    elif not any(candidate.separates for candidate in found.candidates):
        yield tr("none of these rules tells the marked orders apart")
    yield from (_alike(pair, told) for pair in found.alike)
    yield from without_lines(exported, tr)
    if exported.stray_lines:
        yield tr("! {lines} lines belong to none of these orders and were left out").format(lines=exported.stray_lines)


def _of(candidate: Candidate, orders: int, told: Told) -> Iterator[str]:
    tr = translator(told.language)
    yield tr("takes {taken} of {orders} orders").format(taken=candidate.taken, orders=orders)
    if candidate.separates:
        yield tr("all marked orders are right")
    if candidate.missed:
        yield tr("should take, and does not: {names}").format(names=_names(candidate.missed, told))
    if candidate.wrongly:
        yield tr("takes, and should not: {names}").format(names=_names(candidate.wrongly, told))
    if candidate.counter_examples:
        yield tr("also takes {count} unmarked orders; most like those that it should not take: {names}").format(
            count=candidate.counter_examples, names=_names(candidate.nearest, told)
        )
    else:
        yield tr("takes no unmarked order")
    if candidate.undecided:
        yield tr("worth marking next, as the first rule says otherwise of them: {names}").format(
            names=_names(candidate.undecided, told)
        )
    yield from (_overlap(overlap, told) for overlap in candidate.overlaps[:OVERLAPS])
    if more := len(candidate.overlaps[OVERLAPS:]):
        yield tr("… and with {rules} more rules").format(rules=more)


def _names(ids: Sequence[int], told: Told) -> str:
    return translator(told.language)(", ").join(told.called.names(ids))


def _overlap(overlap: Overlap, told: Told) -> str:
    text = translator(told.language)("overlaps with {group} / {rule}: {both} of its {orders} orders")
    return text.format(group=overlap.group, rule=overlap.rule, both=overlap.both, orders=overlap.orders)


def _alike(pair: Alike, told: Told) -> str:
    tr = translator(told.language)
    should, should_not = told.called.names([pair.should, pair.should_not])
    if not pair.differ_in:
        return tr(
            "! {should} and {should_not} are marked differently, and nothing that is known tells them apart"
        ).format(should=should, should_not=should_not)
    names = tr(", ").join(FIELDS[name].zh if told.language == "zh" else name for name in pair.differ_in)
    return tr("{should} and {should_not} are marked differently and much alike; they differ in: {fields}").format(
        should=should, should_not=should_not, fields=names
    )
