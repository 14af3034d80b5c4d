"""Which messages wait until the rulebook has spoken, where it reads of an order's buyer what other orders are.

All messages of a buyer are applied in turn then, so that it reads the same in whatever batches they come.
"""

from __future__ import annotations

from orderhub_core.flows.context import Source
from orderhub_core.flows.recent import Known
from orderhub_core.model import Decoded, Observation
from orderhub_core.pseudonym import Pseudonyms

Key = tuple[str, str]


class Behind:
    """Orders of which some message waits, or makes the rulebook speak, and their buyers. Empty while it asks for no
    buyer."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._keys: set[Key] = set()
        self._buyers: set[str] = set()

    def holds(self, key: Key | None, source: Source, said: Decoded, known: Known | None) -> bool:
        """Whether a message must wait, for one before it does."""
        return key in self._keys or not self._buyers.isdisjoint(self._of(source, said, known))

    def add(self, key: Key, source: Source, said: Decoded, known: Known | None) -> None:
        self._keys.add(key)
        self._buyers |= self._of(source, said, known)

    def _of(self, source: Source, said: Decoded, known: Known | None) -> set[str]:
        """Whose the order was, and will be when the message is applied."""
        content = said.content if isinstance(said, Observation) else None
        named = "" if content is None else self._pseudonyms.buyer(source.shop, content.buyer_ref)
        return {named, known.head.buyer_key if known else ""} - {""}
