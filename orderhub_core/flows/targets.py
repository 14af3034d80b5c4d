"""Where effects are performed: warehouses, notifiers, and the shops that are asked for an order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar, assert_never

from orderhub_core import registry
from orderhub_core.effects import Effect, FetchOrder, Notify, OrderProduction, PushToWarehouse
from orderhub_core.errors import (
    Busy,
    Later,
    NeedsPerson,
    NobodyThere,
    OtherwiseThere,
    RefusedByTarget,
    Unanswered,
    Unreachable,
    Unreadable,
    UserMistake,
)
from orderhub_core.flows.companions import HandOvers, key_of, unready
from orderhub_core.flows.rows import fetch_key
from orderhub_core.model import Observation, RawMessage
from orderhub_core.ports import Channel, Notifier, Warehouse
from orderhub_core.settings import Endpoint, Settings
from orderhub_core.store.unlogged import Ahead

T = TypeVar("T")
AT_ONCE_S, MEANWHILE_S = 1.0, 5.0
"""Until a hand-over is tried again whose shop is being asked, or has answered, and is to be asked."""


class Targets:
    """Those of the settings, each connected when it is first needed. `receive` takes in what was fetched."""

    def __init__(
        self, settings: Settings, channel: Callable[[str], Channel], receive: Callable[[Sequence[RawMessage]], Any],
        opened: Callable[[str], bool] = lambda _: False,
        beside: Callable[[Sequence[str]], HandOvers] = lambda _: {},
        ahead: Callable[[Sequence[str]], Sequence[Ahead]] = lambda _: (),
        unread: Callable[[str], bool] = lambda _: False,
    ) -> None:  # fmt: skip
        """`opened`: whether a warehouse that the settings disable is reported open just now. `beside`: the hand-overs
        of these keys, as they stand; `ahead`: which effects of these keys are not done; `unread`: whether what the one
        of this key has brought in may still wait to be applied."""
        self._beside, self._ahead, self._unread = beside, ahead, unread
        self._settings, self._channel, self._receive, self._opened = settings, channel, receive, opened

    @lru_cache(maxsize=64)  # noqa: B019 — they live as long as their hub
    def warehouse(self, name: str) -> Warehouse:
        """Raises NobodyThere where orders cannot be sent."""
        for endpoint in self._settings.warehouses:
            if endpoint.id == name:
                if not endpoint.connector:
                    raise NobodyThere(
                        "warehouse {name} has no connector in the settings: hand the order over by hand", name=name
                    )
                return _connected(registry.warehouse, endpoint)
        raise NobodyThere("no warehouse {name!r} in the settings; a rule or an order names it", name=name)

    @lru_cache(maxsize=64)  # noqa: B019
    def base(self, name: str) -> Warehouse:
        """A production base takes work orders as a warehouse takes orders. Raises NobodyThere."""
        for endpoint in self._settings.bases:
            if endpoint.id == name:
                return _connected(registry.warehouse, endpoint)
        raise NobodyThere("no production base {name!r} in the settings; a rule names it", name=name)

    @lru_cache(maxsize=64)  # noqa: B019
    def notifier(self, name: str) -> Notifier:
        """Raises NobodyThere for one that the settings do not know."""
        for endpoint in self._settings.notifiers:
            if endpoint.id == name:
                return _connected(registry.notifier, endpoint)
        raise NobodyThere("no notifier {name!r} in the settings; a rule names it", name=name)

    def unreachable(self) -> Iterator[tuple[str, str]]:
        """Those of the settings that cannot be connected as these are, and why. Nobody is called."""
        settings = self._settings
        of = ((settings.warehouses, self.warehouse), (settings.bases, self.base), (settings.notifiers, self.notifier))
        for name, connect in ((one.id, connect) for some, connect in of for one in some if one.connector):
            try:
                connect(name)
            except NobodyThere as reason:
                yield name, str(reason)
            except Exception as bug:  # noqa: BLE001 — who asks only wants to warn; its text may hold a secret
                yield name, f"internal: {type(bug).__name__} while connecting"

    def _check_open(self, name: str) -> None:
        """Asked each time: what was opened may have been closed again."""
        disabled = any(one.id == name and not one.enabled for one in self._settings.warehouses)
        if disabled and not self._opened(name):
            raise NobodyThere("warehouse {name} is disabled in the settings; a rule or an order names it", name=name)

    def _check_companions(self, effect: PushToWarehouse) -> None:
        """Who is packed with others says so only if they do. Raises Busy: whoever looks after those that wait is about
        to tell it anew."""
        keys = [key_of(effect), *map(key_of, effect.pack_with)]
        if effect.pack_with and (missing := unready(effect, self._beside(keys))):
            raise Busy("{missing} is not packed with it just now", missing=missing)

    def _check_known(self, shop: str, order_no: str) -> None:
        """An order whose shop is still to be asked what it is now may be cancelled: it is not sent before the answer is
        read. Raises Unanswered; also while a person is asked for that answer, who may close the question."""
        key = fetch_key(shop, order_no)
        asked = self._ahead([key])
        if asked or self._may_be_unread(key):
            pause_s = MEANWHILE_S if asked and asked[0].state != "leased" else AT_ONCE_S
            raise Unanswered("{shop} is asked first what the order is now", shop=shop, after_s=pause_s)

    def _may_be_unread(self, key: str) -> bool:
        try:
            return self._unread(key)
        except Busy:
            raise
        except Later:  # where messages wait to be taken in, and nobody can tell which
            return True

    def perform(self, effect: Effect, key: str) -> None:
        """Do an effect under its idempotency key, and read back that it is done. Raises `errors`: of NeedsPerson, but
        for OtherwiseThere, where nothing was taken."""
        match effect:
            case FetchOrder():
                channel = self._channel(effect.shop)
                self._receive([answer := channel.fetch(effect.order_no)])
                _check_readable(channel, answer, effect)
            case PushToWarehouse(lines=(), parcels=several) if several > 1:
                pass  # nothing is left of this parcel, and somebody has let it go all the same
            case PushToWarehouse():
                self._check_known(effect.shop, effect.order_no)
                self._check_companions(effect)
                warehouse = self.warehouse(effect.warehouse)
                self._check_open(effect.warehouse)
                warehouse.push(effect, key)
                if not _holds(warehouse, effect):
                    raise Unreachable(
                        "{target} took {order} but does not show it yet", target=effect.warehouse, order=effect.order_no
                    )
            case OrderProduction():
                self._check_known(effect.shop, effect.order_no)
                base, asked = self.base(effect.base), as_handover(effect)
                base.push(asked, key)
                if not _holds(base, asked):
                    raise Unreachable(
                        "{target} took {order} but does not show it yet", target=effect.base, order=effect.number
                    )
            case Notify():
                self.notifier(effect.channel).push(effect, key)
            case _:
                assert_never(effect)


def _check_readable(channel: Channel, answer: RawMessage, asked: FetchOrder) -> None:
    """What is parked tells nothing of the order. Raises RefusedByTarget: hand-overs wait for who has looked."""
    try:
        said = channel.decode(answer.kind, answer.body)
    except Unreadable as reason:
        raise RefusedByTarget(
            "what {shop} answers of {order_no} cannot be read ({reason}): ask once more when that is mended",
            shop=asked.shop, order_no=asked.order_no, reason=reason,
        ) from None  # fmt: skip
    if not isinstance(said, Observation) or said.order_no != asked.order_no:
        raise RefusedByTarget(
            "{shop} answers with another order than {order_no}", shop=asked.shop, order_no=asked.order_no
        )


def _holds(warehouse: Warehouse, effect: PushToWarehouse) -> bool:
    """Read back. Raises OtherwiseThere where the answer needs a person: it took what it was told before."""
    try:
        return warehouse.holds(effect)
    except NeedsPerson as failure:
        raise OtherwiseThere(str(failure)) from None


def _connected(connect: Callable[[Endpoint], T], endpoint: Endpoint) -> T:
    """Raises NobodyThere for settings by which nobody can be reached: nothing was sent."""
    try:
        return connect(endpoint)
    except UserMistake as mistake:
        raise NobodyThere("{mistake}; then start the hub again, and let it go", mistake=mistake) from None


def as_handover(effect: OrderProduction) -> PushToWarehouse:
    """A work order, as the order that the base knows by its number."""
    return PushToWarehouse(effect.shop, effect.number, effect.base, effect.lines)
