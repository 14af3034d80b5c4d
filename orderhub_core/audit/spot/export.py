"""A spot audit as a workbook: summary, cards with raw words and judgements, disagreements, every judgement, method."""

from __future__ import annotations

import polars as pl

from orderhub_core.audit import texts as words
from orderhub_core.audit.reconcile.sheets import Beside, xlsx
from orderhub_core.audit.spot import tables, texts
from orderhub_core.audit.spot.book import Book
from orderhub_core.audit.spot.result import Result
from orderhub_core.i18n import Translate

METHOD = {
    "The draw": "Every order has a number mixed from its key, the seed and the week; the smallest are drawn. The same "
    "seed draws the same orders in the same week, whoever draws, and others in the next.",
    "The reading": "Each touchpoint was asked for the drawn orders when the audit was opened; what it showed is kept, "
    "and stands in the log with each judgement.",
    "The judgement": "A person compares what the touchpoints show, without seeing the machine's verdict. Where "
    "reviewers differ, the order counts as not consistent.",
    "The interval": "Hypergeometric, exact, for a sample from a known number of orders; while cards wait, a confidence "
    "sequence that may be looked at after every judgement; for a stratified draw a conservative bound.",
    "Stopping early": "Claim, level and number of orders were fixed before the first judgement. Proven or refuted is "
    "said wrongly in at most 5 of 100 audits, however often one looks.",
    "The trend": "This week against all weeks before, by Fisher's exact test, corrected for the number of times one "
    "has looked. Weeks of stratified draws are weighted; there a change is one where intervals that hold together for "
    "all weeks do not meet.",
}


def summary(found: Result, book: Book, weeks: pl.DataFrame, tr: Translate) -> list[tuple[str, str, str]]:
    """Name, figure and remark, as the summary sheet and the page of paper show them."""
    sheet = book.sheet
    rows = [(name, value, note) for name, value, note, _ in texts.tiles(found, sheet, tr)]
    rows += texts.measured(found, tr)[1:]
    if found.standing is not None:
        rows.append((tr("Stopping early"), texts.stands(found.standing, sheet, tr), ""))
    rows.append((tr("Trend"), texts.trend(weeks, tr), ""))
    named = tr("Machine: {verdict}")
    counts = {tr(words.VERDICTS[code]): count for code, count in book.report.by_verdict().items() if count}
    rows += [(named.format(verdict=name), f"{count:,}", "") for name, count in counts.items()]
    return rows


def workbook(
    book: Book, reviews: pl.DataFrame, found: Result, weeks: pl.DataFrame, zone: str, tr: Translate,
    beside: Beside | None = None,
) -> bytes:  # fmt: skip
    """XLSX. `found` and `weeks` as `spot.result` works them out. What strangers wrote stays text: no formula, no
    link."""
    columns = [tr("Figure"), tr("Value"), tr("Remark")]
    head = [(tr("Spot audit"), book.sheet.audit, texts.described(book.sheet, zone, tr))]
    head += [(tr("Touchpoints"), "", text) for text, _ in texts.sources(book.sheet, zone, tr)]
    facts = [*head, *summary(found, book, weeks, tr)]
    method = [(tr(name), tr(text)) for name, text in METHOD.items()]
    parts = {
        tr("Summary"): pl.DataFrame(facts, schema=columns, orient="row"),
        tr("Cards"): tables.cards(book, reviews, zone, tr),
        tr("Disagreements"): tables.disagreements(book, reviews, zone, tr),
        tr("Judgements"): tables.taken(reviews, zone, tr),
        tr("Machine and people"): tables.confusion(book, reviews, tr),
        tr("Weeks"): tables.weeks(weeks, tr),
        tr("Method"): pl.DataFrame(method, schema=[tr("What"), tr("How")], orient="row"),
    }
    if book.sheet.spec.by:
        parts[tr("Strata")] = tables.by_stratum(book, reviews, tr)
    return xlsx(parts, beside)
