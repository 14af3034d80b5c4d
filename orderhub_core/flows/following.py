"""What later news of an order mean for what was intended for it, if nobody has performed that yet.

An order that goes in several parcels is followed in all of them. Of these one may be on its way as another still waits:
what is said to be shipped, or is with a carrier, is held for a person there and never withdrawn. And lines that come
after it was split go in a parcel of their own: any other may have been handed over before they are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from orderhub_core.effects import Companion
from orderhub_core.flows import away, doubts, parcelling, rows
from orderhub_core.flows.away import GOES, GONE
from orderhub_core.flows.companions import key_of
from orderhub_core.flows.news import News
from orderhub_core.flows.parcelling import Part, Parts
from orderhub_core.flows.places import Places
from orderhub_core.flows.recent import Orders, of_other_shops
from orderhub_core.fold import CASE_OPENED, CASE_REFUNDED, Entry, Folded, Head
from orderhub_core.model import FIRST_ADDED_LINE, Event, Line
from orderhub_core.people import Packing
from orderhub_core.rules.merging import wish
from orderhub_core.store import packs
from orderhub_core.store.ahead import Reads
from orderhub_core.store.statements import AGAIN
from orderhub_core.store.unit import Calm, Forestalled, Hold, Message, Row, Withdrawal, Writes

STOPPED_BY = frozenset({Event.CANCELLED.value, Event.REFUNDED.value, Event.VOIDED.value})
"""What a warehouse may not know yet; that it was intercepted, it says itself."""
REFUNDED_BY = frozenset({doubts.PARTLY_REFUNDED, CASE_REFUNDED})
RELINED = "its lines changed after it was split: what goes in which parcel?"
CHANGED = "its lines changed since"
MISSED = "was to be packed with an order that has gone, and is not: what is in which parcel?"


class Carried(NamedTuple):
    """What this batch has carried out on an order."""

    stated: tuple[Line, ...] | None
    """Its lines, if the batch had stated any by then."""
    bought: Sequence[Line]
    gifts: list[Line]
    done: list[rows.Done]
    parts: Parts


class Following:
    """That of one batch, written into its `writes`."""

    def __init__(self, reads: Reads, places: Places, orders: Orders, news: News, writes: Writes) -> None:
        self.reads, self.orders, self.news, self.writes = reads, orders, news, writes
        self._makes = not places.bases.is_empty()
        """Whether there is anybody to make what was ordered."""
        self.carried: dict[int, Carried] = {}
        """By whoever decides."""
        self._stopped: dict[int, tuple[dict[str, tuple[int, int]], int]] = {}
        """Why, since which moment, and `there`, as of `Writes.withdrawn`: the first of each, since a person is told of
        it once. And how many parcels the order had then. Not of what is owed again by what was learnt since."""
        self._held: dict[int, dict[str, tuple[int, int]]] = {}
        """Why, since which moment, and `there`."""
        self._under_way: dict[int, int] = {}
        """Since which moment, of orders that are said to be shipped, or are with a carrier."""
        self._away: set[int] = set()
        """Of these, all of which a carrier has, for all that was known by then."""
        self._seen: dict[int, tuple[Line, ...]] = {}
        """The lines that were looked at last, of orders that have got others."""
        self._changed: dict[int, dict[int, int]] = {}
        """`there`, by line, of orders that consist of other goods."""
        self._calm: set[tuple[int, str]] = set()
        """Orders, and why they are held no more."""
        self._parts: dict[int, Parts] = {}
        """Where the lines of orders go that were split before this batch, or that got more lines since."""
        self._beside: dict[int, Head] = {}
        """Orders that another shop may have, too, and has sent."""
        self._packed: dict[int, tuple[Head, Packing, Message]] = {}
        """What was said last of who is packed with whom."""

    def follow(
        self, head: Head, folded: Folded, moment: int, before: tuple[str, str], kept: str = doubts.KEPT
    ) -> None:  # fmt: skip
        """Take in what an order's news mean. `before` them: its payment and its fulfilment. `kept`: why it is to be
        kept back, where they say so.

        Of an order that is partly refunded only a person knows what is still to be sent. One that is said to be shipped
        before its warehouse was told of it is another hand's; once the carrier has it, nothing is left to be done.
        Who has let an order go knew all that was known then: only what was applied after that `moment` holds it again.
        """
        number, news = head.order_id, folded.entries
        if not head.decided or not (head.warehouse_by == "rule" or self._makes):
            return
        changed = self._is_changed(number)
        relined = changed and head.decided > 1 and parcelling.relined(self._before(number), self.news.lines[number])
        others = parcelling.changed(self._before(number), self.news.lines[number], head.decided) if changed else set()
        if changed:
            self._seen[number] = self.news.lines[number]
        if head.decided > 1 and number in self.news.lines:
            self._place_new(head)
        if doubts.is_stopped(head):
            reasons, _ = self._stopped.get(number, ({}, 0))
            since, there = reasons.get(why := f"the order is {head.headline}", (moment, GONE))
            if there == GONE:
                there = away.there(head, moment if any(entry.event in STOPPED_BY for entry in news) else 0)
            reasons[why] = since, there
            self._stopped[number] = reasons, head.decided
            return
        was_stopped = before != (head.payment, head.fulfilment) and doubts.stops(*before)
        if was_stopped and not away.is_away(head):
            self._go_on(head, moment)
        if doubts.is_kept(head) and any(entry.event == doubts.HOLD_REQUESTED for entry in news):
            self._hold(head, kept, moment)
        if doubts.PARTLY_REFUNDED in head.facts:
            self._hold(head, doubts.REFUNDED, moment if any(entry.event in REFUNDED_BY for entry in news) else 0)
        if head.after_sale not in doubts.CALM:
            another = folded.reopened or any(doubts.is_a_case(entry) or entry.event == CASE_OPENED for entry in news)
            self._hold(head, doubts.WANTED_BACK, moment if another else 0)
        elif any(map(doubts.is_a_case, news)):
            self._calm.add((number, doubts.WANTED_BACK))
        if head.cases and doubts.one_more(head, news):
            self._hold(head, doubts.many(head), moment)
        if not doubts.READDRESSING.isdisjoint(head.facts):
            self._readdress(head, moment if any(entry.event in doubts.READDRESSING for entry in news) else 0)
        if relined:
            self._hold(head, RELINED, moment, GONE)
        if others and (there := away.there(head, moment)) != GONE:
            self._changed.setdefault(number, {}).update(dict.fromkeys(others, there))
        if away.is_said(head):
            anew = was_stopped or any(map(away.is_under_way, news))
            self._under_way[number] = moment if anew else self._under_way.get(number, 0)
            self._away |= {number} if away.is_away(head) else set()

    def beware(self, head: Head, news: Iterable[Entry], moment: int) -> None:
        """Take in that an order has left by whatever hand: what another shop has by that number may be the same one. Of
        what a warehouse has already a person is told where nobody was asked yet, as this one was decided."""
        if not any(map(away.is_under_way, news)):
            return
        for other in of_other_shops(self.orders, head):
            if other.decided and doubts.may_be_one(head, other):
                told = not head.decided and away.there(other, moment) != GONE
                self._beside[other.order_id] = other
                self._hold(other, doubts.ELSEWHERE.format(shop=head.shop), moment, 0 if told else GONE)

    def pack(self, head: Head, said: Packing, message: Message, moment: int) -> None:
        """Take in with whom an order is packed. One that goes in several parcels, or is nobody's of ours, is not."""
        if head.decided == 1 and head.warehouse_by == "rule":
            self._packed[head.order_id] = (head, said, message)
            if said.missed:
                self.writes.held.append(Hold(MISSED, moment, GONE, False, rows.push_key(head.shop, head.order_no)))

    def _go_on(self, head: Head, moment: int) -> None:
        """It is owed once more. Who has seen to its stop knew nothing of that, nor of what was learnt meanwhile."""
        stopped, _ = self._stopped.pop(head.order_id, ({}, 0))
        for why, (since, there) in stopped.items():
            self._hold(head, why, since, there)
        for why in (AGAIN, *doubts.of_all(head, of_other_shops(self.orders, head)), *doubts.of_its_way(head)):
            self._hold(head, why, moment)

    def _hold(self, head: Head, why: str, since: int, there: int | None = None) -> None:
        """`there`: as of `store.unit.Hold`, where that does not follow from the order."""
        self._calm.discard((head.order_id, why))
        held = self._held.setdefault(head.order_id, {})
        before, known = held.get(why, (GOES, GONE))
        held[why] = max(before, since), max(known, away.there(head, since) if there is None else there)

    def _readdress(self, head: Head, since: int) -> None:
        """Who packed it for the receiver before is told, also where the new one is known already."""
        if doubts.of_its_way(head):
            self._hold(head, doubts.READDRESSED, since)
            return
        if since:
            self._hold(head, doubts.READDRESSED, GOES, away.there(head, since))
        self._calm.add((head.order_id, doubts.READDRESSED))

    def _is_changed(self, number: int) -> bool:
        """Whether its lines were stated anew, and otherwise, since it was looked at last."""
        lines, carried = self.news.lines.get(number), self.carried.get(number)
        return not (lines is None or lines is self._seen.get(number) or (carried and lines is carried.stated))

    def _before(self, number: int) -> Sequence[Line]:
        """Its lines when it was looked at last."""
        if number not in self._seen:
            self._seen[number] = tuple(
                carried.bought if (carried := self.carried.get(number)) else self._bought(number)
            )
        return self._seen[number]

    def _place_new(self, head: Head) -> None:
        """Put the lines that no parcel has in one more, from where the first one leaves."""
        number = head.order_id
        parts = self._parts_of([head])[number]
        known = {part.line_no for part in parts}
        new = [line.line_no for line in self.news.lines[number] if line.line_no not in known]
        if not new:
            return
        head.decided += 1
        warehouse = min(parts, key=attrgetter("parcel")).warehouse
        placed = tuple(Part(line_no, head.decided, warehouse) for line_no in dict.fromkeys(new))
        self._parts[number] = parts + placed
        self.news.lasting_rows(self.writes, "splits", number).extend((number, *part) for part in placed)
        # Since now; what is in it, `_renew` tells.
        message = self.news.last_message[number]
        self.writes.new["outbox"].append(
            rows.parcel_push_row(head, head.decided, warehouse, (), (), message, "", rows.UNMARKED)
        )

    def _parts_of(self, heads: Iterable[Head]) -> dict[int, Parts]:
        """By order, of those that go in several parcels."""
        several = [head.order_id for head in heads if head.decided > 1]
        self._parts |= {
            number: own.parts for number in several if number not in self._parts and (own := self.carried.get(number))
        }
        missing = [number for number in several if number not in self._parts]
        if missing:
            self._parts |= parcelling.of_rows(self.reads.split_rows(missing))
        return self._parts

    def _bought(self, number: int) -> list[Line]:
        lines = (Line(*fields) for _, *fields in self.reads.line_rows([number]))
        return [line for line in lines if line.line_no < FIRST_ADDED_LINE]

    def settle(self) -> None:
        """Write what the news of the batch mean for what is not performed yet."""
        for number, (stopped, parcels) in self._stopped.items():
            later = rows.push_keys(self.news.touched[number])[parcels:]
            keys = [key for key in self._keys(number) if key not in later]
            self.writes.withdrawn += [
                Withdrawal(why, there, key) for key in keys for why, (_, there) in stopped.items()
            ]
        for number, reasons in self._held.items():
            in_turn = sorted(reasons.items(), key=lambda reason: reason[1])
            self.writes.held += [
                Hold(why, *since, why == AGAIN, key, doubts.PASSING.get(why, ""))
                for why, since in in_turn
                for key in self._keys(number, why)
            ]
        for number, changed in self._changed.items():
            there = max(changed.values())
            self.writes.held += [Hold(CHANGED, GOES, there, False, key) for key in self._keys_of(number, changed)]
        for number, why in self._calm:
            self.writes.calmed += [Calm(why, doubts.PASSING[why], key) for key in self._keys(number, why)]
        for number, since in self._under_way.items():
            forestalled = away.forestalled(self.news.touched[number], since, carried=number in self._away)
            self.writes.forestalled += [Forestalled(*forestalled, key) for key in self._keys(number)]
        relined = [self.news.touched[number] for number in self.news.lines]
        self._renew([head for head in relined if head.decided and self._is_renewed(head)])

    def _keys(self, number: int, why: str = "") -> list[str]:
        """Of all that is to be handed over of an order, or made for it, that is held or stopped for this."""
        head = self.news.touched.get(number) or self._beside[number]
        keys = rows.push_keys(head)
        return [*keys, rows.work_key(head.shop, head.order_no)] if self._makes and why != doubts.READDRESSED else keys

    def _keys_of(self, number: int, lines: Iterable[int]) -> list[str]:
        """As `_keys`; of an order in several parcels, of those alone that these lines go in."""
        head = self.news.touched[number]
        if head.decided == 1:
            return self._keys(number)
        parcels = {part.parcel for part in self._parts_of([head])[number] if part.line_no in set(lines)}
        others = {key for place, key in enumerate(rows.push_keys(head), 1) if place not in parcels}
        return [key for key in self._keys(number) if key not in others]

    def _renew(self, relined: Sequence[Head]) -> None:
        """What is handed over, and made, is what the order consists of now, and says what it is packed with."""
        packed = [head for head, *_ in self._packed.values()]
        heads = list({head.order_id: head for head in (*relined, *packed)}.values())
        earlier = [head for head in heads if head.order_id not in self.carried]
        lines, done, parts = self._lines_of(earlier), self._done_for(earlier), self._parts_of(heads)
        companions = self._companions(heads, done)

        def own(number: int) -> Carried:
            return self.carried.get(number) or Carried(None, *lines.get(number, ([], [])), done.get(number, []), ())

        def pushed(head: Head, message: Message, pack_with: Iterable[Companion]) -> list[Row]:
            number = head.order_id
            known = own(number)
            consists = [*self.news.lines.get(number, known.bought), *known.gifts]
            return parcelling.push_rows(
                head,
                consists,
                parts.get(number, ()),
                message,
                partial(rows.marks, known.done),
                pack_with=sorted(pack_with),
            )

        for head in relined:
            number, message = head.order_id, self.news.last_message[head.order_id]
            if head.warehouse_by == "rule":
                self.writes.renewed_effects += pushed(head, message, companions.get(number, ()))
            self.writes.renewed_effects += [
                rows.work_row(head, base, self.news.lines[number], message)
                for action, base, _ in own(number).done
                if action == "work_order"
            ]
        for head, said, message in self._packed.values():
            anew = [Companion(*one) for one in said.companions]
            key, _, _, payload, *_ = pushed(head, message, anew)[0]
            self.writes.packed |= {key, *map(key_of, companions.get(head.order_id, ())), *map(key_of, anew)}
            self.writes.words += packs.steps(said, head.order_id, key, payload, message.received_at)

    def _is_renewed(self, head: Head) -> bool:
        """Whether its lines changed after the rulebook spoke on it."""
        carried = self.carried.get(head.order_id)
        return carried is None or carried.stated is not self.news.lines[head.order_id]

    def _done_for(self, heads: Sequence[Head]) -> dict[int, list[rows.Done]]:
        decided: dict[int, list[rows.Done]] = {}
        orders = [head.order_id for head in heads]
        for order_id, *done in self.reads.decided_rows(orders) if orders else ():
            decided.setdefault(order_id, []).append(tuple(done))
        return decided

    def _companions(
        self, heads: Sequence[Head], done: dict[int, list[rows.Done]]
    ) -> dict[int, list[Companion]]:  # fmt: skip
        """What orders say to be packed with before this batch."""
        merged = [head.order_id for head in heads if wish(done.get(head.order_id, ()))]
        found: dict[int, list[Companion]] = {}
        for number, *name in self.reads.pack_rows(merged) if merged else ():
            found.setdefault(number, []).append(Companion(*name))
        return found

    def _lines_of(self, heads: Sequence[Head]) -> dict[int, tuple[list[Line], list[Line]]]:
        """What was bought, and what a rule has added."""
        found: dict[int, tuple[list[Line], list[Line]]] = {}
        orders = [head.order_id for head in heads]
        for order_id, *fields in self.reads.line_rows(orders) if orders else ():
            line = Line(*fields)
            found.setdefault(order_id, ([], []))[line.line_no >= FIRST_ADDED_LINE].append(line)
        return found
