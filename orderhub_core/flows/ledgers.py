"""The four ledgers, gathered: files where there are any, else the hub's own frames.

Files lie in the folder `reconcile` of the hub's data (or of a snapshot): `platform`, `erp`, `refunds` and `courier`,
each `.csv` or `.xlsx`; beside them `headings.toml` and `fees.toml` with a user's own words.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from orderhub_core import registry
from orderhub_core.audit.reconcile import fees, ledgers
from orderhub_core.audit.reconcile.ledgers import Ledgers, Source
from orderhub_core.errors import UserMistake
from orderhub_core.settings import Settings, toml

FOLDER = "reconcile"
ENDINGS = (".csv", ".xlsx")


class Chosen(NamedTuple):
    """Which files to read."""

    files: Mapping[Source, Path] = {}
    headings: Path | None = None
    fees: Path | None = None

    def stamp(self) -> tuple[tuple[str, int], ...]:
        """Changes when a file does."""
        paths = [*self.files.values(), *(path for path in (self.headings, self.fees) if path)]
        return tuple((str(path), path.stat().st_mtime_ns) for path in sorted(paths) if path.exists())


class Gathered(NamedTuple):
    ledgers: Ledgers
    words: Mapping[str, fees.Fee]
    """The fee dictionary, as `fees.dictionary`."""
    zone: str
    """In which the business counts its days."""
    stamp: Hashable
    """Changes when a file does."""

    def as_of(self, now: int) -> int | None:
        """When the data was taken: `now`, where the hub itself tells what went out; None where a file does, and its
        newest instant says it. Microseconds UTC."""
        return now if Source.ERP in self.ledgers.entries and Source.ERP not in self.ledgers.origins else None

    def of_hub_alone(self) -> bool:
        """Whether there is no file of anything: refunds and scans are known as far as the hub was told of them."""
        return not self.ledgers.origins


def lying(folder: Path) -> Chosen:
    """What lies in a hub's data folder. Raises UserMistake where one ledger lies there twice."""
    here = folder / FOLDER
    files: dict[Source, Path] = {}
    for source in Source:
        found = [path for ending in ENDINGS if (path := here / f"{source.value}{ending}").exists()]
        if len(found) > 1:
            raise UserMistake(
                "{here} has {name} and {other}: keep one ledger {value}",
                here=here,
                name=found[0].name,
                other=found[1].name,
                value=source.value,
            )
        if found:
            files[source] = found[0]
    headings, dictionary = (path if (path := here / name).exists() else None for name in ("headings.toml", "fees.toml"))
    return Chosen(files, headings, dictionary)


def gather(chosen: Chosen, frame: Callable[[str], pl.DataFrame] | None, zone: str = Settings().time_zone) -> Gathered:
    """Read the files; `frame` (a hub's) gives the ledgers that no file has; without it they are left out.

    Raises UserMistake.
    """
    stamp = chosen.stamp()  # before they are read: what changes meanwhile is read again
    reader = registry.files()
    known = reader.conventions(chosen.headings)
    read = {source: reader.read_ledger(path, source.value, known) for source, path in chosen.files.items()}
    entries = {source: ledgers.entries(ledger.entries) for source, ledger in read.items()}
    findings = [pl.DataFrame(schema=ledgers.FINDINGS), *(ledger.findings for ledger in read.values())]
    if frame is not None and len(read) < len(Source):
        known_to_hub = ledgers.from_hub(frame("orders"), frame("events"))
        own = {source: ledger for source, ledger in known_to_hub.items() if source not in read}
        entries |= own
        findings.append(ledgers.untold(own))
    first = next(iter(read.values()), None)
    return Gathered(
        Ledgers(
            entries={source: entries[source] for source in Source if source in entries},
            fees=pl.concat([pl.DataFrame(schema=ledgers.FEES), *(ledger.fees for ledger in read.values())]),
            findings=pl.concat(findings),
            origins={source: path.name for source, path in chosen.files.items()},
            currency=first.currency if first else ledgers.CURRENCY,
            decimals=first.decimals if first else ledgers.DECIMALS,
        ),
        fees.dictionary(toml(chosen.fees), str(chosen.fees)) if chosen.fees else fees.dictionary(),
        zone,
        stamp,
    )
