"""What checks find wrong with a hub: what, where, and how to mend it, in any language."""

from __future__ import annotations

from typing import NamedTuple

from orderhub_core.errors import Fault, OrderHubError
from orderhub_core.i18n import Translate

RESTORE = Fault("stop the hub and restore a backup: `orderhub db restore`")
ANEW = Fault("write it anew: `orderhub db snapshot`")
REPLAY = Fault("restore a backup that still has it, or ask its sender for it again")
MOST_OF_A_KIND = 5
PARTS = {
    "schema": "schema",
    "file": "file",
    "hub": "hub",
    "home": "home",
    "inbox": "inbox",
    "parts": "parts",
    "key": "key",
    "log": "log",
    "bodies": "bodies",
    "ledger": "ledger",
    "splits": "splits",
    "losses": "losses",
    "packs": "packs",
    "snapshot": "snapshot",
    "backup": "backup",
    "orders": "table orders",
    "lines": "table lines",
    "parcels": "table parcels",
    "payments": "table payments",
    "persons": "table persons",
    "decisions": "table decisions",
}
"""What a finding may be of."""


class Finding(NamedTuple):
    part: str
    """Of PARTS."""
    what: OrderHubError
    mend: OrderHubError

    def told(self, tr: Translate) -> str:
        """In a sentence for people."""
        text = tr("{part}: {what}. To mend it, {mend}")
        return text.format(part=tr(PARTS[self.part]), what=self.what.told(tr), mend=self.mend.told(tr))

    def plain(self) -> dict[str, str]:
        """For programs: in English."""
        return {"part": self.part, "what": str(self.what), "mend": str(self.mend)}
