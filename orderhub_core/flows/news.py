"""What a batch has learnt of orders, from the first message to the rows of its commit."""

from __future__ import annotations

from orderhub_core.flows import rows
from orderhub_core.fold import Entry, Folded, Head, as_entry
from orderhub_core.model import Content, Line, Person
from orderhub_core.store.unit import Message, Row, Writes


class News:
    """Of the orders of one batch, by order id."""

    def __init__(self) -> None:
        self.created: set[int] = set()
        self.touched: dict[int, Head] = {}
        """Whatever the batch changed of an order, its row is written."""
        self.last_message: dict[int, Message] = {}
        """That changed it."""
        self.lines: dict[int, tuple[Line, ...]] = {}
        """That are others since this batch; `stated_lines` also those that were only stated once more."""
        self.stated_lines: dict[int, tuple[Line, ...]] = {}
        self.entries: list[Entry] = []
        """For the log, in the order in which they happened to us."""
        self._restated: set[int] = set()
        self._persons: dict[int, Content] = {}
        self._paid: dict[int, Head] = {}
        self._boxed: dict[int, Head] = {}

    def create(self, head: Head) -> None:
        self.created.add(head.order_id)
        self.touched[head.order_id] = head

    def note(self, head: Head, content: Content | None, folded: Folded, message: Message) -> None:
        """Take in what an observation changed."""
        order_id = head.order_id
        self.entries += folded.entries or _restated(head, message)
        self.touched[order_id], self.last_message[order_id] = head, message
        if folded.boxed:
            self._boxed[order_id] = head
        if folded.paid:
            self._paid[order_id] = head
        if content is None:
            return
        if folded.restated:
            self._restated.add(order_id)
        if folded.lines is not None:
            self.lines[order_id] = folded.lines
        if folded.whole and content.lines is not None:
            self.stated_lines[order_id] = content.lines
        if folded.person:
            self._persons[order_id] = content

    def write(self, writes: Writes, stamp: int) -> None:
        """The rows of the orders, and of their payments, parcels, lines and receivers where those are news."""
        for order_id, head in self.touched.items():
            head.changed_version = stamp
            if order_id in self.created or order_id in self._restated:
                self.rows(writes, "orders", order_id).append(rows.order_row(head))
            else:
                writes.moved.append(rows.moved_row(head))
        for order_id, head in self._paid.items():
            if head.paid_minor:
                self.rows(writes, "payments", order_id).append(rows.payment_row(head))
            elif order_id not in self.created:
                writes.unpaid.append((order_id,))
        for order_id, head in self._boxed.items():
            self.rows(writes, "parcels", order_id).extend(rows.parcel_rows(head))
        for order_id, lines in self.lines.items():
            if order_id not in self.created:
                writes.retired_lines.append((self.last_message[order_id].received_at, order_id))
            numbered = {line.line_no: rows.line_row(order_id, line, "") for line in lines}
            self.rows(writes, "lines", order_id).extend(numbered.values())
        for order_id, content in self._persons.items():
            person = content.person or Person()
            row = (order_id, person.name, person.phone, person.address, content.note)
            self.rows(writes, "persons", order_id).append(row)

    def rows(self, writes: Writes, table: str, order_id: int) -> list[Row]:
        """Of an order that this batch creates nothing can be there yet: its rows need not look for any."""
        return (writes.inserts if order_id in self.created else writes.upserts)[table]

    def lasting_rows(self, writes: Writes, table: str, order_id: int) -> list[Row]:
        """Where rows are put that stay as they are, whoever says something else later."""
        return (writes.inserts if order_id in self.created else writes.new)[table]


def _restated(head: Head, message: Message) -> list[Entry]:
    """What only says once more what is known hides what older messages say that come later. While the rulebook may
    still speak on the order, its decision follows from this, too: who decides once more must find the message."""
    if head.decided or head.fulfilment != "waiting":
        return []
    at, source, number = message.received_at, message.source, message.id
    return [as_entry((head.order_id, "order.restated", at, at, "", "", "noted", source, number, ""))]
