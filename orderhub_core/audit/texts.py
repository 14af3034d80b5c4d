"""An audit in people's words. English here; each language translates it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import polars as pl

from orderhub_core.audit import sampling
from orderhub_core.audit.report import Report
from orderhub_core.i18n import Translate

Tile = tuple[str, str, str, str]
"""A figure to show: its name, the value, a remark, and the tone (good, bad or plain)."""

Judged = Mapping[tuple[str, str], bool]
"""By (shop, order_no), in the order in which people judged: was it consistent?"""

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
    "late_poll": "It is behind, but the news is young: it should mend itself.",
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
    sentence = (
        tr("{verdict}. Probably wrong: {name}. {cause}") if finding["probably_wrong"] else tr("{verdict}. {cause}")
    )
    verdict, cause = tr(VERDICTS[finding["verdict"]]), tr(CAUSES[finding["cause"]])
    return sentence.format(verdict=verdict, name=finding["probably_wrong"], cause=cause)


def said(told: pl.DataFrame, as_of: int, tr: Translate) -> tuple[str, str]:
    """What one touchpoint shows of one order (rows of `Report.told`): its word, and below it stage and age."""
    if told.is_empty():
        return tr("(no row)"), tr("does not have this order")
    row = told.row(0, named=True)
    seconds = None if row["at"] is None else as_of / 1e6 - row["at"].timestamp()
    return row["status"] or tr("(empty)"), f"{stage(row['stage'], tr)} · {age(seconds, tr)}"


def sides(report: Report, finding: Mapping[str, Any], as_of: int, tr: Translate) -> list[Tile]:
    """What every touchpoint shows of the order of a finding, the suspect marked."""
    told = report.told.filter(shop=finding["shop"], order_no=finding["order_no"])
    return [
        (name, *said(told.filter(touchpoint=name), as_of, tr), "bad" if name == finding["probably_wrong"] else "plain")
        for name in report.touchpoints
    ]


def waiting(report: Report, judged: Judged) -> list[dict[str, Any]]:
    """The findings that nobody has judged, worst first."""
    return [row for row in report.findings.to_dicts() if (row["shop"], row["order_no"]) not in judged]


def without_last(judged: Judged, kept: int) -> dict[tuple[str, str], bool]:
    """The judgements before the last one, but never fewer than the first `kept`: those are not of this session."""
    return dict(islice(judged.items(), max(kept, len(judged) - 1)))


def intro(report: Report, tr: Translate) -> str:
    names = tr(", ").join(report.touchpoints)
    return tr("Random orders, and what {names} show of each. What is unclear waits for you.").format(names=names)


def tiles(report: Report, judged: Judged, claim: float, tr: Translate) -> list[Tile]:
    """The rate so far, what it proves, how much is judged, and how many orders would prove a rate of `claim`.

    An unclear order counts as consistent once a person said so.
    """
    total, unclear = report.sample.height, report.findings.height
    agreed = [judged.get(key) for key in report.findings.select("shop", "order_no").iter_rows()]
    good = total - unclear + agreed.count(True)
    proved, needed = sampling.interval(good, total), sampling.needed(claim, total - good)
    reviewed = f"{unclear - agreed.count(None)} / {unclear}"
    return [
        (tr("Consistent"), _share(good, total), tr("{n} of {total} orders").format(n=good, total=total), "plain"),
        (
            tr("What this proves, 95 %"),
            f"{proved.low:.1%} – {proved.high:.1%}",
            tr("exact interval of the true rate"),
            "plain",
        ),
        (tr("Judged by people"), reviewed, tr("until then they count as not consistent"), "plain"),
        (
            tr("To prove {claim}").format(claim=f"{claim:.0%}"),
            f"{needed:,}",
            tr("orders are needed with this many misfits"),
            "plain",
        ),
    ]


def found(report: Report, tr: Translate) -> dict[str, str]:
    """The verdicts that occur, by name: what a reader may choose among."""
    return {tr(VERDICTS[code]): code for code, count in report.by_verdict().items() if count}


def sheet(report: Report, judged: Judged, tr: Translate, only: list[str] | None = None) -> pl.DataFrame:
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


def _share(part: int, total: int) -> str:
    return f"{part / total:.1%}" if total else "–"
