"""The sheet of one spot audit: what was asked, which orders were drawn, and what each touchpoint showed of them then.

A sheet is written when the touchpoints have been read: whoever opens the audit again sees the same cards, and
population, claim and level are fixed before the first judgement, as `stopping` asks. Only a touchpoint that could not
be read may be read again; that changes none of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from orderhub_core.audit import report, strata
from orderhub_core.audit.calibration import Calibration
from orderhub_core.audit.lag import FACTS
from orderhub_core.audit.report import Report
from orderhub_core.audit.sources import KEY
from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT

PREFIX = "spot-"
STRATA = ("channel", "warehouse", "age")
"""By what an audit may be stratified; a channel is a shop, `age` a class of `strata.age_class`."""
MOST_ORDERS, MOST_SEED = 2_000, 999_999
LEVEL = 0.95
_NAME = re.compile(
    PREFIX + r"\d{4}-W\d\d-s\d{1,6}-n\d{1,4}(-c\d{1,2}(\.\d{1,4})?)?-(simple|by(-(channel|warehouse|age))+)"
)

State = Literal["live", "copy", "failed"]


class Spec(msgspec.Struct, frozen=True):
    """What is asked for."""

    size: int = 100
    seed: int = 7
    by: tuple[str, ...] = ()
    """Some of `STRATA`; none is a simple draw."""
    claim: float = 0.99


class Card(msgspec.Struct, frozen=True):
    shop: str
    order_no: str
    stratum: int = 0
    facts: dict[str, int] = {}
    """When the hub's order was placed, paid, shipped ... at the time of the audit (columns of `lag.FACTS`)."""


class Stratum(msgspec.Struct, frozen=True):
    values: tuple[str, ...]
    """In the order of `Spec.by`; "" where the order has none."""
    orders: int
    drawn: int


class Looked(msgspec.Struct, frozen=True):
    """How the reading of one touchpoint went."""

    name: str
    state: State
    at: int
    """When it had been read; of a copy, when the copy was taken. Microseconds UTC."""
    reason: str = ""
    """Why it failed."""
    unreadable: int = 0
    """Rows that could not be read."""
    again: bool = False
    """It failed at first, and was read later than the others."""


class Shown(msgspec.Struct, frozen=True):
    """A row as a touchpoint showed it."""

    touchpoint: str
    shop: str
    order_no: str
    status: str
    at: int | None = None


class Sheet(msgspec.Struct, frozen=True):
    audit: str
    opened_at: int
    """Microseconds UTC. Orders placed later are not part of the population."""
    spec: Spec
    population: int
    cards: tuple[Card, ...]
    """In the order of judging: the first n of a simple draw are a random sample themselves, for every n."""
    strata: tuple[Stratum, ...]
    looked: tuple[Looked, ...] = ()
    shown: tuple[Shown, ...] = ()
    calibration: Calibration = Calibration()

    @property
    def touchpoints(self) -> list[str]:
        return [one.name for one in self.looked]

    def cards_frame(self) -> pl.DataFrame:
        """`shop`, `order_no`, `stratum`, in the order of judging."""
        rows = [(card.shop, card.order_no, card.stratum) for card in self.cards]
        return pl.DataFrame(rows, schema={"shop": pl.String, "order_no": pl.String, "stratum": pl.UInt32}, orient="row")

    def strata_frame(self) -> pl.DataFrame:
        """`stratum`, the columns of `spec.by`, `orders`, `drawn`: as `strata.estimate` takes it."""
        rows = [(number, *one.values, one.orders, one.drawn) for number, one in enumerate(self.strata)]
        texts = dict.fromkeys(self.spec.by, pl.String())
        schema = pl.Schema({"stratum": pl.UInt32(), **texts, "orders": pl.Int64(), "drawn": pl.Int64()})
        return pl.DataFrame(rows, schema=schema, orient="row")

    def shown_frames(self) -> dict[str, pl.DataFrame]:
        """Per touchpoint that could be read: `shop`, `order_no`, `status`, `at`."""
        columns = [*KEY, "touchpoint", "status"]
        rows = [(one.shop, one.order_no, one.touchpoint, one.status, one.at) for one in self.shown]
        schema = pl.Schema({**dict.fromkeys(columns, pl.String()), "at": pl.Int64()})
        every = pl.DataFrame(rows, schema=schema, orient="row").cast({"at": INSTANT})
        read = [one.name for one in self.looked if one.state != "failed"]
        return {name: every.filter(pl.col("touchpoint") == name).drop("touchpoint") for name in read}

    def report(self) -> Report:
        """What the machine says of the cards. Raises UserMistake where fewer than two touchpoints were read."""
        names = sorted(set(FACTS.values()))
        rows = [(card.shop, card.order_no, *map(card.facts.get, names)) for card in self.cards]
        schema = pl.Schema({**dict.fromkeys(KEY, pl.String()), **dict.fromkeys(names, pl.Int64())})
        known = pl.DataFrame(rows, schema=schema, orient="row").cast(dict.fromkeys(names, INSTANT))
        return report.audit(
            self.shown_frames(),
            sample=len(self.cards),
            seed=self.spec.seed,
            as_of=self.opened_at,
            calibration=self.calibration,
            population=known,
        )


def spec(size: float | None, seed: float | None, by: Iterable[str], claim_percent: float | None) -> Spec:
    """What a form says; an empty field is the default."""
    usual = Spec()
    claim = usual.claim if claim_percent is None else round(claim_percent / 100, 6)
    size, seed = usual.size if size is None else size, usual.seed if seed is None else seed
    return Spec(int(size), int(seed), tuple(name for name in STRATA if name in set(by)), claim)


def check(spec: Spec) -> Spec:
    """Raises UserMistake naming what cannot be asked."""
    if not 1 <= spec.size <= MOST_ORDERS:
        raise UserMistake("a spot audit draws 1 to {most} orders, not {size}", most=MOST_ORDERS, size=spec.size)
    if not 0 <= spec.seed <= MOST_SEED:
        raise UserMistake("a seed is a whole number from 0 to {most}, not {seed}", most=MOST_SEED, seed=spec.seed)
    if unknown := set(spec.by).difference(STRATA):
        raise UserMistake(
            "orders are drawn by {columns}; not by {unknown}", columns=tuple(STRATA), unknown=tuple(sorted(unknown))
        )
    if not 0 < spec.claim < 1:
        raise UserMistake("a claim is a share between 0 and 1, not {claim}", claim=spec.claim)
    return spec


def audit_id(spec: Spec, now: int, zone: str) -> str:
    """The name of the audit of this week: the same question in the same week is the same audit."""
    year, week = _week(now, zone)
    claim = f"{spec.claim * 100:.4f}".rstrip("0").rstrip(".")
    return f"{PREFIX}{year}-W{week:02}-s{spec.seed}-n{spec.size}-c{claim}-{design(spec)}"


def _week(now: int, zone: str) -> tuple[int, int]:
    year, week, _ = datetime.fromtimestamp(now / 1e6, UTC).astimezone(ZoneInfo(zone)).isocalendar()
    return year, week


def design(spec: Spec) -> str:
    return "by-" + "-".join(name for name in STRATA if name in spec.by) if spec.by else "simple"


def is_of_design(audit: str, spec: Spec) -> bool:
    """Whether a known audit was drawn as this one asks, whatever its size, seed and claim."""
    return audit.endswith(f"-{design(spec)}")


def known(audit: str) -> bool:
    """Is it the name of a spot audit? Nothing else may become the name of a file."""
    return _NAME.fullmatch(audit) is not None


def week(audit: str) -> str:
    """The week of a known audit, such as 2026-W48: later ones sort later."""
    return audit[len(PREFIX) :][: len("2026-W48")]


def seed_of_week(spec: Spec, now: int, zone: str) -> int:
    """The seed of this week's draw. With the same one every week the same orders would be drawn again, but for new
    ones, and the weeks could not be compared as independent samples."""
    year, number = _week(now, zone)
    return (year * 100 + number) * (MOST_SEED + 1) + spec.seed


def drawn(orders: pl.DataFrame, spec: Spec, now: int, zone: str) -> Sheet:
    """Draw from `orders` (`frames.ORDERS`) placed up to `now`; nothing is read yet."""
    placed = orders.lazy().filter(pl.col("placed_at").cast(pl.Int64) <= now)
    columns = {
        "channel": pl.col("shop"),
        "warehouse": pl.col("warehouse").fill_null(""),
        "age": strata.age_class(pl.col("placed_at"), now).cast(pl.String),
    }
    by = [name for name in STRATA if name in spec.by]
    table = placed.select("shop", "order_no", **{name: columns[name] for name in by}).collect()
    picked = strata.draw(table, by, spec.size, seed_of_week(spec, now, zone))
    numbers = picked.sample["stratum"].to_list()
    rows = picked.strata.select(*by, "orders", "drawn").iter_rows()
    return Sheet(
        audit=audit_id(spec, now, zone),
        opened_at=now,
        spec=msgspec.structs.replace(spec, by=tuple(by)),
        population=int(picked.strata["orders"].sum()),
        cards=tuple(_cards(orders, picked.sample.select(KEY), numbers)),
        strata=tuple(Stratum(tuple(map(str, values)), orders, taken) for *values, orders, taken in rows),
    )


def _cards(orders: pl.DataFrame, keys: pl.DataFrame, numbers: list[int]) -> Iterator[Card]:
    names = sorted(set(FACTS.values()))
    known = orders.join(keys, on=KEY, how="semi").unique(KEY, keep="first", maintain_order=True)
    rows = keys.join(known.select(*KEY, pl.col(names).cast(pl.Int64)), on=KEY, how="left", maintain_order="left")
    for number, row in zip(numbers, rows.iter_rows(named=True), strict=True):
        facts = {name: row[name] for name in names if row[name] is not None}
        yield Card(row["shop"], row["order_no"], number, facts)


def shown(rows: pl.DataFrame, cards: pl.DataFrame, name: str) -> list[Shown]:
    """What the hub's copy (`frames.SIGHTINGS`) of a touchpoint has of the cards."""
    own = rows.filter(pl.col("touchpoint") == name).join(cards.select(KEY), on=KEY, how="semi")
    told = own.select(*KEY, "status", pl.col("at").cast(pl.Int64)).iter_rows()
    return [Shown(name, shop, order_no, status, at) for shop, order_no, status, at in told]


def read_again(sheet: Sheet, looks: Iterable[tuple[Looked, list[Shown]]]) -> Sheet:
    """With some touchpoints read once more. What was read of one that is not failed any more stays: people may be
    judging by it."""
    failed = {look.name for look in sheet.looked if look.state == "failed"}
    told = [(look, rows) for look, rows in looks if look.name in failed]
    fresh = {look.name: (msgspec.structs.replace(look, again=look.state != "failed"), rows) for look, rows in told}
    looked = tuple(fresh[look.name][0] if look.name in fresh else look for look in sheet.looked)
    others = [row for row in sheet.shown if row.touchpoint not in fresh]
    shown = (*others, *(row for _, rows in fresh.values() for row in rows))
    return msgspec.structs.replace(sheet, looked=looked, shown=shown)


def evidence(sheet: Sheet) -> Mapping[tuple[str, str], dict[str, str]]:
    """By (shop, order_no): the raw word of each touchpoint; those without a row are left out."""
    words: dict[tuple[str, str], dict[str, str]] = {(card.shop, card.order_no): {} for card in sheet.cards}
    for one in sheet.shown:
        if (one.shop, one.order_no) in words:
            words[one.shop, one.order_no][one.touchpoint] = one.status
    return words
