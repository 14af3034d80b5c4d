"""What people do with the hub itself is a message like any other, of the source `ops`: one door, one trail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import msgspec

from orderhub_core.errors import Term, Unreadable, UserMistake
from orderhub_core.flows.rows import push_key, push_keys, waits_until, whole_keys
from orderhub_core.fold import Entry, Head
from orderhub_core.model import RawMessage
from orderhub_core.people import BookChange, Deciding, Dismissal, Keep, Packing, Pairing, Release, Review, Word
from orderhub_core.settings import RESERVED
from orderhub_core.signals import Measurement, Signal, SignalEnd, SignalWord
from orderhub_core.store import books, packs, presale, signals
from orderhub_core.store.base import Store
from orderhub_core.store.unit import MOMENTS, Message, Row, Told, Writes
from orderhub_core.supply import Arrival, BatchPlan, Dealing, StockReport

OPS = RESERVED
KINDS: dict[str, type[Word]] = {
    "review": Review, "dismissal": Dismissal, "release": Release, "keep": Keep, "deciding": Deciding,
    "packing": Packing, "pairing": Pairing,
    "rulebook": BookChange,
    "signal": Signal, "signal_end": SignalEnd, "measurement": Measurement, "stock": StockReport,
    "batches": BatchPlan, "arrival": Arrival, "dealing": Dealing,
}  # fmt: skip
TURNING = BookChange | SignalWord | StockReport | BatchPlan | Arrival | Dealing
"""What is said after it is decided differently by: it ends its batch, with others of its kind."""
TURNS = frozenset({"rulebook", "signal", "signal_end", "measurement", "stock", "batches", "arrival", "dealing"})
"""Their kinds."""
ALONE = frozenset({"stock", "dealing"})
"""Kinds that are a batch of their own: they count what all before them have taken, as the store has that."""
TURN_KEY = "rules"
"""In place of an order's number: all of them are one lane's, and hold as they were said, one by one."""
TOGETHER_US = 30_000_000
"""So long who is let go waits once more for others that it may be packed with: they may be let go by the next word."""
WITHDRAWN = -1
"""In the column `consistent` of `reviews`: a judgement that was taken back."""
LONGEST_REASON, LONGEST_NAME = 500, 100
EARLIEST, LATEST = 946_684_800_000_000, 4_102_444_800_000_000
"""Microseconds UTC: the years 2000 and 2100."""
_json = msgspec.json.Encoder(order="deterministic").encode


def decode(kind: str, body: bytes) -> Word:
    """Raises Unreadable."""
    try:
        return msgspec.json.decode(body, type=KINDS[kind])
    except (KeyError, msgspec.DecodeError):
        # Its text would repeat what was written, which may name somebody.
        raise Unreadable("not a word of the hub's own people: {kind}", kind=kind) from None


def noted(
    message: Message, said: Word, head: Head | None, moment: int, writes: Writes, *, merge_wait_us: int = 0
) -> Entry:  # fmt: skip
    """What a person has said is to be written; the log's entry of it. `head`: of the order it is about, if any.
    `moment`: when it is applied, among its lane's messages. `merge_wait_us`: how long orders wait for others at most.
    """
    order_id = head.order_id if head else 0
    match said:
        case Review():
            row, entry = _reviewed(message, said, order_id)
            writes.reviews.append(row)
        case Release():
            note, keys, entry = _released(message, said, head)
            until = waits_until(head, message.received_at, min(TOGETHER_US, merge_wait_us)) if head else 0
            if said.held_for:
                writes.freed += [(note, until, key, said.held_for) for key in keys]
            else:
                # What is applied together with a word was not there to be seen when it was said.
                known = moment >> MOMENTS << MOMENTS if said.seen else moment
                those = [key for key in keys if key in said.seen] if said.seen else keys
                writes.released += [Told(note, until, known, said.act, said.seen.get(key, ""), key) for key in those]
        case Keep():
            entry = _told(message, said, order_id, "order.kept", "keep", "asked")
        case Deciding():
            entry = _told(message, said, order_id, "order.put_to_rules", "", "asked")
        case Packing():
            entry = _told(
                message, said, order_id, "order.packed", "together" if said.companions else "alone", "released"
            )
        case Pairing():
            writes.words.append(packs.pairing(said, message.received_at))
            entry = _told(message, said, order_id, "order.paired", said.say, "noted")
        case Dismissal():
            row, entry = _dismissed(message, said)
            writes.dismissed.append(row)
        case BookChange():
            writes.words += books.steps(said, message.id, message.received_at)
            entry = _changed(message, said)
        case StockReport():
            entry = _counted(message, said)
        case BatchPlan():
            writes.words += presale.steps(said, message.id)
            entry = _planned(message, said)
        case Arrival():
            writes.words.append(presale.arrival(said, message.id))
            at, detail = message.received_at, _json(said).decode()
            entry = Entry(0, "presale.arrived", at, at, "", "", "changed", message.source, message.id, detail)
        case Dealing():
            at = message.received_at
            entry = Entry(0, "presale.dealt", at, at, "", "", "changed", message.source, message.id, "")
        case Signal() | SignalEnd() | Measurement():
            writes.words += signals.steps(said, message.message_id, message.id, message.received_at)
            entry = _reported(message, said)
    return entry


def review(said: Review, at: int) -> RawMessage:
    """`at`, microseconds UTC, tells a second judgement from a first one that is sent again. Raises UserMistake for a
    note or a name that no message may hold."""
    _check_words("the note", said.note, said.reviewer)
    name = f"review:{said.audit}:{said.shop}:{said.order_no}:{said.reviewer}:{at}"
    return RawMessage(OPS, name, "review", _json(said), said.order_no)


def check_dismissal(reason: str, by: str) -> None:
    """Raises UserMistake. The log keeps both for ever."""
    if not reason.strip():
        raise UserMistake("dismissing needs a reason: say why nobody needs to read these messages (--reason TEXT)")
    _check_words("the reason", reason, by)


def check_change(said: BookChange) -> None:
    """Raises UserMistake. The log keeps its words for ever."""
    if not said.by.strip():
        raise UserMistake("a change of the rulebook is somebody's: say whose (--by NAME)")
    _check_words("the comment", said.comment, said.by)


def change(said: BookChange, at: int) -> RawMessage:
    return RawMessage(OPS, f"rulebook:{said.act}:{said.version}:{at}", "rulebook", _json(said), TURN_KEY)


def check_signal(said: Signal | SignalEnd) -> None:
    """Raises UserMistake. The log keeps its words for ever."""
    if not said.by.strip():
        raise UserMistake("a report is somebody's: say whose (--by NAME)")
    _check_words("the comment", said.comment, said.by)
    if isinstance(said, SignalEnd):
        return
    if len(said.subject) > LONGEST_NAME or not said.subject.isprintable():
        raise UserMistake("--of: a value is at most {most} characters that can be printed", most=LONGEST_NAME)
    if not all(EARLIEST <= at < LATEST for at in (said.since, said.until) if at is not None):
        raise UserMistake("a report begins and ends between the years 2000 and 2100")


def signal(said: Signal | SignalEnd, at: int) -> RawMessage:
    kind, about = ("signal", f"{said.field}:{said.subject}") if isinstance(said, Signal) else ("signal_end", said.name)
    return RawMessage(OPS, f"{kind}:{about}:{at}", kind, _json(said), TURN_KEY)


def turning(messages: Sequence[Message]) -> int:
    """How many messages there are up to, and with, the first one that orders after it are decided differently by, and
    those of that kind that follow on it at once; or without it, where it is to be a batch of its own."""
    turns = [message.kind in TURNS and message.source == OPS for message in messages]
    if True not in turns:
        return len(messages)
    first = turns.index(True)
    if messages[first].kind in ALONE:
        return first or 1
    after = enumerate(zip(turns[first:], messages[first:], strict=True), first)
    return next((at for at, (turns_it, one) in after if not turns_it or one.kind in ALONE), len(messages))


def check_keep(reason: str, by: str) -> None:
    """Raises UserMistake. The log keeps both for ever."""
    if not reason.strip():
        raise UserMistake("keeping an order back needs a reason: say why it must wait (--reason TEXT)")
    _check_words("the reason", reason, by)


def keep(said: Keep, at: int) -> RawMessage:
    """`at`, microseconds UTC, tells a second word from a first one that is sent again."""
    return _on_order("keep", said, at)


def check_deciding(by: str) -> None:
    """Raises UserMistake. The log keeps the name for ever."""
    if not by.strip():
        raise UserMistake("to have orders decided is somebody's word: say whose (--by NAME)")
    _check_words("the name", "", by)


def deciding(said: Deciding, at: int) -> RawMessage:
    """`at`: as of `keep`."""
    return _on_order("deciding", said, at)


def check_release(reason: str, by: str) -> None:
    """Raises UserMistake. The log keeps both for ever."""
    if not reason.strip():
        raise UserMistake("letting an order go needs a reason: say why it may go to its warehouse (--reason TEXT)")
    _check_words("the reason", reason, by)


def _check_words(what: str, words: str, by: str) -> None:
    for name, said, most in ((what, words, LONGEST_REASON), ("the name", by, LONGEST_NAME)):
        if len(said) > most or "\0" in said or not is_text(said):
            text = "{name} is too long, or holds what is no character: write at most {most} characters"
            raise UserMistake(text, name=Term(name), most=most)


def is_text(said: str) -> bool:
    """Whether it can be written down; bytes that a terminal did not understand cannot."""
    try:
        said.encode()
    except UnicodeEncodeError:
        return False
    return True


def dismissal(said: Dismissal, at: int) -> RawMessage:
    # Both may be as long as an id of ours may be.
    which = blake2b(f"{said.source}\0{said.message_id}".encode(), digest_size=16).hexdigest()
    return RawMessage(OPS, f"dismissal:{at}:{which}", "dismissal", _json(said))


def _dismissed(message: Message, said: Dismissal) -> tuple[Row, Entry]:
    """What its row of `parked` will say, and the log's entry."""
    at, detail = message.received_at, _json(said).decode()
    entry = Entry(0, "message.dismissed", at, at, "", "dismissed", "dismissed", message.source, message.id, detail)
    return (said.source, said.message_id, said.reason, said.by, at), entry


def release(said: Release, at: int) -> RawMessage:
    """`at`: as of `keep`."""
    return _on_order("release", said, at, f"\0{said.parcel}")


def _on_order(kind: str, said: Keep | Deciding | Release, at: int, which: str = "") -> RawMessage:
    # An order's number may end as a parcel's does, and be as long as an id may be.
    about = blake2b(f"{said.shop}\0{said.order_no}{which}".encode(), digest_size=16).hexdigest()
    return RawMessage(OPS, f"{kind}:{at}:{about}", kind, _json(said), said.order_no)


def _released(message: Message, said: Release, head: Head | None) -> tuple[str, list[str], Entry]:
    """What is noted, the keys of its parcels and its work order, or of its notices, and the log's entry: what was asked
    for. Whether it came too late is known as it is committed, and no sooner."""
    which = {"parcel": said.parcel} if said.parcel else {"notices": len(said.notices)} if said.notices else {}
    act = {} if said.act == "go" else {"act": said.act}
    at, detail = message.received_at, _json({"reason": said.reason, "by": said.by, **which, **act}).decode()
    who, order_id = said.by or "a person", head.order_id if head else 0
    closes = said.act == "close"
    event = "order.closed" if closes else "order.released"
    entry = Entry(order_id, event, at, at, "", said.act, "asked", message.source, message.id, detail)
    parcels = push_keys(head) if head and head.decided > 1 else [push_key(said.shop, said.order_no)]
    keys = parcels[said.parcel - 1 : said.parcel] if said.parcel else parcels + whole_keys(said.shop, said.order_no)
    keys = list(said.notices) or keys
    return f"{'closed' if closes else 'let go'} by {who}: {said.reason}", keys, entry


def packing(said: Packing, at: int) -> RawMessage:
    """`at`, microseconds UTC, tells a second word from a first one that is sent again."""
    body = _json(said)
    which = blake2b(body, digest_size=16).hexdigest()
    return RawMessage(OPS, f"packing:{at}:{which}", "packing", body, said.order_no)


def check_pairing(said: Pairing) -> None:
    """Raises UserMistake. The log keeps its words for ever."""
    if (said.shop, said.order_no) == (said.other_shop, said.other):
        raise UserMistake("{order_no} and {other} are one order", order_no=said.order_no, other=said.other)
    if not said.reason.strip():
        raise UserMistake("--reason is empty: say why, for whoever reads it next")
    _check_words("the reason", said.reason, said.by)


def pairing(said: Pairing, at: int) -> RawMessage:
    body = _json(said)
    which = blake2b(body, digest_size=16).hexdigest()
    return RawMessage(OPS, f"pairing:{at}:{which}", "pairing", body, said.order_no)


def _told(message: Message, said: Word, order_id: int, event: str, what: str, outcome: str) -> Entry:
    at, detail = message.received_at, _json(said).decode()
    return Entry(order_id, event, at, at, "", what, outcome, message.source, message.id, detail)


def _reviewed(message: Message, said: Review, order_id: int) -> tuple[Row, Entry]:
    """The row of `reviews`, and the log's entry."""
    at = message.received_at
    row = (said.audit, said.shop, said.order_no, said.reviewer,
           WITHDRAWN if said.withdrawn else int(said.consistent), said.note, at)  # fmt: skip
    verdict = "withdrawn" if said.withdrawn else "consistent" if said.consistent else "inconsistent"
    seen = {"seen": said.seen} if said.seen else {}
    detail = _json({"audit": said.audit, "reviewer": said.reviewer, **seen}).decode()
    return row, Entry(order_id, "audit.reviewed", at, at, "", verdict, "reviewed", message.source, message.id, detail)


def _changed(message: Message, said: BookChange) -> Entry:
    at, told = message.received_at, {"by": said.by, "comment": said.comment}
    if said.share:
        told["share"] = f"{said.share / 100:g} %"
    if said.text:
        told["digest"] = blake2b(said.text.encode(), digest_size=16).hexdigest()
    detail = _json(told).decode()
    return Entry(0, f"rulebook.{said.act}", at, at, "", said.version, "changed", message.source, message.id, detail)


def check_stock(said: StockReport) -> None:
    """Raises UserMistake. The log keeps its words for ever."""
    if not said.by.strip():
        raise UserMistake("a report of stock is somebody's: say whose (--by NAME)")
    _check_words("the comment", said.comment, said.by)


def stock(said: StockReport, at: int) -> RawMessage:
    return RawMessage(OPS, f"stock:{said.warehouse}:{at}", "stock", _json(said), TURN_KEY)


def _counted(message: Message, said: StockReport) -> Entry:
    at, told = message.received_at, {"by": said.by, "comment": said.comment, "skus": len(said.rows)}
    detail = _json(told).decode()
    return Entry(
        0, "stock.reported", said.at, at, "", said.warehouse, "changed", message.source, message.id, detail
    )  # fmt: skip


def check_batches(said: BatchPlan) -> None:
    """Raises UserMistake. The log keeps its words for ever."""
    if not said.by.strip():
        raise UserMistake("a plan of batches is somebody's: say whose (--by NAME)")
    _check_words("the comment", said.comment, said.by)


def batches(said: BatchPlan, at: int) -> RawMessage:
    body = _json(said)
    which = blake2b(body, digest_size=16).hexdigest()  # two people may speak at one moment
    return RawMessage(OPS, f"batches:{at}:{which}", "batches", body, TURN_KEY)


def check_taken_in(store: Store, messages: Iterable[RawMessage]) -> None:
    """Raises UserMistake for words that were said, and are set aside."""
    for why in store.parked_among(OPS, [message.message_id for message in messages]).values():
        raise UserMistake("it was set aside: {why}; see `orderhub inbox parked`", why=why)


def check_arrival(said: Arrival) -> None:
    """Raises UserMistake. The log keeps its words for ever."""
    if not said.by.strip():
        raise UserMistake("that a batch is there is somebody's word: say whose (--by NAME)")
    _check_words("the name", "", said.by)


def arrival(said: Arrival, at: int) -> RawMessage:
    body = _json(said)
    which = blake2b(body, digest_size=16).hexdigest()  # as of `batches`
    return RawMessage(OPS, f"arrival:{at}:{which}", "arrival", body, TURN_KEY)


def dealing(said: Dealing, at: int) -> RawMessage:
    return RawMessage(OPS, f"dealing:{at}", "dealing", _json(said), TURN_KEY)


def _planned(message: Message, said: BatchPlan) -> Entry:
    at, told = message.received_at, {"by": said.by, "comment": said.comment, "batches": len(said.rows)}
    detail = _json(told).decode()
    return Entry(0, "presale.planned", at, at, "", "", "changed", message.source, message.id, detail)


def _reported(message: Message, said: SignalWord) -> Entry:
    at = message.received_at
    if isinstance(said, Measurement):
        told = {"by": said.by, "until": said.until, "changed": len(said.rows), "over": len(said.over)}
        event, about, detail = "signal.measured", said.field, _json(told)
    else:
        event, about = ("signal.reported", said.field) if isinstance(said, Signal) else ("signal.ended", said.name)
        detail = _json(said)
    return Entry(0, event, at, at, "", about, "changed", message.source, message.id, detail.decode())
