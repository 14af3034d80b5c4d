"""Versions of the rulebook in people's words, as a terminal shows them, in the language that was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

import msgspec
import polars as pl

from orderhub_core.entry.options import language, tr, written
from orderhub_core.flows.reproduce import Reproduced
from orderhub_core.i18n import retold
from orderhub_core.names import Names
from orderhub_core.rules.actions import VERBS
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.difference import Difference
from orderhub_core.rules.language.printing import print_argument
from orderhub_core.rules.language.vocabulary import Vocabulary
from orderhub_core.store.books import Edition

TOLD = 20
"""Differences that are told in words."""
STATES = {
    "draft": "a draft",
    "reviewed": "reviewed",
    "shadow": "a shadow",
    "rollout": "on trial",
    "paused": "paused",
    "active": "active",
    "archived": "archived",
}
ACTS = {
    "save": "saved",
    "review": "reviewed",
    "shadow": "made a shadow",
    "rollout": "put on trial",
    "pause": "paused",
    "publish": "published",
    "rollback": "rolled back",
    "discard": "discarded",
}
KINDS = {"added": "added", "removed": "removed", "changed": "changed", "moved": "moved", "settings": "setting"}
SETTINGS = {"zone": "time zone", "groups": "order of the groups", "match": "which rules of a group act"}


def state(one: Edition) -> str:
    """What a version is."""
    if one.state == "rollout":
        return tr("on trial for {share} % of the orders").format(share=f"{one.share / 100:g}")
    return tr(STATES[one.state])


def version(one: Edition, zone: tzinfo) -> str:
    """A version in a line: what it is, whose, since when, and why."""
    text = tr("{version}  {state}, by {by} {at}")
    told = [text.format(version=one.version, state=state(one), by=one.author, at=written(one.saved_at, zone))]
    if one.reviewed_by:
        told.append(tr(", reviewed by {by}").format(by=one.reviewed_by))
    if one.published_at is not None:
        told.append(tr(", published {at}").format(at=written(one.published_at, zone)))
    if one.comment:
        told.append(tr(", {comment}").format(comment=one.comment))
    return "".join(told)


def changed(now: Edition, moved: Sequence[tuple[str | None, Edition]]) -> Iterator[str]:
    """What a version is now, and what became of others by that, each with what it was."""
    yield tr("version {version} is {state}").format(version=now.version, state=state(now))
    for was, one in moved:
        text = tr("version {version}, which was {was}, is {state} now")
        yield text.format(version=one.version, was=tr(STATES[was]) if was else was, state=state(one))


def change(one: Mapping[str, Any]) -> str:
    """What was done with a version once, by whom, and why."""
    said = msgspec.json.decode(one["detail"])
    act = tr("{at}  {version}  {act} by {by}").format(
        at=one["at"], version=one["version"], act=tr(ACTS[one["act"]]), by=said["by"]
    )
    if share := said.get("share"):
        act += tr(" ({share})").format(share=share)
    return f"{act}{tr(': ')}{said['comment']}" if said["comment"] else act


def compared(before: str, after: str, found: Sequence[Difference]) -> Iterator[str]:
    """Rule by rule, what it was and what it is."""
    yield f"{before} → {after}"
    if not found:
        yield tr("they decide alike")
    for one in found:
        rule = tr(SETTINGS[one.rule]) if one.kind == "settings" else tr(one.rule) if one.rule == OTHERWISE else one.rule
        yield f"{tr(KINDS[one.kind])}{tr(': ')}{tr(', ').join(filter(None, (one.group, rule)))}"
        yield from (f"  {sign} {line}" for sign, line in (("-", one.before), ("+", one.after)) if line)


def tried(version: str, orders: int, found: pl.DataFrame, speech: Vocabulary) -> Iterator[str]:
    """What a shadow would do otherwise on how many of `orders`; `found` in `trial.MOVES`."""
    if not orders:
        text = tr("{version} has been no order's shadow yet: `orderhub rules shadow {version}` makes it one")
        yield text.format(version=version)
        return
    text = tr("{version} would treat {n} of {orders} orders otherwise")
    yield text.format(version=version, n=f"{int(found['orders'].sum()):,}", orders=f"{orders:,}")
    for row in found.head(TOLD).iter_rows(named=True):
        now, then = (
            tr("; ").join(wish(said, speech) for said in row[name]) or tr("nothing") for name in ("now", "then")
        )
        yield f"{row['orders']:>6}  {now} → {then}  {tr(' ({share})').format(share=tr(', ').join(row['some']))}"
    if found.height > TOLD:
        yield tr("… and {count} more: all by --json").format(count=f"{found.height - TOLD:,}")


def proven(found: Reproduced) -> Iterator[str]:
    """What deciding once more came to."""
    text = tr("{same} of {orders} orders with decisions are decided the same once more")
    yield text.format(same=f"{found.same:,}", orders=f"{found.orders:,}")
    if found.expired:
        text = tr("{n} cannot be looked at: messages of theirs have expired (limits.raw_days)")
        yield text.format(n=f"{found.expired:,}")
    for name, count in found.unknown.items():
        yield tr("{n} were decided by {version}, which is not kept").format(n=f"{count:,}", version=name)
    for reason, count in found.unreadable.items():
        yield tr("{n} cannot be read now: {reason}").format(n=f"{count:,}", reason=retold(reason, tr))
    for one in found.differences[:TOLD]:
        yield tr("{order} by {version}").format(order=f"{one.shop} {one.order_no}", version=one.version)
        for text, rows in ((tr("recorded: {what}"), one.recorded), (tr("once more: {what}"), one.again)):
            yield from ("  " + text.format(what=_decision(row)) for row in rows)
    if len(found.differences) > TOLD:
        yield tr("… and {count} more: all by --json").format(count=f"{len(found.differences) - TOLD:,}")


def _decision(row: Sequence[object]) -> str:
    """Of a row of `store.recorded.Recorded`."""
    _, _, rule, verb, argument, *_, parcel = row
    return f"{rule} {word_of(str(verb))} {argument}" + (f" [{parcel}]" if parcel else "")


_AFTER = re.compile(r"(?P<argument>.*?)(?P<after>(?: × \d+)?(?: \[\d+\])?)")


def wish(said: str, speech: Vocabulary) -> str:
    """An action as `trial.MOVES` writes it, in the words of a book."""
    verb, _, rest = said.partition(" ")
    parts = _AFTER.fullmatch(rest)
    if verb not in VERBS or parts is None:
        return said
    return f"{word_of(verb)} {print_argument(verb, parts['argument'], speech, language())}{parts['after']}"


def word_of(verb: str) -> str:
    """What an action is called where rules are written."""
    return VERBS[verb].zh if language() == "zh" and verb in VERBS else verb


def decided(orders: Sequence[tuple[str, str]], became: Mapping[str, int], names: Names) -> str:
    """Of orders (shop and number) on which no rulebook had spoken, and what has become of them, if anything."""
    if not orders:
        return tr("no order is to be sent on which no rulebook has spoken")
    if became:
        text = tr(
            "decided: {n}; go to their warehouse: {going}, wait for a person: {held}, have no warehouse: {nowhere}"
        )
        counts = {fate: f"{became.get(fate, 0):,}" for fate in ("going", "held", "nowhere")}
        return text.format(n=f"{len(orders):,}", **counts)
    told = [f"  {names.typed('shop', shop)} {order_no}" for shop, order_no in orders[:TOLD]]
    more = [tr("… and {count} more: all by --json").format(count=f"{len(orders) - TOLD:,}")] * (len(orders) > TOLD)
    text = tr("orders to be sent on which no rulebook has spoken: {n}; without --dry-run each is decided, once")
    return "\n".join([text.format(n=f"{len(orders):,}"), *told, *more])
