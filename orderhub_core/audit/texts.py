"""An audit in people's words. English here; each language translates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from orderhub_core.audit.report import Report
from orderhub_core.i18n import Translate

VERDICTS = {
    "equal": "Equal",
    "compatible": "Compatible",
    "lagging": "Lagging, news still young",
    "not_comparable": "Cannot be compared",
    "unknown_word": "Unknown word",
    "missing": "Missing somewhere",
    "duplicate": "Held twice",
    "conflict": "Conflict",
}

CAUSES = {
    "unknown": "The figures do not tell why.",
    "late": "It is behind, but the news is young: it should mend itself.",
    "lost_event": "It is behind and has not been updated since: an event was probably lost.",
    "illegal_regression": "It was updated last, to a stage the others had already left.",
    "forged_progress": "It says the parcel has left; the others, updated later, still have it.",
    "mapping_error": "Nobody has said what this word means: add it to the word table.",
    "missing_row": "It does not have this order.",
    "duplicate": "It has this order more than once.",
}

JUDGEMENTS = {True: "consistent", False: "not consistent"}

_AGES = ((86_400, "{n} d ago"), (3_600, "{n} h ago"), (60, "{n} min ago"), (1, "{n} s ago"))


def age(seconds: float | None, tr: Translate) -> str:
    """How long ago, in the largest unit that fits; a time after the present is "just now"."""
    if seconds is None:
        return tr("time unknown")
    for unit, text in _AGES:
        if seconds >= unit:
            return tr(text).format(n=int(seconds // unit))
    return tr("just now")


def stage(words: str | None, tr: Translate) -> str:
    """A stage, or the first and last of several, as `words.Lexicon.frame` writes them."""
    return " … ".join(tr(part.replace("_", " ")) for part in words.split(" … ")) if words else tr("no known stage")


def why(finding: Mapping[str, Any], tr: Translate) -> str:
    """A finding in two or three sentences: what, who probably, and why."""
    suspect = finding["probably_wrong"]
    named = [tr("Probably wrong: {name}.").format(name=suspect)] if suspect else []
    return " ".join(
        [tr("{verdict}.").format(verdict=tr(VERDICTS[finding["verdict"]])), *named, tr(CAUSES[finding["cause"]])]
    )


def said(told: pl.DataFrame, as_of: int, tr: Translate) -> tuple[str, str]:
    """What one touchpoint shows of one order (rows of `Report.told`): its word, and below it stage and age."""
    if told.is_empty():
        return tr("(no row)"), tr("does not have this order")
    row = told.row(0, named=True)
    seconds = None if row["at"] is None else as_of / 1e6 - row["at"].timestamp()
    return row["status"] or tr("(empty)"), f"{stage(row['stage'], tr)} · {age(seconds, tr)}"


def sheet(
    report: Report, judged: Mapping[tuple[str, str], bool], tr: Translate, only: list[str] | None = None
) -> pl.DataFrame:
    """The drawn orders as a table with headings in the reader's language, worst first; `only` some verdicts."""
    rows = report.sheet()
    if only:
        rows = rows.filter(pl.col("verdict").is_in(only))
    judgements = [
        tr(JUDGEMENTS[judged[key]]) if key in judged else "" for key in rows.select("shop", "order_no").iter_rows()
    ]
    names = {verdict: tr(text) for verdict, text in VERDICTS.items()}
    return rows.select(
        pl.col("order_no").alias(tr("Order number")),
        pl.col("verdict").cast(pl.String).replace(names).alias(tr("Verdict")),
        *(pl.col(f"says {name}").alias(name) for name in report.touchpoints),
        pl.col("probably_wrong").fill_null("").alias(tr("Probably wrong")),
        pl.Series(tr("Judged"), judgements, dtype=pl.String),
    )
