"""What people call shops, touchpoints, warehouses and carriers: the one place where an id becomes a name.

Those of the settings have the names that the shop wrote there, in whatever language; carriers have those that everybody
knows, in the reader's. Ids stay in frames, files and wherever one is typed: only what people are shown is told by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import polars as pl

from orderhub_core.i18n import Translate
from orderhub_core.rules.choices import carriers
from orderhub_core.settings import Endpoint, Settings

CARRIERS = {
    "sf": "SF Express",
    "zto": "ZTO Express",
    "yto": "YTO Express",
    "yunda": "Yunda Express",
    "sto": "STO Express",
    "jtsd": "J&T Express",
    "ems": "China Post EMS",
    "jd": "JD Logistics",
    "dbl": "Deppon Express",
}
"""By the codes of `rules.choices`."""
HEADINGS = {
    "Shop": "shop",
    "Channel": "shop",
    "Source": "source",
    "Touchpoint": "touchpoint",
    "Probably wrong": "touchpoint",
    "Warehouse": "warehouse",
    "From warehouse": "warehouse",
    "To warehouse": "warehouse",
    "Target": "target",
    "Carrier": "carrier",
}
"""Columns of pages' tables, and what the ids below them are of."""
FILES, FILES_OF = "files of {shop}", "files of {shop} ({platform})"
OURS = {"rules": "rules", "hub": "the hub", "ops": "a person"}
"""Sources that are no shop and no touchpoint."""
NAMED = "{heading} (name)"
TWICE = "{name} ({id})"
STRANGER = "{name} (not in the settings)"


class Names:
    """Of one hub's settings, for one reader. No two that the settings have are called alike: where they do not tell two
    apart, the ids stand beside."""

    def __init__(self, settings: Settings, tr: Translate) -> None:
        self._tr = tr
        sources = self._apart((*settings.shops, *settings.touchpoints))
        targets = (*settings.warehouses, *settings.bases, *settings.notifiers, *settings.shops)
        self._known: Mapping[str, Mapping[str, str]] = {
            "shop": sources,
            "touchpoint": sources,
            "source": sources,
            "warehouse": self._apart(settings.warehouses),
            "target": self._apart({one.id: one for one in reversed(targets)}.values()),
        }

    def __call__(self, kind: str, known_as: str) -> str:
        """What people call it; what nobody has a name for is called by its id."""
        if kind == "carrier":
            code = carriers(known_as)[0]
            return self._tr(CARRIERS[code]) if code in CARRIERS else known_as
        if kind == "source" and known_as in OURS:
            return self._tr(OURS[known_as])
        names = self._known.get(kind, {})
        if kind == "source" and known_as.startswith("file/"):
            platform, _, shop = known_as.removeprefix("file/").partition("/")
            text = FILES if platform == "file" else FILES_OF
            return self._tr(text).format(shop=names.get(shop, shop), platform=platform)
        # Ledgers and exports may call a shop by its name.
        if kind not in ("shop", "source") and known_as not in names and known_as in names.values():
            return self._tr(STRANGER).format(name=known_as)
        return names.get(known_as, known_as)

    def typed(self, kind: str, known_as: str) -> str:
        """With the id, which is what a command asks for."""
        name = self(kind, known_as)
        told = name == known_as or name.endswith(self._tr(TWICE).format(name="", id=known_as))
        return name if told else self._tr(TWICE).format(name=name, id=known_as)

    def rows(self, table: pl.DataFrame) -> pl.DataFrame:
        """A page's table as it is shown: below HEADINGS names in place of ids."""
        return table.with_columns(self._called(table))

    def beside(self, table: pl.DataFrame) -> pl.DataFrame:
        """A table of a file that people read: next to the ids below HEADINGS the names, where there are any."""
        called = {one.name: one for one in self._called(table) if not one.equals(table[one.name])}
        both = ([column, called.get(column.name)] for column in table)
        return pl.DataFrame(
            [
                one if one is column else one.alias(self._tr(NAMED).format(heading=one.name))
                for column, other in both
                for one in (column, other)
                if one is not None
            ]
        )

    def _called(self, table: pl.DataFrame) -> list[pl.Series]:
        """The columns below HEADINGS, names in place of ids."""
        there = {name: kind for heading, kind in HEADINGS.items() if (name := self._tr(heading)) in table.columns}
        return [
            table[name].replace({one: self(kind, one) for one in table[name].unique().drop_nulls()})
            for name, kind in there.items()
            if table.schema[name] == pl.String
        ]

    def _apart(self, endpoints: Iterable[Endpoint]) -> dict[str, str]:
        named = {one.id: one.name.strip() or one.id for one in endpoints}
        often = Counter(named.values())
        return {
            known_as: self._tr(TWICE).format(name=name, id=known_as)
            if name != known_as and (often[name] > 1 or name in named)
            else name
            for known_as, name in named.items()
        }
