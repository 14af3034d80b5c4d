"""The nine questions that people ask of an order which was routed, answered from what was known at its turn.

The list is that of IBM's Sterling Service Optimization Explainer: why split, what shipping costs, why a further node,
the stock at that time, the total cost, order date, ship date, why upgraded, why not shipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from orderhub_core.i18n import Translate, yuan
from orderhub_core.rules.actions import HOLDS, NEAREST, NEVER
from orderhub_core.rules.buyers import BOUGHT
from orderhub_core.rules.claims import Outcome
from orderhub_core.rules.shortages import shortages
from orderhub_core.rules.splitting import BY_KIND, narrowed
from orderhub_core.rules.turn import Case
from orderhub_core.rules.ways import read

QUESTIONS: Mapping[str, str] = {
    "split": "Why is it split?",
    "shipping_cost": "What does shipping cost?",
    "further": "Why does a warehouse further away ship it?",
    "stock": "What was in stock at that time?",
    "total_cost": "What does it cost in all, and what would the others have cost?",
    "order_date": "When was it ordered?",
    "ship_date": "When is it shipped?",
    "upgraded": "Why this carrier?",
    "not_shipped": "Why is it not shipped?",
}
"""English; `locale/zh/rules_why.po` has the Chinese."""
_UNPAID = ("unpaid", "void")
_STOPPED = ("intercepted", "cancelled")


class Answer(NamedTuple):
    question: str
    """One of QUESTIONS."""
    answer: str
    figures: tuple[dict[str, Any], ...] = ()
    """What it rests on."""


Word = Callable[[str, str], str]
"""What the argument of a verb is called in the reader's language."""


def answers(one: Case, tr: Translate, word: Word) -> list[Answer]:
    """In the order of QUESTIONS. The reasons of the decisions are told as they are."""
    from_cases: dict[str, Callable[[Case, Translate], Answer]] = {
        "split": partial(_split, word=word), "shipping_cost": _shipping, "further": _further, "stock": _stock,
        "total_cost": _total, "order_date": _ordered, "ship_date": _shipped,
        "upgraded": partial(_upgraded, word=word), "not_shipped": partial(_not_shipped, word=word),
    }  # fmt: skip
    return [from_cases[name](one, tr)._replace(question=name) for name in QUESTIONS]


def _split(one: Case, tr: Translate, word: Word) -> Answer:
    rules = one.of("split")
    never = [each for each in rules if each["argument"] == NEVER]
    told = tr("; ").join(f"{each['rule']}{tr(': ')}{each['reason']}" for each in never or rules)
    if never:
        return Answer("", tr("It is not split: {rules}").format(rules=told))
    way = read(rules[0]["argument"]) if rules else None
    if way and way.kind in BY_KIND:
        text = tr("A rule puts each {goods} into parcels of its own: {rules}")
        if way.limit:
            text = tr("A rule puts each {goods} into parcels of its own, {n} at most: {rules}")
        going = one.goes.drop_nulls("parcel").select("line_no", "warehouse", "parcel").to_dicts()
        return Answer("", text.format(goods=word("split", way.kind), n=way.most, rules=told), tuple(going))
    if one.outcome is None:
        text = tr("Rules split it: {rules}") if rules else tr("It is not split: no rule asks for it.")
        return Answer("", text.format(rules=told))
    most = narrowed(pl.lit(rules[0]["argument"] if rules else ""), one.routes.height, pl.lit(one.lines.height))
    return _from_places(one, one.outcome, pl.select(most).item(), told, tr)


def _from_places(one: Case, outcome: Outcome, most: int | None, rules: str, tr: Translate) -> Answer:
    """`most`: the parcels that rules allow, where they say a number."""
    parcels = outcome.lines.drop_nulls("parcel").to_dicts()
    fate = next(iter(outcome.orders["outcome"]), None)
    count = len({each["parcel"] for each in parcels})
    if most and fate == "short":
        text = tr(
            "It goes nowhere yet: no warehouse has it whole ({lacks}), and rules allow {most} parcels at most: {rules}"
        )
    elif count < 2 and fate != "partial":
        text = tr("It is not split: it goes in {n} parcel(s).")
    elif most:
        text = tr(
            "It goes in {n} parcel(s), as no warehouse has it whole ({lacks}), and rules allow {most} at most: {rules}"
        )
    else:
        text = tr("It goes in {n} parcel(s), because no warehouse has it whole ({lacks}), and rules allow it: {rules}")
    return Answer("", text.format(n=count, most=most, lacks=_lacks(one, tr), rules=rules), tuple(parcels))


def _lacks(one: Case, tr: Translate) -> str:
    told = shortages(one.outcome.lacks, tr)["why"] if one.outcome is not None else pl.Series([], dtype=pl.String)
    return told[0] if len(told) else tr("nothing lacks")


def _shipping(one: Case, tr: Translate) -> Answer:
    own = one.costs.filter(pl.col("parcel") > 0).to_dicts()
    if one.costs.is_empty():
        return Answer("", tr("Nobody has said what parcels cost: give --freight, and the province of orders."))
    if not own:
        return Answer("", tr("Nothing goes yet, so nothing is paid."))
    each = tr("{warehouse}, parcel {parcel}: {cost}")
    told = tr("; ").join(each.format(**part, cost=_money(part["cost_minor"], tr)) for part in own)
    return Answer("", told, tuple(own))


def _total(one: Case, tr: Translate) -> Answer:
    own = one.costs.filter(pl.col("parcel") > 0)["cost_minor"]
    whole = one.costs.filter(pl.col("parcel") == 0).sort("cost_minor", nulls_last=True).to_dicts()
    if one.costs.is_empty() or own.is_empty():
        return _shipping(one, tr)
    total = None if own.null_count() else int(own.sum())
    others = tr("; ").join(f"{each['warehouse']} {_money(each['cost_minor'], tr)}" for each in whole)
    text = tr("{total} in {n} parcel(s); whole from one warehouse: {others}")
    figures = [{"total_minor": total}, *({k: each[k] for k in ("warehouse", "cost_minor")} for each in whole)]
    return Answer("", text.format(total=_money(total, tr), n=len(own), others=others), tuple(figures))


def _money(minor: int | None, tr: Translate) -> str:
    return tr("no price") if minor is None else yuan(minor)


def _further(one: Case, tr: Translate) -> Answer:
    used = _used(one)
    figures = tuple(one.routes.sort("rank").drop("order_id").to_dicts())
    rules = tr("; ").join(f"{each['rule']}{tr(': ')}{each['reason']}" for each in one.of("assign_warehouse"))
    if not used:
        return Answer("", tr("No warehouse ships it."), figures)
    nearest = one.routes.drop_nulls("distance_km").sort("distance_km")["warehouse"].head(1).to_list()
    named = [each["argument"] for each in one.of("assign_warehouse") if each["argument"] != NEAREST]
    if nearest and used == nearest:
        text = tr("It does not: {warehouse} is the nearest.")
    elif set(used) <= set(named):
        text = tr("A rule sends it to {warehouse}: {rules}")
    elif one.outcome is not None and one.outcome.lacks.height:
        text = tr("{warehouse} ships it, because those before it lacked something: {lacks}")
    elif not nearest:
        text = tr("{warehouse} ships it; which is the nearest, nobody has said: give --warehouses, and orders latitude"
                  " and longitude.")  # fmt: skip
    else:
        text = tr("{warehouse} ships it, as the first of its list.")
    return Answer("", text.format(warehouse=tr(", ").join(used), rules=rules, lacks=_lacks(one, tr)), figures)


def _used(one: Case) -> list[str]:
    if one.outcome is not None:
        found: list[str] = one.outcome.lines["warehouse"].drop_nulls().unique(maintain_order=True).to_list()
        return found
    return [each["argument"] for each in one.of("assign_warehouse") if each["argument"] != NEAREST][:1]


def _stock(one: Case, tr: Translate) -> Answer:
    if one.stock is None:
        return Answer("", tr("Nobody has said what was there: give --stock."))
    each = tr("{warehouse}: {sku} {on_hand} on hand, {safety} of them kept back")
    told = tr("; ").join(each.format(**row) for row in one.stock.iter_rows(named=True))
    return Answer("", told or tr("No warehouse had any of it."), tuple(one.stock.to_dicts()))


def _ordered(one: Case, tr: Translate) -> Answer:
    told = {"placed_at": tr("placed {at}"), "deferred_at": tr("accepted {at}, to be paid later")}
    own = one.order
    own = own | {"paid_at": own[BOUGHT]} if BOUGHT in own else own  # its own is since when it is owed
    return _instants(one._replace(order=own), {**told, "paid_at": tr("paid {at}")}, tr)


def _shipped(one: Case, tr: Translate) -> Answer:
    return _instants(one, {"shipped_at": tr("shipped {at}"), "promised_at": tr("promised until {at}")}, tr)


def _instants(one: Case, texts: Mapping[str, str], tr: Translate) -> Answer:
    known = {name: one.order[name] for name in texts if one.order.get(name) is not None}
    zone = ZoneInfo(one.zone)
    told = tr("; ").join(texts[name].format(at=at.astimezone(zone).isoformat(sep=" ")) for name, at in known.items())
    return Answer("", told or tr("That is not known."), ({**known},) if known else ())


def _upgraded(one: Case, tr: Translate, word: Word) -> Answer:
    chosen = {row["parcel"]: row for row in reversed(one.of("carrier"))}
    if not chosen:
        text = tr("No rule chooses the carrier; the order's own is {carrier}.")
        return Answer("", text.format(carrier=one.order.get("carrier") or tr("not known")))

    def told(row: dict[str, Any]) -> str:
        text = tr("{carrier}, by the rule {rule}: {reason}")
        return text.format(carrier=word("carrier", row["argument"]), rule=row["rule"], reason=row["reason"])

    if one.parcels == 1 or not any(chosen):
        return Answer("", told(chosen[max(chosen)]))
    text = tr("parcel {parcel}: {why}")
    each = [text.format(parcel=parcel, why=told(row)) for parcel, row in sorted(chosen.items()) if parcel]
    others = [tr("any other parcel: {why}").format(why=told(chosen[0]))] if 0 in chosen else []
    return Answer("", tr("; ").join([*each, *others]))


def _not_shipped(one: Case, tr: Translate, word: Word) -> Answer:
    order = one.order
    if order.get("shipped_at") is not None:
        return Answer("", tr("It is shipped."))
    why = []
    payment, never_paid = order.get("payment"), "paid_at" in order and order["paid_at"] is None
    if payment in _UNPAID or (payment != "deferred" and never_paid):
        why.append(tr("it is not paid"))
    if order.get("payment") == "refunded" or order.get("fulfilment") in _STOPPED:
        why.append(tr("it is refunded or cancelled"))
    for each in one.of("hold"):
        blocks = tr(", ").join(map(tr, HOLDS[each["argument"]].blocks))
        why.append(tr("held ({hold}, blocks {steps}) by {rule}: {reason}").format(
            hold=word("hold", each["argument"]), steps=blocks, rule=each["rule"], reason=each["reason"]))  # fmt: skip
    for each in one.of("approve"):
        role = word("approve", each["argument"])
        why.append(tr("{rule} asks for the approval of {argument}: {reason}").format(**each | {"argument": role}))
    if one.outcome is not None and one.outcome.orders["outcome"].cast(pl.String).to_list() == ["short"]:
        why.append(tr("no warehouse has it: {lacks}").format(lacks=_lacks(one, tr)))
    elif not _used(one) and not one.of("assign_warehouse"):
        why.append(tr("no rule sends it to a warehouse"))
    return Answer("", tr("; ").join(why) or tr("Nothing keeps it back; its warehouse has not shipped it yet."))
