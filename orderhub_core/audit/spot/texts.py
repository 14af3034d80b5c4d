"""A spot audit in people's words. English here; each language translates it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from orderhub_core.audit import stopping, texts
from orderhub_core.audit import trend as weekly
from orderhub_core.audit.agreement import Figure
from orderhub_core.audit.sources import KEY
from orderhub_core.audit.spot import entries
from orderhub_core.audit.spot import result as results
from orderhub_core.audit.spot.book import Book, Key, Turn
from orderhub_core.audit.spot.result import Result
from orderhub_core.audit.spot.sheet import LEVEL, MOST_ORDERS, Sheet, Spec
from orderhub_core.i18n import Named, Said, Tile, Translate, by_id, retold

BY = {"channel": "Channel", "warehouse": "Warehouse", "age": "Age"}
STANDINGS = {
    "go on": "Go on: so far the judgements neither prove nor refute at least {claim}.",
    "proven": "Proven after {n} judgements: at least {claim} of all orders are consistent. You may stop.",
    "refuted": "Refuted after {n} judgements: fewer than {claim} of all orders are consistent. You may stop.",
}
OVER = "All cards are judged: the result tells what they prove."
KINDS = {
    "exact": "exact interval for a sample from a known number of orders",
    "sequential": "an interval that may be looked at after every judgement; exact once all are judged",
    "stratified": "a conservative interval for a stratified sample",
    "stratified part": "a conservative interval that may be looked at after every judgement",
}
CHANGES = {
    "no significant change": "No significant change: {last} in the week of {week}, {earlier} before.",
    "unseen": "No significant change: {last} in the week of {week}, {earlier} before. Samples of this size "
    "show a drop of {drop} or more in 8 of 10 weeks; a smaller one can go unseen.",
    "better": "Better: {last} in the week of {week}, {earlier} before; chance alone would hardly do that.",
    "worse": "Worse: {last} in the week of {week}, {earlier} before; chance alone would hardly do that.",
}
NO_WEEK = "Nothing has been judged yet: weeks are compared once there are judgements."
FIRST_WEEK = "This is the first week with judgements: nothing to compare with yet."
_NONE = "not even {most} orders would, the most that one audit draws"
NEEDED = "orders of a simple draw prove it if no more misfits come than the {n} so far"
PLANNED = "orders of a simple draw prove it in 8 of 10 weeks at the rate so far, {rate}"
NOT_AT_RATE = "at the rate so far, {rate}, no draw will prove it: only a rate above the claim does"
REFUTED = "what was judged refutes it: at most {high} of all orders are consistent"
PROVEN = "what was judged proves it: at least {low} of all orders are consistent"
AT_LEAST = "orders of a simple draw are the least that can prove it, all of them consistent; nothing is judged yet"
MEASURES = {
    "agreed": "Machine agrees with people",
    "recall": "Recall: of what people call not consistent, the machine found",
    "precision": "Precision: of what the machine found, people call not consistent",
    "kappa": "Cohen's kappa, machine and people",
}
NOT_YET = "once all cards are judged"
HUMAN = {"consistent": "consistent", "inconsistent": "not consistent", "disputed": "reviewers differ"}
INTRO = "Random orders, and what each touchpoint shows of them at this moment. Judge by one key; see what it proves."
LIVE = "The touchpoints are asked at the moment you draw. What they show then is kept with the audit."
COPY = "The settings name no touchpoints to ask: the hub's copy of what they showed is compared."
SNAPSHOT = (
    "A read-only copy of a hub: its touchpoints cannot be asked, the copy is compared; judgements live in this "
    "server's memory only and are gone when it stops."
)
NO_FONT = "No PDF in Chinese: this machine has no Chinese font (on Debian: apt-get install fonts-noto-cjk)."
KEYS = {
    "j": "Consistent (J)",
    "k": "Not consistent (K)",
    "u": "Undo last (U)",
    "r": "Result so far (R)",
}
"""What the keys do."""
NAMELESS = "Say who judges first: write your name above."
WRITING = "Judgements on their way to the disk: {n}. One that cannot be written comes back."
TO_RESULT = "R brings the result below up to date"
ANY_TIME = "looking at it is no cheating: its intervals allow for that"
PROGRESS = "{judged} / {of} judged by {who}"
HELP = (
    "The rate is the share of judged orders that people call consistent; where reviewers differ it counts as not "
    "consistent. The interval says between what bounds the rate of all orders lies, wrong in at most 5 of 100 audits. "
    "The draw is random but repeatable: the same seed, size and week draw the same orders. Judge them in the order in "
    "which they come; only then may the rule for stopping early be trusted."
)


def local(at: datetime | int | None, zone: str) -> str:
    """An instant as people there read it; microseconds UTC where it is a number."""
    if at is None:
        return ""
    moment = datetime.fromtimestamp(at / 1e6, ZoneInfo(zone)) if isinstance(at, int) else at.astimezone(ZoneInfo(zone))
    return f"{moment:%Y-%m-%d %H:%M}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def heading(sheet: Sheet, tr: Translate) -> str:
    return tr("Audit {name}").format(name=sheet.audit)


def described(sheet: Sheet, zone: str, tr: Translate) -> str:
    """What was drawn, from how many, how, and when it was read."""
    text = tr("{n} of {total} orders, seed {seed}, {how}; read {at}; claim: at least {claim} are consistent.")
    return text.format(
        n=f"{len(sheet.cards):,}",
        total=f"{sheet.population:,}",
        seed=sheet.spec.seed,
        how=how(sheet, tr),
        at=local(sheet.opened_at, zone),
        claim=claimed(sheet.spec),
    )


def how(sheet: Sheet, tr: Translate) -> str:
    if not sheet.spec.by:
        return tr("drawn simply")
    names = " × ".join(tr(BY[name]) for name in sheet.spec.by)
    return tr("drawn from {n} strata of {names}").format(n=len(sheet.strata), names=names)


def claimed(spec: Spec) -> str:
    return f"{spec.claim:.4%}".rstrip("0%").rstrip(".") + "%"


def sources(sheet: Sheet, zone: str, tr: Translate, names: Named = by_id) -> list[Said]:
    """How each touchpoint was read, where that needs to be said, and how bad it is (a kind of note)."""
    said: list[Said] = []
    copies = [names("touchpoint", one.name) for one in sheet.looked if one.state == "copy"]
    if copies:
        text = tr("Not read live, the hub's copy of {at} was taken: {names}.")
        said.append((text.format(at=local(sheet.opened_at, zone), names=tr(", ").join(copies)), "warn"))
    for one in sheet.looked:
        name = names("touchpoint", one.name)
        if one.state == "failed":
            text = tr("{name} could not be read: {reason}")
            said.append((text.format(name=name, reason=retold(one.reason, tr)), "bad"))
        if one.again:
            text = tr("{name} failed at first and was read again at {at}, later than the others.")
            said.append((text.format(name=name, at=local(one.at, zone)), "info"))
        if one.unreadable:
            text = tr("{name} showed {n} rows that could not be understood.")
            said.append((text.format(name=name, n=one.unreadable), "warn"))
    return said


def unread(sheet: Sheet, tr: Translate, names: Named = by_id) -> str:
    """What may be read again; "" where nothing failed."""
    failed = [names("touchpoint", one.name) for one in sheet.looked if one.state == "failed"]
    return tr("Read {names} again").format(names=tr(", ").join(failed)) if failed else ""


def sides(turn: Turn, zone: str, tr: Translate, names: Named = by_id) -> list[Tile]:
    """What every touchpoint shows of an order: its word, and below it stage, update time and age at the reading."""
    if turn.key is None:
        return []
    return [
        (names("touchpoint", look.name), *_said(turn.book, turn.key, look.name, look.state, zone, tr), "plain")
        for look in turn.book.sheet.looked
    ]


def _said(book: Book, key: Key, name: str, state: str, zone: str, tr: Translate) -> tuple[str, str]:
    if state == "failed":
        return tr("not read"), tr("could not be read")
    row = next((row for row in book.told.get(key, []) if row["touchpoint"] == name), None)
    if row is None:
        return tr("(no row)"), tr("does not have this order")
    seconds = None if row["at"] is None else book.sheet.opened_at / 1e6 - row["at"].timestamp()
    when = " · ".join(filter(None, (local(row["at"], zone), texts.age(seconds, tr))))
    return row["status"] or tr("(empty)"), f"{texts.stage(row['stage'], tr)} · {when}"


def kept(audits: Sequence[str], opened: str, tr: Translate) -> dict[str, Any]:
    """Audits to go on with, each by its name, and in the place of none what to do."""
    nothing = tr("choose an audit") if audits else tr("none has been opened yet")
    return {"options": {nothing: "", **{name: name for name in audits}}, "value": opened or nothing}


def machine(book: Book, key: Key, tr: Translate, names: Named = by_id) -> str:
    """The machine's verdict in a sentence or three."""
    finding = book.findings.get(key)
    if finding is not None:
        return texts.why(finding, tr, names)
    return tr(texts.VERDICTS[book.verdicts[key]])


def life(turn: Turn, zone: str, tr: Translate, names: Named = by_id) -> tuple[str, list[tuple[str, str, str]], str]:
    """The order's time line by the hub's log: its title; when, what, and who said so; and what an empty one means."""
    rows = turn.book.events.get(turn.key, []) if turn.key else []
    moments = [
        (local(row["occurred_at"], zone), entries.event(row, tr, names), names("source", row["source"])) for row in rows
    ]
    return tr("Time line by the hub's log"), moments, tr("There is nothing in the log.")


def standing(book: Book, reviews: pl.DataFrame, tr: Translate) -> str:
    """The rule for stopping early in a sentence."""
    said = results.spoken(book.sheet, reviews)
    if not book.sheet.spec.by:
        return stands(results.stands(book.sheet, said), book.sheet, tr)
    if not said["consistent"].null_count():
        return tr(OVER)
    return tr("The rule for stopping early holds for simple draws only: judge all cards of this one.")


def stands(where: stopping.Standing, sheet: Sheet, tr: Translate) -> str:
    if where.state == "go on" and where.judged == len(sheet.cards):
        return tr(OVER)
    return tr(STANDINGS[where.state]).format(claim=claimed(sheet.spec), n=where.stopped_at)


def tiles(found: Result, sheet: Sheet, tr: Translate) -> list[Tile]:
    """The figures of the result."""
    claim = claimed(sheet.spec)
    counted = tr("{n} of {total} judged orders").format(n=found.consistent, total=found.judged)
    between = f"{found.interval.low:.1%} – {found.interval.high:.1%}"
    agreed, *_ = measured(found, tr)
    return [
        (tr("Consistent"), percent(found.rate), counted, "plain"),
        (tr("What this proves of all orders, 95 %"), between, tr(KINDS[found.kind]), "plain"),
        (tr("Judged by people"), f"{found.judged} / {found.of}", tr("{n} disputed").format(n=found.disputed), "plain"),
        (tr("To prove {claim}").format(claim=claim), *_to_prove(found, sheet, tr), "plain"),
        (tr("To plan for"), *_to_plan(found, sheet, tr), "plain"),
        (*agreed, "plain"),
    ]


def measured(found: Result, tr: Translate) -> list[tuple[str, str, str]]:
    """How good the machine is by what people say: name, figure, and 95 % interval or when there will be one."""
    rows = []
    for code, name in MEASURES.items():
        figure: Figure = getattr(found.agreement, code)
        shape, proved = ".2f" if code == "kappa" else ".1%", figure.interval
        value = "–" if figure.value is None else f"{figure.value:{shape}}"
        bounds = tr(NOT_YET) if proved is None else f"{proved.low:{shape}} – {proved.high:{shape}}"
        rows.append((tr(name), value, bounds))
    return rows


def _to_prove(found: Result, sheet: Sheet, tr: Translate) -> tuple[str, str]:
    """The sample that would do with the misfits so far, or what there is to prove no more."""
    if found.interval.low >= sheet.spec.claim:
        return f"{found.judged:,}", tr(PROVEN).format(low=least(found.interval.low))
    if found.interval.high < sheet.spec.claim:
        return "–", tr(REFUTED).format(high=f"{found.interval.high:.2%}")
    return _size(found.needed, tr(NEEDED).format(n=found.judged - found.consistent), tr)


def _to_plan(found: Result, sheet: Sheet, tr: Translate) -> tuple[str, str]:
    """The sample for the next weeks, if the rate stays as it is."""
    if found.rate is None:
        return _size(found.planned, tr(AT_LEAST), tr)
    if found.planned is None and found.rate <= sheet.spec.claim:
        return "–", tr(NOT_AT_RATE).format(rate=percent(found.rate))
    return _size(found.planned, tr(PLANNED).format(rate=percent(found.rate)), tr)


def _size(orders: int | None, remark: str, tr: Translate) -> tuple[str, str]:
    """A number of orders, or that none would do."""
    return ("–", tr(_NONE).format(most=f"{MOST_ORDERS:,}")) if orders is None else (f"{orders:,}", remark)


def least(share: float) -> str:
    """A lower bound: it is not rounded up."""
    return f"{math.floor(share * 10_000) / 100:.2f}%"


def trend(weeks: pl.DataFrame, tr: Translate) -> str:
    """What the weeks (`trend.rates` or `trend.weighted`) say, without saying more than they do."""
    if not weeks["judged"].sum():
        return tr(NO_WEEK)
    change = weekly.apart(weeks) if "surely_low" in weeks.columns else weekly.change(weeks, LEVEL)
    if weeks.height < 2 or change.last is None or change.earlier is None:
        return tr(FIRST_WEEK)
    unseen = change.state == "no significant change" and change.visible_drop is not None
    text = tr(CHANGES["unseen" if unseen else change.state])
    return text.format(
        week=weeks["week"][-1],
        last=percent(change.last),
        earlier=percent(change.earlier),
        drop=percent(change.visible_drop),
    )


def source(live: bool, writable: bool) -> str:
    """Where the words on the cards come from."""
    return (LIVE if live else COPY) if writable else SNAPSHOT


def asking(opened: str) -> str:
    """What opens the form, which is folded once an audit is open, says that the draw is in it."""
    return "Draw another audit, or go on with one" if opened else "Draw, or go on with an audit"


def strata(tr: Translate) -> dict[str, str]:
    return {tr(name): code for code, name in BY.items()}


def remarks(turn: Turn, tr: Translate, names: Named = by_id) -> list[Said]:
    """What is said below a card: the machine, what is in the way, the last judgement, and how far one is."""
    said: list[Said] = []
    if turn.peek and turn.key:
        said.append((machine(turn.book, turn.key, tr, names), "warn"))
    if not turn.reviewer:
        return [*said, (tr(NAMELESS), "warn")]
    lost = tr("What was said of {order_no} was not taken: {reason}. The order is as it was before.")
    for order_no, error in turn.troubles:
        said.append((lost.format(order_no=order_no, reason=retold(str(error), tr)), "bad"))
    if turn.last:
        said.append((judged(turn.book, turn.last, tr, names), "info"))
    of = len(turn.book.cards)
    far = tr(PROGRESS).format(judged=of - len(turn.waiting), of=of, who=turn.reviewer)
    return [*said, (f"{far} · {standing(turn.book, turn.reviews, tr)}", "info")]


def progress(turn: Turn, tr: Translate) -> tuple[int, int, str]:
    """How many cards somebody has judged, of how many, and what to do with that."""
    judged, of = turn.reviews.n_unique(KEY), len(turn.book.cards)
    said = [tr("{n} of {of} orders judged").format(n=judged, of=of)]
    if 0 < judged < of:
        said += [tr(TO_RESULT), tr(ANY_TIME)]
    return judged, of, " · ".join(said)


def after(found: Result, tr: Translate) -> str:
    """The heading of the result: it stands until it is asked for anew."""
    return tr("Result after {n} of {of} orders").format(n=found.judged, of=found.of)


def title(turn: Turn, tr: Translate) -> str:
    if turn.key is None:
        return tr("Nothing is left to judge.")
    return tr("Order {order_no}").format(order_no=turn.key[1])


def judged(book: Book, row: Mapping[str, Any], tr: Translate, names: Named = by_id) -> str:
    """The reviewer's last judgement, and now what the machine says."""
    said = tr(texts.JUDGEMENTS[row["consistent"]])
    text = tr("Last: {order_no}, you said {said}. Machine: {verdict}")
    verdict = machine(book, (row["shop"], row["order_no"]), tr, names)
    return text.format(order_no=row["order_no"], said=said, verdict=verdict)


def found(book: Book, tr: Translate) -> dict[str, str]:
    """The machine's verdicts that occur, by name: what a reader may choose among."""
    return texts.found(book.report, tr)
