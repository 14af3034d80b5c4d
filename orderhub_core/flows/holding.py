"""Orders that are kept from their warehouse until a person lets them go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orderhub_core.errors import UserMistake
from orderhub_core.flows import ops
from orderhub_core.flows.naming import check_shop
from orderhub_core.model import RawMessage, Release
from orderhub_core.settings import Settings
from orderhub_core.store import aside, packs
from orderhub_core.store.aside import Held
from orderhub_core.store.base import Store


class Holds:
    """Of one hub."""

    def __init__(
        self, store: Store, clock: Callable[[], int], say: Callable[[Sequence[RawMessage]], None], settings: Settings
    ) -> None:
        self._store, self._clock, self._say, self._settings = store, clock, say, settings

    def check_shop(self, shop: str) -> None:
        """Raises UserMistake for a shop that there is not."""
        check_shop(self._store, self._settings, shop)

    def kept(self, *, shop: str | None = None, order_no: str | None = None, limit: int | None = None) -> list[Held]:
        """Effects that wait for a person, the oldest first, at most `limit`."""
        return aside.held(self._store, shop=shop, order_no=order_no, limit=limit)

    def release(
        self, order_no: str, *, shop: str | None = None, parcel: int = 0, reason: str, by: str = ""
    ) -> Held:  # fmt: skip
        """Let an order, or one parcel of it, go to its warehouse that a rule or a doubt has kept back: a message of
        ours, applied when this returns. What is learnt of the order after this may keep it back again.

        Raises UserMistake where there is no such order, none is kept back, several are, or it was tried already.
        """
        ops.check_release(reason, by)
        self._check_known(order_no, shop)
        found = ops.releasable(self.kept(shop=shop, order_no=order_no), order_no, parcel)
        self._say([ops.release(Release(found.shop, order_no, reason, by, parcel), self._clock())])
        return found

    def _check_known(self, order_no: str, shop: str | None) -> None:
        """Raises UserMistake for an order that there is not."""
        if shop is not None:
            self.check_shop(shop)
        known = packs.shops(self._store, order_no)
        if not known:
            raise UserMistake(
                "the hub knows no order {order}: check the number (`orderhub holds list` names those that are kept"
                " back), or import its shop's export",
                order=order_no,
            )
        if shop is not None and shop not in known:
            text = "the shop {shop} has no order {order}; one of that number is of {known}: say which (--shop)"
            raise UserMistake(text, shop=shop, order=order_no, known=tuple(known))
