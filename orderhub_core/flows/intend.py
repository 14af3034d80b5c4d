"""What the hub intends for the orders of a batch: a warehouse, gifts, a push, and what is taken back of that.

Pure apart from reading the lines of orders that a batch did not bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from orderhub_core.flows import rows
from orderhub_core.flows.news import News
from orderhub_core.fold import Entry, Head
from orderhub_core.model import Event, Line
from orderhub_core.rules.book import Book
from orderhub_core.rules.decide import Decision, decide
from orderhub_core.store.ahead import Reads
from orderhub_core.store.unit import Writes

FIRST_ADDED_LINE = 1_000
STOPPED = frozenset({"cancelled", "intercepted"})
PAID = frozenset({"paid", "partly_refunded", "settled"})
_json = msgspec.json.Encoder(order="deterministic").encode


class Intentions(NamedTuple):
    """Those of one batch, written into its `writes` and the log entries of its news."""

    reads: Reads
    book: Book
    news: News
    writes: Writes

    def form(self) -> None:
        """Take back what no longer holds, then let the rulebook speak on orders that it has not spoken on."""
        self._withdraw()
        book = self.book
        undecided = [head for head in self.news.touched.values() if _is_undecided(head)]
        if not undecided or not (book.routing or book.gift or book.default_warehouse):
            return
        lines = self._lines_of(undecided)
        decisions = decide(rows.orders_frame(undecided), rows.lines_frame(lines), book)
        by_order: dict[int, list[Decision]] = {}
        for order_id, *decision in decisions.iter_rows():
            by_order.setdefault(order_id, []).append(Decision(*decision))
        for head in undecided:
            self._carry_out(head, lines[head.order_id], by_order.get(head.order_id, []))

    def _carry_out(self, head: Head, lines: Sequence[Line], decisions: list[Decision]) -> None:
        message, version = self.news.last_message[head.order_id], self.book.version
        at = message.received_at
        gifts: list[Line] = []
        for rule, action, argument, quantity, parent, reason in decisions:
            if action == "assign_warehouse":
                if head.warehouse is not None:
                    continue
                head.warehouse, head.warehouse_by = argument, "rule"
            else:
                gifts.append(Line(FIRST_ADDED_LINE + len(gifts), argument, quantity=quantity, gift_of=parent))
                self.writes.upserts["lines"].append(rows.line_row(head.order_id, gifts[-1], rule))
            detail = _cause(rule, version)
            self.news.entries.append(
                Entry(head.order_id, f"rule.{action}", at, at, "", argument, "decided", "rules", message.id, detail)
            )
            self.writes.new["decisions"].append((head.order_id, rule, version, action, argument, reason, at))
        head.decided = 1
        if head.warehouse_by == "rule":
            self.writes.new["outbox"].append(rows.push_row(head, [*lines, *gifts], message))

    def _withdraw(self) -> None:
        """What was intended for an order that has stopped, or has other lines now, and nobody has performed yet.

        Of an order that is partly refunded only a person knows what is still to be sent.
        """
        routed = [head for head in self.news.touched.values() if head.decided and head.warehouse_by == "rule"]
        for head in routed:
            if head.fulfilment in STOPPED or head.payment not in PAID:
                self.writes.withdrawn.append((f"the order is {head.headline}", rows.push_key(head)))
            elif Event.PARTLY_REFUNDED.value in head.facts:
                self.writes.held.append(("partly refunded: what is still to be sent?", rows.push_key(head)))
        renewed = [head for head in routed if head.order_id in self.news.lines]
        gifts = self._added_lines(renewed)
        for head in renewed:
            lines = [*self.news.lines[head.order_id], *gifts.get(head.order_id, ())]
            self.writes.renewed_effects.append(rows.push_row(head, lines, self.news.last_message[head.order_id]))

    def _lines_of(self, heads: Sequence[Head]) -> dict[int, Sequence[Line]]:
        told = {**self.news.stated_lines, **self.news.lines}
        missing = [head.order_id for head in heads if head.order_id not in told]
        stored: dict[int, list[Line]] = {order_id: [] for order_id in missing}
        for order_id, *fields in self.reads.line_rows(missing) if missing else ():
            stored[order_id].append(Line(*fields))
        return {head.order_id: told.get(head.order_id, stored.get(head.order_id, ())) for head in heads}

    def _added_lines(self, heads: Sequence[Head]) -> dict[int, list[Line]]:
        added: dict[int, list[Line]] = {}
        for order_id, *fields in self.reads.line_rows([h.order_id for h in heads]) if heads else ():
            line = Line(*fields)
            if line.line_no >= FIRST_ADDED_LINE:
                added.setdefault(order_id, []).append(line)
        return added


@lru_cache
def _cause(rule: str, version: str) -> str:
    return _json({"rule": rule, "version": version}).decode()


def _is_undecided(head: Head) -> bool:
    """Paid, its lines known, nothing done for it yet, and the rulebook has not spoken."""
    return (
        head.payment == "paid" and head.fulfilment == "waiting" and not head.decided and head.lines_digest is not None
    )
