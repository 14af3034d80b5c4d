"""The tables of a spot audit's result, with headings in the reader's language."""

from __future__ import annotations

import polars as pl

from orderhub_core.audit import agreement, texts
from orderhub_core.audit.sources import KEY
from orderhub_core.audit.spot import result as results
from orderhub_core.audit.spot.book import Book
from orderhub_core.audit.spot.result import Result
from orderhub_core.audit.spot.sheet import LEVEL
from orderhub_core.audit.spot.texts import BY, HUMAN, local, measured, percent
from orderhub_core.i18n import Named, Translate, by_id


def confusion(book: Book, reviews: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """Machine against people: a row per verdict of the machine, a column per verdict of people."""
    counts = agreement.confusion(book.sample, reviews).cast({"machine": pl.String, "human": pl.String})
    wide = counts.pivot(on="human", on_columns=list(HUMAN), index="machine", values="orders", maintain_order=True)
    names = {code: tr(name) for code, name in HUMAN.items()}
    return wide.select(
        pl.col("machine").replace(names).alias(tr("Machine \\ people")),
        *(pl.col(code).alias(name) for code, name in names.items()),
    )


def measures(found: Result, tr: Translate) -> pl.DataFrame:
    """How good the machine is by what people say."""
    columns = [tr("Figure"), tr("Value"), tr("95 % interval")]
    return pl.DataFrame(measured(found, tr), schema=columns, orient="row")


def cards(
    book: Book, reviews: pl.DataFrame, zone: str, tr: Translate, names: Named = by_id, only: list[str] | None = None
) -> pl.DataFrame:
    """All cards in the order of judging: raw words, update times, the machine's verdict and people's judgements. `only`
    some of the machine's verdicts. What a column is called is told by `names`."""
    said = agreement.judgements(book.sample, reviews)
    why = book.report.findings.select(*KEY, "probably_wrong", "cause")
    rows = said.with_row_index("turn", 1).join(why, on=KEY, how="left", maintain_order="left")
    notes = reviews.filter(pl.col("note") != "").group_by(KEY).agg(notes=pl.format("{}: {}", "reviewer", "note"))
    rows = rows.join(notes, on=KEY, how="left", maintain_order="left")
    for look in book.sheet.looked:
        own = book.report.told.filter(pl.col("touchpoint") == look.name)
        told = own.select(
            *KEY, pl.col("status").fill_null("").alias(f"says {look.name}"), pl.col("at").alias(f"at {look.name}")
        )
        rows = rows.join(told.unique(KEY, keep="first"), on=KEY, how="left", maintain_order="left")
    if only:
        rows = rows.filter(pl.col("verdict").cast(pl.String).is_in(only))
    return rows.select(
        pl.col("turn").alias(tr("Turn")),
        pl.col("shop").alias(tr("Channel")),
        pl.col("order_no").alias(tr("Order number")),
        *(column for look in book.sheet.looked for column in _said(look.name, look.state, zone, tr, names)),
        pl.col("verdict")
        .cast(pl.String)
        .replace({code: tr(name) for code, name in texts.VERDICTS.items()})
        .alias(tr("Machine's verdict")),
        pl.col("probably_wrong").fill_null("").alias(tr("Probably wrong")),
        pl.col("human")
        .cast(pl.String)
        .replace({code: tr(name) for code, name in HUMAN.items()})
        .fill_null("")
        .alias(tr("People's verdict")),
        pl.col("consistent").list.join(", ").alias(tr("Says consistent")),
        pl.col("inconsistent").list.join(", ").alias(tr("Says not consistent")),
        pl.col("notes").list.join("; ").fill_null("").alias(tr("Notes")),
    )


def _said(name: str, state: str, zone: str, tr: Translate, names: Named) -> list[pl.Expr]:
    called = names("touchpoint", name)
    missing = tr("not read") if state == "failed" else tr("(no row)")
    when = pl.col(f"at {name}").dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M").fill_null("")
    return [
        pl.col(f"says {name}").fill_null(missing).alias(called),
        when.alias(tr("{name}, updated").format(name=called)),
    ]


def disagreements(book: Book, reviews: pl.DataFrame, zone: str, tr: Translate, names: Named = by_id) -> pl.DataFrame:
    """The rows of `cards` where people say otherwise than the machine, or otherwise than each other."""
    keys = agreement.disagreements(book.sample, reviews).select(
        pl.col("shop").alias(tr("Channel")), pl.col("order_no").alias(tr("Order number"))
    )
    return cards(book, reviews, zone, tr, names).join(keys, on=keys.columns, how="semi", maintain_order="left")


def reviewers(reviews: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """How far each two reviewers agree on the orders that both have judged."""
    rows = agreement.between_reviewers(reviews, LEVEL)
    return pl.DataFrame(
        {
            tr("Reviewer"): rows["reviewer"],
            tr("Other reviewer"): rows["other"],
            tr("Orders in common"): rows["orders"],
            tr("Agreed"): [percent(rate) for rate in rows["rate"]],
            tr("95 % interval"): [f"{low:.1%} – {high:.1%}" for low, high in rows.select("low", "high").iter_rows()],
            tr("Cohen's kappa"): ["–" if kappa is None else f"{kappa:.2f}" for kappa in rows["kappa"]],
        }
    )


def by_stratum(book: Book, reviews: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """Each stratum's rate with its own interval."""
    rows = results.by_stratum(book.sheet, results.spoken(book.sheet, reviews))
    return pl.DataFrame(
        {
            **{tr(BY[name]): rows[name] for name in book.sheet.spec.by},
            tr("Orders"): rows["orders"],
            tr("Drawn"): rows["drawn"],
            tr("Judged"): rows["judged"],
            tr("Consistent"): [percent(rate) for rate in rows["rate"]],
            tr("95 % interval"): [f"{low:.1%} – {high:.1%}" for low, high in rows.select("low", "high").iter_rows()],
        }
    )


def weeks(rows: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    return pl.DataFrame(
        {
            tr("Week of"): rows["week"].cast(pl.String),
            tr("Judged"): rows["judged"],
            tr("Consistent"): [percent(rate) for rate in rows["rate"]],
            tr("95 % interval"): [f"{low:.1%} – {high:.1%}" for low, high in rows.select("low", "high").iter_rows()],
        }
    )


def taken(reviews: pl.DataFrame, zone: str, tr: Translate) -> pl.DataFrame:
    """Every judgement by itself, oldest first."""
    said = [tr(texts.JUDGEMENTS[consistent]) for consistent in reviews["consistent"]]
    return pl.DataFrame(
        {
            tr("Order number"): reviews["order_no"],
            tr("Reviewer"): reviews["reviewer"],
            tr("Judgement"): said,
            tr("Note"): reviews["note"],
            tr("At"): [local(at, zone) for at in reviews["at"]],
        },
        schema_overrides={tr("Judgement"): pl.String, tr("At"): pl.String},
    )


def parts(
    book: Book,
    reviews: pl.DataFrame,
    found: Result,
    past: pl.DataFrame,
    zone: str,
    tr: Translate,
    names: Named = by_id,
) -> list[tuple[str, pl.DataFrame, str]]:
    """Title, table, and what it means that it is empty: what stands below the figures of the result."""
    strata_only = [(tr("Strata"), by_stratum(book, reviews, tr), "")] if book.sheet.spec.by else []
    common = tr("No two reviewers have judged the same order.")
    apart = tr("Where people say otherwise than the machine, or than each other")
    return [
        *strata_only,
        (tr("Machine and people"), confusion(book, reviews, tr), ""),
        (tr("The machine, measured by people"), measures(found, tr), ""),
        (apart, disagreements(book, reviews, zone, tr, names), tr("None.")),
        (tr("Reviewers"), reviewers(reviews, tr), common),
        (tr("Weeks"), weeks(past, tr), tr("Nothing was judged yet.")),
    ]
