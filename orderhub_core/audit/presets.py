"""Which touchpoints there are and what each carries, as data: `touchpoints.toml`, and a user's own tables over it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec

from orderhub_core.errors import UserMistake


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A touchpoint."""

    title: str = ""
    title_zh: str = ""
    fields: tuple[str, ...] = ("status",)
    scans: bool = False


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Touchpoints that are compared with each other."""

    touchpoints: tuple[str, ...]
    title: str = ""
    title_zh: str = ""


class Directory(msgspec.Struct, frozen=True):
    touchpoints: Mapping[str, Known] = {}
    presets: Mapping[str, Preset] = {}

    def preset(self, name: str) -> Preset:
        """Raises UserMistake for one that nobody has written."""
        if name not in self.presets:
            raise UserMistake("no preset {name!r}; there are: {presets}", name=name, presets=tuple(self.presets))
        return self.presets[name]

    def scanning(self) -> frozenset[str]:
        """The touchpoints that know what the carrier has scanned."""
        return frozenset(name for name, known in self.touchpoints.items() if known.scans)


@lru_cache
def default() -> Directory:
    """The touchpoints and presets this version knows."""
    return directory({})


def directory(mapping: Mapping[str, Any]) -> Directory:
    """The known ones, and a mapping's own (`[touchpoints.<name>]`, `[presets.<name>]`), which replace those of their
    name. Raises UserMistake naming what is wrong."""
    shipped = resources.files(__package__).joinpath("touchpoints.toml").read_bytes()
    ours = msgspec.toml.decode(shipped, type=Directory)
    try:
        theirs = msgspec.convert(dict(mapping), Directory)
    except msgspec.ValidationError as error:
        raise UserMistake("touchpoints: {error}", error=error) from None
    both = Directory({**ours.touchpoints, **theirs.touchpoints}, {**ours.presets, **theirs.presets})
    for name, preset in both.presets.items():
        strange = [touchpoint for touchpoint in preset.touchpoints if touchpoint not in both.touchpoints]
        if strange or len(set(preset.touchpoints)) < 2:
            what = f"unknown touchpoints {', '.join(strange)}" if strange else "fewer than two touchpoints"
            raise UserMistake("touchpoints: preset {name!r} names {what}", name=name, what=what)
    return both
