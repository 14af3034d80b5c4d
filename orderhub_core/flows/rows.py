"""Between what the hub thinks in and what it stores: heads, lines and effects as rows, and as the frames of rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter

import msgspec
import polars as pl

from orderhub_core import effects, frames
from orderhub_core.cases import Cases
from orderhub_core.fold import Head, Parcels
from orderhub_core.model import Line
from orderhub_core.rules.actions import HOLDS
from orderhub_core.stated import read_stated
from orderhub_core.store.statements import MOVED
from orderhub_core.store.unit import Message, Row

_json = msgspec.json.Encoder(order="deterministic").encode
_instants = msgspec.json.Decoder(dict[str, int]).decode
_boxes = msgspec.json.Decoder(Parcels).decode
_cases = msgspec.json.Decoder(Cases).decode

UNMARKED = effects.Marks()

_FIELDS = [field.name for field in msgspec.structs.fields(Head)]
_HEAD_FIELDS = {name: attrgetter(name) for name in _FIELDS}
_ASKED = {**_HEAD_FIELDS, "paid_at": attrgetter("owed_at")}
"""What rules read of an order: one that is paid later is decided as of the moment at which that was agreed."""
_LINE_FIELDS = {field.name: attrgetter(field.name) for field in msgspec.structs.fields(Line)}
_PACKED = ("facts", "stated", "parcels", "cases")
_FACTS, _STATED, _PARCELS, _CASES = (_FIELDS.index(name) for name in _PACKED)
_moved = itemgetter(*map(_FIELDS.index, MOVED[: -len(_PACKED)]))
"""Of all of them: the fields one by one would take five times as long."""


def head(row: Row) -> Head:
    """A row of `orders`."""
    made = Head(*row)
    made.facts, made.stated, made.parcels = _instants(row[_FACTS]), read_stated(row[_STATED]), _boxes(row[_PARCELS])
    made.cases = _cases(row[_CASES])
    made.lines_digest, made.person_digest = _bytes(made.lines_digest), _bytes(made.person_digest)
    return made


def order_row(known: Head) -> Row:
    row = list(msgspec.structs.astuple(known))
    row[_FACTS], row[_STATED], row[_PARCELS], row[_CASES] = _packed(known)
    return tuple(row)


def moved_row(known: Head) -> Row:
    """What `statements.MOVE` asks for."""
    return (*_moved(msgspec.structs.astuple(known)), *_packed(known), known.order_id)


def _packed(known: Head) -> tuple[str, str, str, str]:
    """The fields of `_PACKED`, in JSON."""
    stated, parcels = sorted(known.stated.items()), known.parcels
    boxes = _json(parcels).decode() if parcels else "{}"
    cases = _json(known.cases).decode() if known.cases else "{}"  # hardly any order has one
    return _json(known.facts).decode(), _json(stated).decode(), boxes, cases


def payment_row(head: Head) -> Row:
    return (head.order_id, 1, head.payment_method, head.currency, head.paid_minor, head.paid_at)


def parcel_rows(head: Head) -> list[Row]:
    return [(head.order_id, number, carrier, int(labelled)) for number, (carrier, labelled) in head.parcels.items()]


def _bytes(value: bytes | memoryview | None) -> bytes | None:
    return None if value is None else bytes(value)


def push_key(shop: str, order_no: str, parcel: int = 1) -> str:
    """Of a parcel of an order. Its number comes first: an order's own may end in anything."""
    return f"push:{shop}:{order_no}" if parcel == 1 else f"push-{parcel}:{shop}:{order_no}"


def push_keys(head: Head) -> list[str]:
    """Of all parcels of an order that the rulebook has spoken on."""
    if head.decided == 1:  # as nearly all are
        return [push_key(head.shop, head.order_no)]
    return [push_key(head.shop, head.order_no, parcel) for parcel in range(1, head.decided + 1)]


FETCH = "fetch:"
"""How the keys of questions to a shop begin."""


def fetch_key(shop: str, order_no: str) -> str:
    return f"{FETCH}{shop}:{order_no}"


def whole_keys(shop: str, order_no: str) -> list[str]:
    """Of what is asked of a whole order, however many parcels it goes in."""
    return [work_key(shop, order_no), fetch_key(shop, order_no)]


def work_key(shop: str, order_no: str) -> str:
    return f"work:{shop}:{order_no}"


Done = tuple[str, str, int]
"""An action, its argument, and the number of the parcel that it is about; 0: the order."""


def marks(decided: Iterable[Done], parcel: int = 1) -> effects.Marks:
    """Of a parcel, of what was decided of its order and of it."""
    named: dict[str, list[str]] = {}
    carriers: dict[bool, str] = {}
    for action, argument, of in decided:
        if of in (0, parcel):
            named.setdefault(action, []).append(argument)
            if action == "carrier":
                carriers.setdefault(bool(of), argument)
    carrier = carriers.get(True) or carriers.get(False, "")
    tags = tuple(dict.fromkeys(named.get("tag", ())))
    return effects.Marks(carrier, tags, sum(map(int, named.get("priority", ()))))


NOTICE = "notify:"
"""How the keys of notices begin."""


def notify_key(channel: str, rule: str, shop: str, order_no: str) -> str:
    return f"{NOTICE}{channel}:{rule}:{shop}:{order_no}"


HOLDING = frozenset({"approve", "hold"})
"""Actions that may keep an order from its warehouse."""


def holding(action: str, argument: str, rule: str) -> list[str]:
    """Why a decision keeps the order from its warehouse until a person lets it go; empty where it does not."""
    if action == "approve":
        return [f"rule {rule} asks for the approval of {argument}"]
    if action == "hold" and "push" in HOLDS[argument].blocks:
        return [f"rule {rule} holds it: {argument}"]
    return []


def push_row(
    head: Head, lines: Sequence[Line], message: Message, held: str = "", marked: effects.Marks = UNMARKED, *,
    until: int = 0, pack_with: Sequence[effects.Companion] = (),
) -> Row:  # fmt: skip
    """Of an order that goes whole. `held`: why it must wait for a person; `until`: how long for others that it may be
    packed with."""
    effect = effects.PushToWarehouse(
        head.shop, head.order_no, head.warehouse or "", goods(lines), marked, pack_with=tuple(pack_with)
    )
    return effect_row(push_key(head.shop, head.order_no), head, effect, message, held, until)


def parcel_push_row(
    head: Head, parcel: int, warehouse: str, lines: Sequence[Line], every: Sequence[Line], message: Message, held: str,
    marked: effects.Marks,
) -> Row:  # fmt: skip
    """Of one of the parcels of an order, whose lines are `every`. `held`: as of `push_row`."""
    effect = effects.PushToWarehouse(
        head.shop, head.order_no, warehouse, goods(lines, every), marked, parcel, parcels=head.decided
    )
    return effect_row(push_key(head.shop, head.order_no, parcel), head, effect, message, held)


def waits_until(head: Head, at: int, wait_us: int) -> int:
    """How long an order waits from a moment on for others to be packed with: never past its promise. 0 where it does
    not."""
    until = at + wait_us if head.promised_at is None else min(at + wait_us, head.promised_at)
    return until if until > at else 0


def work_row(head: Head, base: str, lines: Sequence[Line], message: Message, held: str = "") -> Row:
    """`held`: as of `push_row`."""
    number = f"WO-{head.shop}-{head.order_no}"
    effect = effects.OrderProduction(head.shop, head.order_no, base, number, goods(lines))
    return effect_row(work_key(head.shop, head.order_no), head, effect, message, held)


def goods(lines: Sequence[Line], every: Sequence[Line] = ()) -> tuple[effects.WarehouseLine, ...]:
    """`every`: the lines of the order, where these are some of them."""
    skus = {line.line_no: line.sku for line in every or lines}
    return tuple([effects.WarehouseLine(line.sku, line.quantity, skus.get(line.gift_of or 0, "")) for line in lines])


def notify_row(head: Head, channel: str, rule: str, version: str, message: Message) -> Row:
    """People are told of an order by its number alone: what a rule has read of it may be about its buyer."""
    effect = effects.Notify(channel, f"{head.order_no} · {head.shop}", f"{rule} ({version})")
    return effect_row(notify_key(channel, rule, head.shop, head.order_no), head, effect, message)


def effect_row(
    key: str, head: Head, effect: effects.Effect, message: Message, held: str = "", until: int = 0
) -> Row:  # fmt: skip
    at, payload = message.received_at, effects.encode(effect).decode()
    state = "person" if held else "waiting"
    return (key, head.order_id, effect.target, payload, state, 0, 0, max(at, until), None, "", at, None, held, None)


def line_row(order_id: int, line: Line, rule: str) -> Row:
    return (order_id, *msgspec.structs.astuple(line), rule, None)


def orders_frame(heads: Sequence[Head], columns: Sequence[str]) -> pl.DataFrame:
    """Of ORDERS the id and these columns; states as the words that they are."""
    return pl.DataFrame([_series(name, list(map(_ASKED[name], heads))) for name in ("order_id", *columns)])


def _series(name: str, values: list[object]) -> pl.Series:
    kind = frames.ORDERS[name]
    if kind == frames.INSTANT:
        return pl.Series(name, values, pl.Int64).cast(kind)
    return pl.Series(name, values, pl.String if isinstance(kind, pl.Enum) else kind)


def about(reports: pl.DataFrame | None) -> list[str]:
    """Columns of orders of whose values something is reported."""
    if reports is None:
        return []
    return [name for name in reports["of"].unique(maintain_order=True) if name in frames.ORDERS]


def lines_frame(lines: Mapping[int, Sequence[Line]], texts: Collection[str]) -> pl.DataFrame:
    """Of LINES every number, and of the texts these: a number that no frame can hold is found here, before it is in the
    hub."""
    flat = [line for some in lines.values() for line in some]
    columns: dict[str, list[object]] = {"order_id": [order_id for order_id, some in lines.items() for _ in some]}
    columns |= {
        name: list(map(of, flat)) for name, of in _LINE_FIELDS.items()
        if name in texts or frames.LINES[name] != pl.String
    }  # fmt: skip
    return pl.DataFrame([pl.Series(name, values, frames.LINES[name]) for name, values in columns.items()])
