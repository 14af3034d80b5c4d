"""A shop's own systems (mini-program backend, own site, an ERP that can POST JSON) push order events as JSON.

Settings of a shop: `connector = "direct"` and the secret, which may be two during a rotation, separated by white
space. `sign` is what the sender does; docs/direct.md is the whole contract.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Annotated

import msgspec
from msgspec import Meta

from connectors._kit.bounds import KEY_MAX
from connectors._kit.echo import echoed
from connectors.channels import _direct_event
from orderhub_core.errors import (
    BadClock,
    BadSignature,
    OrderHubError,
    RefusedByTarget,
    TooLarge,
    Unreadable,
    UserMistake,
)
from orderhub_core.model import Observation, RawMessage
from orderhub_core.settings import Endpoint

KIND = "event"
WINDOW_S = 300
VERSION = "v1="
TIMESTAMP, SIGNATURE = "x-orderhub-timestamp", "x-orderhub-signature"

MOST_EVENTS = 10_000
"""In one delivery. A body that is not large may hold half a million, and each costs far more than its bytes."""

SUCCESS = (200, b'{"message":"accepted"}')
TRY_AGAIN = (503, b'{"message":"try again later"}')


class _TooMany(TooLarge):
    """More events than one delivery may have."""


REFUSALS: dict[type[OrderHubError], tuple[int, bytes]] = {
    BadSignature: (401, b'{"message":"signature not valid; see docs/direct.md"}'),
    BadClock: (401, b'{"message":"timestamp is not seconds since 1970, or over 5 minutes off; see docs/direct.md"}'),
    TooLarge: (413, b'{"message":"body too large; send fewer events at once"}'),
    _TooMany: (413, b'{"message":"over %d events in one delivery; send fewer events at once"}' % MOST_EVENTS),
}


class Head(msgspec.Struct, gc=False):
    """All that is read before the event is on disk."""

    id: Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]
    order_no: str = ""


HEAD, ITEMS = msgspec.json.Decoder(Head), msgspec.json.Decoder(list[msgspec.Raw])
ANYTHING = msgspec.json.Decoder(msgspec.Raw)
FETCHES = False
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode(kind: str, body: bytes) -> Observation:
    if kind != KIND:
        raise Unreadable("message kind {kind} is new to us", kind=echoed(kind))
    return _direct_event.decode(body)


class Direct:
    """ports.Channel of one shop. `clock` gives seconds since 1970. Raises UserMistake when no secret is set."""

    fetches = FETCHES
    decode = staticmethod(decode)

    def __init__(self, endpoint: Endpoint, clock: Callable[[], float] = time.time) -> None:
        self._shop, self._clock = endpoint.id, clock
        self._secrets = [secret.encode() for secret in endpoint.secret().split()]
        if not self._secrets:
            raise UserMistake(
                "{shop}: a direct shop needs secret_env (or secret_file) in its settings", shop=self._shop
            )

    def unpack(self, headers: Mapping[str, str], body: bytes) -> list[RawMessage]:
        """One event, an array of events, or one event per line; what is none of these is kept whole, to be parked.
        Raises BadSignature, BadClock, and TooLarge for more than MOST_EVENTS."""
        self._prove(headers, body)
        try:
            return [self._message(HEAD.decode(body), body)]
        except UNREADABLE:
            return self._several(body)

    def answer(self, failure: OrderHubError | None) -> tuple[int, bytes]:
        return SUCCESS if failure is None else REFUSALS.get(type(failure), TRY_AGAIN)

    def poll(self, since: int, until: int) -> Iterator[RawMessage]:
        """Nothing: there is nobody to ask. The sender repeats what was not acknowledged."""
        yield from ()

    def clock(self) -> int | None:
        return None

    def fetch(self, order_no: str) -> RawMessage:
        raise RefusedByTarget(
            "{shop}: a direct shop cannot be asked; have it send {order_no} again", shop=self._shop, order_no=order_no
        )

    def _prove(self, headers: Mapping[str, str], body: bytes) -> None:
        """The signature first, and the clock only where it is right. It covers the timestamp: whoever is told of the
        clock has the secret or a delivery of somebody who has, and in that reads the time for himself."""
        said, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "").encode()
        # Ten digits until the year 2286; `isdecimal` alone would let other alphabets' digits in.
        in_time = len(said) == 10 and said.isascii() and said.isdecimal() and abs(int(said) - self._clock()) <= WINDOW_S
        text = said.encode() + b"." + body
        proven = [hmac.compare_digest(signature, _signed(secret, text)) for secret in self._secrets]
        if not any(proven):
            raise BadSignature(
                "{shop}: a delivery without a valid {header}; is the shop's secret the current one?",
                shop=self._shop,
                header=SIGNATURE,
            )
        if not in_time:
            raise BadClock(
                "{shop}: a delivery whose {header} is not seconds since 1970, or more than {window} s from ours;"
                " are the sender's clock and ours right?",
                shop=self._shop,
                header=TIMESTAMP,
                window=WINDOW_S,
            )

    def _several(self, body: bytes) -> list[RawMessage]:
        try:
            parts = [bytes(item) for item in ITEMS.decode(body)]
        except UNREADABLE:
            # A fifth of the time that `split` takes.
            parts = [part for line in BytesIO(body) if (part := line.removesuffix(b"\n")).strip()] or [body]
        if len(parts) > MOST_EVENTS:
            if all(map(_is_json, parts)):
                raise _TooMany(
                    "{shop}: {n} events in one delivery, and {most} are the most",
                    shop=self._shop,
                    n=len(parts),
                    most=MOST_EVENTS,
                )
            return [self._unreadable(body)]
        heads = [_head(part) for part in parts]
        # Lines that are no JSON are pieces of one event: what looks like an `id` in some of them names none.
        if parts and not (any(heads) and all(head or _is_json(part) for head, part in zip(heads, parts, strict=True))):
            return [self._unreadable(body)]
        return [
            self._message(head, part) if head else self._unreadable(part)
            for head, part in zip(heads, parts, strict=True)
        ]

    def _message(self, head: Head, event: bytes) -> RawMessage:
        return RawMessage(self._shop, head.id, KIND, event, head.order_no)

    def _unreadable(self, event: bytes) -> RawMessage:
        """One whose id we cannot read is known by its content."""
        return RawMessage(self._shop, f"unreadable:{hashlib.blake2b(event, digest_size=16).hexdigest()}", KIND, event)


def _head(event: bytes) -> Head | None:
    try:
        return HEAD.decode(event)
    except UNREADABLE:
        return None


def _is_json(part: bytes) -> bool:
    try:
        ANYTHING.decode(part)
    except UNREADABLE:
        return False
    return True


def sign(body: bytes, secret: str, at: int) -> dict[str, str]:
    """The headers that prove a delivery made `at` (seconds since 1970)."""
    stamp = str(at)
    signature = _signed(secret.encode(), stamp.encode() + b"." + body).decode()
    return {TIMESTAMP: stamp, SIGNATURE: signature}


def _signed(secret: bytes, text: bytes) -> bytes:
    return VERSION.encode() + hmac.digest(secret, text, "sha256").hex().encode()


def connect(endpoint: Endpoint) -> Direct:
    return Direct(endpoint)
