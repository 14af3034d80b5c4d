"""How long is too long: one table of (headline, segment) to hours, written as TOML. Pure."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec
import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.model import Headline

SEGMENTS = ("shop", "platform", "warehouse", "carrier", "province", "tracking_no")
"""Columns of the orders frame that a row of the table may be narrowed by."""

PRESET = "thresholds.toml"
"""The file of this package with the hub's own table."""


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    headline: Headline
    warn_hours: float
    act_hours: float
    segment: str = ""
    """`column=value`; empty fits every order of the headline."""
    why: str = ""

    def __post_init__(self) -> None:
        row = f"threshold of {self.headline.value} {self.segment}".rstrip()
        if not 0 < self.warn_hours <= self.act_hours < 1e6:
            raise UserMistake(
                "{row}: warn_hours is {warn_hours:g} and act_hours {act_hours:g}; write 0 < warn_hours <= act_hours",
                row=row,
                warn_hours=self.warn_hours,
                act_hours=self.act_hours,
            )
        if self.segment and ("=" not in self.segment or self.segment.partition("=")[0] not in SEGMENTS):
            raise UserMistake(
                "{row}: write the segment as column=value, column one of {columns}", row=row, columns=tuple(SEGMENTS)
            )

    def fits(self) -> pl.Expr:
        """Is an order of the orders frame meant by this row?"""
        named = pl.col("headline") == pl.lit(self.headline.value)
        column, _, value = self.segment.partition("=")
        return named & (pl.col(column).fill_null("") == value) if self.segment else named


class _File(msgspec.Struct, forbid_unknown_fields=True):
    threshold: tuple[Threshold, ...]


def read(text: bytes | str, name: str) -> tuple[Threshold, ...]:
    """The table in a TOML text. Raises UserMistake naming the file and the row."""
    try:
        return msgspec.toml.decode(text, type=_File).threshold
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserMistake("{name}: {error}", name=name, error=error) from None
    except UserMistake as error:
        raise UserMistake("{name}: {error}", name=name, error=error) from None


@cache
def preset() -> tuple[Threshold, ...]:
    """The table that comes with the hub."""
    return read(resources.files(__package__).joinpath(PRESET).read_bytes(), PRESET)
