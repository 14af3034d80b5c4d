"""`orderhub rules eval` and `orderhub rules explain`: what a rulebook says of orders in files; no database needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from orderhub_core.entry.commands import rules_questions
from orderhub_core.entry.options import AsJson, InLanguage, Lang, language, tell, tr, voiced
from orderhub_core.errors import UserMistake
from orderhub_core.i18n import Translate, translator
from orderhub_core.rules import exports, rulebook
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.explain import Answer, Asked, Explanation
from orderhub_core.rules.explain import explain as explained
from orderhub_core.rules.gifts import Given
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.printing import name_of, print_actions
from orderhub_core.rules.language.vocabulary import Vocabulary, of_book
from orderhub_core.rules.shortages import refusals
from orderhub_core.rules.splitting import is_by_place, ways
from orderhub_core.rules.tree import Action, Rulebook
from orderhub_core.store import snapshot

Rules = Annotated[Path, typer.Option("--rules", metavar="FILE", help="The rulebook, a TOML file.")]


def lying(frame: str) -> Callable[[Path | None], Path | None]:
    """For an option: of a snapshot's folder the file of a frame."""

    def found(path: Path | None) -> Path | None:
        return path if path is None or not path.is_dir() else snapshot.file(path, frame)

    return found


_LYING = "or a folder that `orderhub db snapshot` has written."
Orders = Annotated[
    Path,
    typer.Option("--orders", metavar="FILE", help=f"Parquet, one row per order, {_LYING}", callback=lying("orders")),
]
Lines = Annotated[
    Path | None,
    typer.Option(
        "--lines", metavar="FILE", help=f"Parquet, one row per line of an order, {_LYING}", callback=lying("lines")
    ),
]
Signals = Annotated[Path | None, typer.Option("--signals", metavar="FILE", help="Parquet, one row per report.")]


@voiced
def evaluate(
    rules: Rules,
    orders: Orders,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the decisions are written, Parquet.")],
    lines: Lines = None,
    signals: Signals = None,
    as_json: AsJson = False,
) -> None:
    """Decide on every order of a file: a row for each decision, with the rule and the reason."""
    book = rulebook.load(rules)
    exported = exports.read(book, orders, lines, signals)
    found = exports.evaluate(exported, book)
    _write(found.decisions, out)
    keys = pl.struct([name for name in ("shop", "order_no") if name in found.decisions])
    counted = found.decisions.group_by("group", "rule", "action", "argument", maintain_order=True).agg(
        orders=keys.n_unique()
    )
    left_whole = _left_whole(found.decisions.with_columns(order_id=keys))
    answer = {
        "version": book.version,
        "orders": found.orders,
        "decisions": found.decisions.height,
        "undecided": found.undecided,
        "stray_lines": found.stray_lines,
        "refused": _refused(found).to_dicts(),
        "unpaid": found.findings.filter(pl.col("finding") == "not_paid").height,
        "rules_without_lines": exported.blind,
        "left_whole": left_whole,
        "by_rule": counted.to_dicts(),
        "out": str(out),
    }
    told = [
        _summary(found, counted, out, of_book(book)),
        *_whole(left_whole, book, tr),
        *without_lines(exported, tr),
    ]
    tell(answer, "\n".join(told), as_json=as_json)


def _write(decisions: pl.DataFrame, out: Path) -> None:
    try:
        decisions.write_parquet(out)
    except OSError as error:
        raise UserMistake("--out {out}: cannot be written ({why})", out=out, why=error.strerror or error) from None


LIMITS = {"total": "the limit", "day": "that day's limit", "buyer": "the limit for the buyer"}


def _refused(found: exports.Evaluated) -> pl.DataFrame:
    """How many orders each limit of a gift kept from it; one that several limits refuse counts at the first."""
    first = found.refusals.unique(["order_id", "rule"], keep="first", maintain_order=True)
    return first.group_by("rule", pl.col("quota").cast(pl.String), maintain_order=True).len("orders")


def _summary(found: exports.Evaluated, counted: pl.DataFrame, out: Path, speech: Vocabulary) -> str:
    text = tr("orders: {orders}, decisions: {decisions}, written to {path}")
    told = [text.format(orders=f"{found.orders:,}", decisions=f"{found.decisions.height:,}", path=out)]
    for group, rule, verb, what, n in counted.iter_rows():
        done = print_actions([Action(verb, what)], speech, language())
        told.append(f"  {n:>9}  {group} / {_named(rule, tr)} -> {done}")
    if found.undecided:
        told.append(tr("orders of which the rulebook says nothing: {n}").format(n=f"{found.undecided:,}"))
    for rule, quota, n in _refused(found).iter_rows():
        text = tr("{rule}: refused, {limit} was reached")
        told.append(f"  {n:>9}  {text.format(rule=rule, limit=tr(LIMITS[quota]))}")
    if unpaid := found.findings.filter(pl.col("finding") == "not_paid").height:
        text = tr("! orders without paid_at, and so without a turn: {n}; they get no limited gift")
        told.append(text.format(n=f"{unpaid:,}"))
    if found.stray_lines:
        text = tr("! lines that belong to none of these orders, left out: {n}")
        told.append(text.format(n=f"{found.stray_lines:,}"))
    return "\n".join(told)


def without_lines(exported: exports.Exported, tr: Translate) -> Iterator[str]:
    """A warning, where rules ask for lines and none were given."""
    if exported.blind:
        names = tr(", ").join(
            [*exported.blind[: exports.NAMED], *(["…"] if len(exported.blind) > exports.NAMED else [])]
        )
        text = tr("! rules that read lines: {rules}, and no lines were given by --lines: {names}")
        yield text.format(rules=len(exported.blind), names=names)


def explain(
    order_no: Annotated[str, typer.Argument(help="The order's number.")],
    rules: Rules,
    orders: Orders,
    lines: Lines = None,
    signals: Signals = None,
    shop: Annotated[str, typer.Option(help="Its shop, where several have such an order.")] = "",
    questions: Annotated[
        bool, typer.Option("--questions", help="Answer the nine questions, too: why split, what it costs, …")
    ] = False,
    stock: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV: warehouse, sku, on_hand, safety.")] = None,
    warehouses: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV: warehouse, latitude, longitude, orders_per_day, …")
    ] = None,
    freight: Annotated[
        Path | None, typer.Option(metavar="DIR", help="weights.csv, zones.csv, tariffs.csv: what parcels cost.")
    ] = None,
    lang: InLanguage = Lang.EN,
    as_json: AsJson = False,
) -> None:
    """Why the rulebook decides on one order as it does: every condition with the order's values, and what the rules
    that do not act lack."""
    book = rulebook.load(rules)
    exported = exports.read(book, orders, lines, signals)
    order = _one(exported.orders, order_no, shop)
    own = exported.lines.filter(pl.col("order_id") == order["order_id"][0])
    found = explained(order, own, book, language=lang.value, reports=exported.reports)
    given = exports.granted(exported, book, order, found.decisions)
    tr = translator(lang.value)
    left_whole = _left_whole(given.decisions)
    told = [*sentences(found, book, lang.value), *_unlucky(given, tr), *_whole(left_whole, book, tr)]
    told += without_lines(exported, tr)
    whole = document(order_no, found._replace(decisions=given.decisions)) | {
        "refused": given.refusals.drop("order_id").to_dicts(),
        "rules_without_lines": exported.blind,
        "left_whole": left_whole,
    }
    if questions or stock or warehouses or freight:
        known = rules_questions.known(stock, warehouses, freight)
        reasons = {} if lang is Lang.EN else dict(_reasons(found, book, "zh"))
        answers = rules_questions.answered(exported, book, order["order_id"][0], known, lang.value, reasons)
        told += ["", *rules_questions.lines(answers, tr)]
        whole["questions"] = rules_questions.document(answers)
    tell(whole, "\n".join(told), as_json=as_json)


def _left_whole(decisions: pl.DataFrame) -> int:
    """How many orders are split as warehouses would have to say, and stay whole here."""
    return sum(map(is_by_place, ways(decisions)["way"]))


def _whole(left: int, book: Rulebook, tr: Translate) -> Iterator[str]:
    """A warning, where warehouses would have to say which parcels so many orders make."""
    if left:
        text = tr("! split by warehouse or stock, which the hub settles live; here they stay whole: {n}")
        yield text.format(n=f"{left:,}")
        if book.parcels:
            yield tr("! rules on parcels are asked of them as of one parcel")


def _unlucky(given: Given, tr: Translate) -> Iterator[str]:
    """The gifts that the order has earned and does not get."""
    for _, rule, why in refusals(given.refusals, tr).iter_rows():
        yield tr("! {rule}: not given: {why}").format(rule=rule, why=why)
    if given.findings.height:
        yield tr("! it has no paid_at and so no turn: it gets no limited gift")


def _one(orders: pl.DataFrame, order_no: str, shop: str) -> pl.DataFrame:
    found = orders.filter(pl.col("order_no") == order_no)
    if shop and "shop" in orders:
        found = found.filter(pl.col("shop") == shop)
    if found.height > 1:
        raise UserMistake("{n} shops have an order {order}: name one by --shop", n=found.height, order=order_no)
    if found.is_empty():
        text = (
            "there is no order {order} of the shop {shop} in this file"
            if shop
            else "there is no order {order} in this file"
        )
        raise UserMistake(text, order=order_no, shop=shop)
    return found


def document(order_no: str, found: Explanation) -> dict[str, Any]:
    """As JSON."""

    def asked(each: Asked) -> dict[str, Any]:
        return {"condition": each.condition, "own": each.own, "holds": each.holds, "wanted": each.wanted}

    return {
        "order_no": order_no,
        "version": found.version,
        "values": found.values,
        "decisions": found.decisions.drop("order_id").to_dicts(),
        "rules": [
            {
                "group": answer.group,
                "rule": answer.rule,
                "parcel": answer.parcel,
                "outcome": answer.outcome,
                "before": answer.before,
                "conditions": [asked(each) for each in answer.conditions],
                "lacks": [asked(each) for each in answer.lacks],
            }
            for answer in found.answers
        ],
    }


def sentences(found: Explanation, book: Rulebook, language: Language) -> Iterator[str]:
    """For people: group by group what acts and why, then the alternatives, those first that came nearest."""
    tr, speech = translator(language), of_book(book)
    for group, parcel in dict.fromkeys((answer.group, answer.parcel) for answer in found.answers):
        own = [answer for answer in found.answers if (answer.group, answer.parcel) == (group, parcel)]
        yield tr("{group}, parcel {parcel}").format(group=group, parcel=parcel) if parcel else group
        acting = [answer for answer in own if answer.outcome == "acts"]
        for answer in acting:
            yield f"  {_named(answer.rule, tr)} → {print_actions(answer.then, speech, language)}"
            yield from (f"    {_told(each, speech, language)}" for each in answer.conditions)
        if not acting:
            yield f"  {tr('no rule acts')}"
        others = sorted((answer for answer in own if answer.outcome != "acts"), key=lambda answer: len(answer.lacks))
        yield from (f"  {_passed(answer, speech, language)}" for answer in others)


def _named(rule: str, tr: Translate) -> str:
    return tr(OTHERWISE) if rule == OTHERWISE else rule


def _passed(answer: Answer, speech: Vocabulary, language: Language) -> str:
    tr = translator(language)
    what = f"{_named(answer.rule, tr)} → {print_actions(answer.then, speech, language)}"
    if answer.outcome == "passed over":
        return tr("{rule}: passed over, {other} comes first").format(rule=what, other=answer.before)
    lacks = tr("; ").join(_told(each, speech, language) for each in answer.lacks)
    return tr("{rule}: lacks {what}").format(rule=what, what=lacks or tr("nothing that could be had"))


def _reasons(found: Explanation, book: Rulebook, language: Language) -> Iterator[tuple[tuple[str, str], str]]:
    """Why each rule that acts holds, in the reader's language: decisions have it in English."""
    tr, speech = translator(language), of_book(book)
    for answer in found.answers:
        if answer.outcome == "acts":
            whys = [_asked(each, speech, language) for each in answer.conditions if each.holds is each.wanted]
            yield (answer.group, answer.rule), tr("; ").join(whys) or tr("no condition")


def _told(asked: Asked, speech: Vocabulary, language: Language) -> str:
    mark = {True: "✓", False: "✗", None: "?"}[asked.holds]
    return f"{mark} {_asked(asked, speech, language)}"


def _asked(asked: Asked, speech: Vocabulary, language: Language) -> str:
    tr = translator(language)
    own = tr(", ").join(
        f"{name_of(FIELDS[name], speech, language)} {value or tr('missing')}" for name, value in asked.own.items()
    )
    condition = asked.condition if asked.wanted else tr("not ({condition})").format(condition=asked.condition)
    return f"{condition} [{own}]"
