"""`orderhub audit reconcile`: what was paid, refunded and shipped, and why the sums differ, to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from orderhub_core import hub, settings
from orderhub_core.audit.reconcile import period as periods
from orderhub_core.audit.reconcile import sheets, texts
from orderhub_core.audit.reconcile.ledgers import Source
from orderhub_core.audit.reconcile.result import Allowed, Reconciliation
from orderhub_core.audit.reconcile.result import reconcile as reconciled
from orderhub_core.entry.options import aligned, instant, spoken, tell, tr
from orderhub_core.errors import UserMistake
from orderhub_core.flows import ledgers as gathering
from orderhub_core.names import Names

SHOWN = 20
"""Conflicts listed for people unless they ask for more."""
HOURS = 10 * 365 * 24
"""Nobody allows longer than ten years."""
MOST = 10**15
"""No gap is larger, in major units."""


@spoken
def reconcile(
    platform: Annotated[Path | None, typer.Option(metavar="FILE", help="What buyers paid.")] = None,
    erp: Annotated[Path | None, typer.Option(metavar="FILE", help="What went out of the warehouse.")] = None,
    refunds: Annotated[Path | None, typer.Option(metavar="FILE", help="What went back to buyers.")] = None,
    courier: Annotated[Path | None, typer.Option(metavar="FILE", help="What the courier scanned.")] = None,
    headings: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML with headings of your own.")] = None,
    fees: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML with names of fees of your own.")] = None,
    period: Annotated[str, typer.Option(metavar="MONTH", help="2026-11, or a day; default: all there is.")] = "",
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="First day.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="Last day, included.")] = "",
    as_of: Annotated[
        str, typer.Option(metavar="TIME", help="When the data was taken; default: now, or as the ERP's file.")
    ] = "",
    review_minutes: Annotated[
        int, typer.Option(min=0, max=60 * HOURS, help="Between payment and the ERP's review.")
    ] = 30,
    ship_hours: Annotated[
        int, typer.Option(min=0, max=HOURS, help="From payment to going out, and on to the scan.")
    ] = 48,
    xlsx: Annotated[Path | None, typer.Option(metavar="FILE", help="Write everything into this workbook, too.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="List at most this many conflicts.")] = None,
    fail_over: Annotated[str, typer.Option(metavar="AMOUNT", help="Exit with 1 when the gap is larger.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on the last line.")] = False,
) -> int:
    """Explain the gap between paid, refunded and shipped by causes that sum to it. Files, else the hub's own orders."""
    named = {Source.PLATFORM: platform, Source.ERP: erp, Source.REFUNDS: refunds, Source.COURIER: courier}
    files = {source: path for source, path in named.items() if path}
    limit_minor = _amount(fail_over)
    gathered, now, known = _gathered(gathering.Chosen(files, headings, fees))
    found = reconciled(
        gathered.ledgers,
        _period(gathered, period, since, until, now),
        as_of=instant(as_of) if as_of else now,
        allowed=Allowed(review_minutes=review_minutes, ship_hours=ship_hours),
        words=gathered.words,
    )
    if xlsx:
        _write(xlsx, sheets.workbook(found, tr, beside=Names(known, tr).beside))
    tell(found.document(limit), _sentences(found, SHOWN if limit is None else limit), as_json=as_json)
    over = limit_minor is not None and abs(found.totals.gap_minor) > limit_minor.scaleb(found.decimals)
    return 1 if over else 0


def _gathered(chosen: gathering.Chosen) -> tuple[gathering.Gathered, int | None, settings.Settings]:
    """Paid and shipped from files need no hub; what else is missing, the hub has. With the instant as of which that is
    so, where the ledgers do not say it, and the hub's settings."""
    if {Source.PLATFORM, Source.ERP} <= chosen.files.keys():
        known = settings.load(hub.home().data)
        return gathering.gather(chosen, None, known.time_zone), None, known
    connected = hub.connect()
    own = connected.ledgers()
    if chosen.files or chosen.headings or chosen.fees:
        own = gathering.gather(chosen, connected.frame, own.zone)
    return own, own.as_of(connected.as_of()), connected.settings


def _period(gathered: gathering.Gathered, name: str, since: str, until: str, now: int | None) -> periods.Period:
    """`now`: as of when all is known, where the hub tells it."""
    known, zone = gathered.ledgers, gathered.zone
    if name and (since or until):
        raise UserMistake("--period names the days already: leave --from and --until out, or --period")
    first, last = known.first(), known.last()
    everything = periods.whole(first or 0, last or 0, zone)
    known_until = everything.last if now is None else max(everything.last, periods.whole(now, now, zone).last)
    if name:
        chosen = periods.month(name, zone)
    else:
        begin = _day("--from", since) if since else everything.first
        end = known_until if begin > everything.last else everything.last
        chosen = periods.days(begin, _day("--until", until) if until else end, zone)
    if first is not None and (chosen.last < everything.first or known_until < chosen.first):
        raise UserMistake(
            "nothing was paid, refunded or shipped in {period}: what is known goes from {first} to {last}",
            period=chosen.name,
            first=str(everything.first),
            last=str(known_until),
        )
    return chosen


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserMistake("{option} {text!r}: write a day like 2026-11-01", option=option, text=text) from None


def _amount(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not (amount.is_finite() and 0 <= amount <= MOST):
        raise UserMistake(
            "--fail-over {text!r}: write an amount like 8000 or 0.00, at most {most:,}", text=text, most=MOST
        )
    return amount


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserMistake("--xlsx {path}: cannot be written ({why})", path=path, why=error.strerror) from None


def _sentences(found: Reconciliation, limit: int) -> str:
    totals, decimals, period = found.totals, found.decimals, found.period
    text = tr("{first} to {last} ({zone}), {currency}, orders: {orders}; late as of {time}")
    when = {
        "first": period.first,
        "last": period.last,
        "zone": period.zone,
        "time": texts.clock(found.as_of, period.zone),
    }
    money = [
        (tr("Amount paid"), totals.paid_minor),
        (tr("Amount refunded"), totals.refunded_minor),
        (tr("Shipped value"), totals.outbound_minor),
        (tr("Gap"), totals.gap_minor),
    ]
    causes = found.by_cause().select("cause", "orders", "part_minor").iter_rows()
    lines = [
        text.format(currency=found.currency, orders=f"{found.orders.height:,}", **when),
        *_table([(name, texts.amount(minor, decimals)) for name, minor in money]),
        f"{tr('The gap by cause')}{tr(': ').rstrip()}",
        *_table([(tr(texts.CAUSES[cause]), n, texts.amount(part, decimals)) for cause, n, part in causes]),
        *(f"! {text}" for text in texts.findings(found, tr)),
    ]
    lines.append(texts.allowed(found, tr))
    listed = found.conflicts.head(limit)
    if found.conflicts.height:
        text = tr("Conflicts for finance to look at, the worst first: {n}")
        lines.append(text.format(n=f"{found.conflicts.height:,}"))
    lines += [f"  {row['order_no']}  {tr(texts.CONFLICTS[row['conflict']])}" for row in listed.iter_rows(named=True)]
    if more := found.conflicts.height - listed.height:
        lines.append("  " + tr("… and {count} more: --limit lists them").format(count=f"{more:,}"))
    return "\n".join(lines)


def _table(rows: Sequence[Sequence[object]]) -> list[str]:
    return [f"  {line}" for line in aligned(rows)] if rows else []
