"""A reconciliation as a workbook: totals, causes, every order's parts, conflicts, channels and findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO

import polars as pl
import xlsxwriter

from orderhub_core.audit.reconcile import queue, texts
from orderhub_core.audit.reconcile.result import Reconciliation
from orderhub_core.audit.xml import UNWRITABLE
from orderhub_core.i18n import Translate

MOST_ROWS = 1_000_000
"""A sheet holds 1,048,576."""


Beside = Callable[[pl.DataFrame], pl.DataFrame]
"""Puts next to ids what people call them: `names.Names.beside`."""


def workbook(
    found: Reconciliation, tr: Translate, answered: queue.Answers | None = None, beside: Beside | None = None
) -> bytes:
    """An XLSX of the whole reconciliation. Orders with a gap only; those that balance are in the totals."""
    return xlsx(
        {
            tr("Totals"): totals(found, tr),
            tr("Causes"): texts.causes(found, tr),
            tr("Orders"): parts(found, tr),
            tr("Conflicts"): queue.table(queue.queue(found, answered or {}), found, tr),
            tr("Channels"): texts.channels(found, tr),
            tr("Findings"): pl.DataFrame({tr("Finding"): texts.findings(found, tr)}, schema={tr("Finding"): pl.String}),
        },
        beside,
    )


def totals(found: Reconciliation, tr: Translate) -> pl.DataFrame:
    """The steps from paid to shipped, with the gap, as a table."""
    steps = found.steps()
    moves = steps.select(
        step=pl.col("step").replace({code: tr(name) for code, name in (texts.STEPS | texts.CAUSES).items()}),
        minor=pl.col("to_minor") - pl.col("from_minor"),
    )
    gap = pl.DataFrame({"step": [tr("Gap")], "minor": [found.totals.gap_minor]})
    rows = pl.concat([moves, gap])
    return rows.select(pl.col("step").alias(tr("Step")), texts.major("minor", found.decimals).alias(tr("Amount")))


def parts(found: Reconciliation, tr: Translate) -> pl.DataFrame:
    """Every part of every order's gap that is not 0, as a table."""
    rows = found.parts.filter(pl.col("part_minor") != 0).join(
        found.orders.select("shop", "order_no", "paid_at", "shipped_at"), on=["shop", "order_no"], how="left"
    )
    zone = found.period.zone
    return rows.sort("cause", pl.col("part_minor").abs(), "order_no", descending=[False, True, False]).select(
        pl.col("order_no").alias(tr("Order")),
        texts.named("cause", texts.CAUSES, tr).alias(tr("Cause")),
        texts.major("part_minor", found.decimals).alias(tr("Part of the gap")),
        texts.local("paid_at", zone).alias(tr("Paid at")),
        texts.local("shipped_at", zone).alias(tr("Shipped at")),
        pl.col("shop").alias(tr("Shop")),
    )


def xlsx(sheets: Mapping[str, pl.DataFrame], beside: Beside | None = None) -> bytes:
    """Frames as sheets of one workbook. What a stranger wrote stays text: no formula, no link."""
    out = BytesIO()
    safe = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    with xlsxwriter.Workbook(out, safe) as book:
        for name, frame in sheets.items():
            told = frame if beside is None else beside(frame)
            clean = told.head(MOST_ROWS).with_columns(pl.col(pl.String).str.replace_all(UNWRITABLE, ""))
            clean.write_excel(
                book,
                worksheet=name,
                autofit=frame.height <= 5_000,
                freeze_panes=(1, 0),
                float_precision=2,
                table_style="Table Style Light 1",
            )
    return out.getvalue()
