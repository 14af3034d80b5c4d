"""Which messages of other orders wait until the rulebook has spoken on one: those of its number, which another shop may
have, and where it reads of an order's buyer what other orders are, the buyer's.

All messages of a number are applied in turn, and all of a buyer then, so that the same is known of them in whatever
batches they come.
"""

from __future__ import annotations

from orderhub_core.flows.context import Source
from orderhub_core.flows.recent import Known
from orderhub_core.model import Decoded, Observation
from orderhub_core.pseudonym import Pseudonyms

Key = tuple[str, str]


class Behind:
    """Orders of which some message waits, or makes the rulebook speak."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._shops: dict[str, str] = {}
        """Their numbers, and of which shop the first of a number is."""
        self._keys: set[Key] = set()
        self._buyers: set[str] = set()
        """Empty, as the keys are, while the rulebook asks for no buyer."""

    def holds(self, key: Key | None, source: Source, said: Decoded, known: Known | None) -> bool:
        """Whether a message must wait, for one before it does."""
        if key is not None and self._shops.get(key[1], key[0]) != key[0]:
            return True
        if not self._keys:
            return False
        return key in self._keys or not self._buyers.isdisjoint(self._of(source, said, known))

    def add(self, key: Key, source: Source, said: Decoded, known: Known | None, *, buyers: bool) -> None:
        """`buyers`: whether what the rulebook reads of a buyer may follow from it."""
        self._shops.setdefault(key[1], key[0])
        if buyers:
            self._keys.add(key)
            self._buyers |= self._of(source, said, known)

    def _of(self, source: Source, said: Decoded, known: Known | None) -> set[str]:
        """Whose the order was, and will be when the message is applied."""
        content = said.content if isinstance(said, Observation) else None
        named = "" if content is None else self._pseudonyms.buyer(source.shop, content.buyer_ref)
        return {named, known.head.buyer_key if known else ""} - {""}
