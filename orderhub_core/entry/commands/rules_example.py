"""`orderhub rules example`: from orders of a file that a rule should take, and others that it should not, to a rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from orderhub_core.entry.commands.rules_eval import Lines, Orders, Signals, without_lines
from orderhub_core.entry.options import AsJson, InLanguage, Lang, tell
from orderhub_core.errors import UserMistake
from orderhub_core.rules import buyers, exports, needs, rulebook
from orderhub_core.rules.example import Called, Candidate, Findings, Overlap, by_example
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab import board
from orderhub_core.rules.lab.examples import OVERLAPS, Bench, alike, line
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import read_text

NONE_SEPARATES = 1
"""Exit code: no rule tells the marked orders apart."""
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
    called = Called(exported.orders, str(orders), shop)
    marks = _marks(called, wanted, _split(should_not))
    history = Index(exported.orders, exported.lines, zone=book.zone, reports=exported.reports)
    found = by_example(history, *marks, book=book, best=best)
    told = Bench(called, board.words(book, lang.value))
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


def document(
    found: Findings, exported: exports.Exported, marks: tuple[Sequence[int], Sequence[int]], told: Bench
) -> dict[str, Any]:
    """As JSON."""

    def candidate(each: Candidate) -> dict[str, Any]:
        return {
            "line": line(each, told.words),
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


def sentences(found: Findings, exported: exports.Exported, told: Bench) -> Iterator[str]:
    """For people: candidate by candidate, the best first; then what stands in the way of a better one."""
    tr = told.words.tr
    for number, candidate in enumerate(found.candidates, 1):
        yield f"{number}. {line(candidate, told.words)}"
        yield from (f"   {part}" for part in _of(candidate, exported.orders.height, told))
    if not found.candidates:
        yield tr("no rule: nothing is known of the orders that it should take")
    elif not any(candidate.separates for candidate in found.candidates):
        yield tr("none of these rules tells the marked orders apart")
    yield from (alike(pair, told) for pair in found.alike)
    yield from without_lines(exported, tr)
    if exported.stray_lines:
        yield tr("! {lines} lines belong to none of these orders and were left out").format(lines=exported.stray_lines)


def _of(candidate: Candidate, orders: int, told: Bench) -> Iterator[str]:
    tr = told.words.tr
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


def _names(ids: Sequence[int], told: Bench) -> str:
    return told.words.tr(", ").join(told.called.names(ids))


def _overlap(overlap: Overlap, told: Bench) -> str:
    text = told.words.tr("overlaps with {group} / {rule}: {both} of its {orders} orders")
    return text.format(group=overlap.group, rule=overlap.rule, both=overlap.both, orders=overlap.orders)
