"""What this installation is: shops, touchpoints, warehouses, limits. Typed; one TOML file plus the environment.

A platform is code, a shop is data: two Douyin shops are two `[[shops]]` tables. Secrets never stand in the
file: `secret_env` names the environment variable, `secret_file` a file outside the tree.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from orderhub_core.errors import Term, UserMistake

FILE_NAME, PAGE = "orderhub.toml", "docs/settings.md"
LONGEST_TIMEOUT_S = 30.0
"""A worker that performs an effect must be done before its lease runs out."""
LONGEST_MERGE_WAIT_S = 4 * 3600.0
"""What is to be done later than anybody plans ahead is taken for an error of the clock."""
RESERVED = "ops"
"""The hub's own message source; those of files have a slash."""


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One outside system that the hub talks to. `connector` names the module that speaks its language; of a shop whose
    orders come by files alone it is empty."""

    id: str
    connector: str
    name: str = ""
    url: str = ""
    app_key: str = ""
    secret_env: str = ""
    secret_file: str = ""
    poll_every_s: float = 30.0
    timeout_s: float = 10.0
    calls_per_minute: int = 0
    """Of the hub's own doing: fetching, pushing, notifying, reading for a spot audit. 0: no limit."""
    options: dict[str, str] = {}

    def secret(self, env: Mapping[str, str] = os.environ) -> str:
        """Raises UserMistake when the secret is named but not there."""
        if self.secret_env:
            if secret := env.get(self.secret_env, "").strip():  # what a shell has left at its end is none of it
                return secret
            text = "{id}: set the environment variable {name} (secret_env) to this system's secret"
            raise UserMistake(text, id=self.id, name=self.secret_env)
        if self.secret_file:
            try:
                return Path(self.secret_file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                text, why = "{id}: secret_file {path} cannot be read ({why})", getattr(error, "strerror", "not UTF-8")
                raise UserMistake(text, id=self.id, path=self.secret_file, why=why) from None
        return ""


class WarehouseSettings(Endpoint, frozen=True, forbid_unknown_fields=True):
    """A warehouse that orders may be routed to. `connector` may be empty: then nothing is pushed."""

    enabled: bool = True
    """Nothing is pushed to one that is not: what rules send there waits for a person."""
    orders_per_hour: int = 0
    """What it can send, for the rule lab, which tells where a draft would have more come; 0: nobody knows."""
    orders_per_day: int = 0
    """More than this are not routed there: they wait for a person, or go where the next nearest is. 0: any number."""
    temporary: bool = False
    """The nearest one is sought among the others first."""
    province: str = ""
    """Where it stands, for the choice of the nearest; or more exactly by `latitude` and `longitude`, in degrees."""
    latitude: float | None = None
    longitude: float | None = None
    safety_stock: int = 0
    """Pieces of each SKU that orders must leave there, where its reports of stock do not say."""
    stock_every_s: float = 0
    """How often it is asked for its stock; 0: it is reported by somebody else, or not at all."""


class BaseSettings(Endpoint, frozen=True, forbid_unknown_fields=True):
    """A production base that work orders may be sent to. `connector` is a warehouse's."""

    province: str = ""
    """Where it stands, for the choice of the nearest."""


class TransferSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from", "target": "to"}
):
    """By what right goods are brought from one warehouse to another, where orders wait for them."""

    source: str
    target: str
    rank: int | None = None
    """Of the routes to one warehouse 1 is asked first; those without one come after, by cost and distance. 0: never."""
    cost: float | None = None
    """Of a journey; with `cost_per_piece`, in the shop's currency. Nothing: nobody knows."""
    cost_per_piece: float = 0


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    body_bytes: int = 4 * 1024 * 1024
    """A larger webhook body is answered with 413."""
    waiting_messages: int = 5_000
    """More unacknowledged messages than this are answered with 503 and Retry-After."""
    waiting_bytes: int = 64 * 1024 * 1024
    """The same for their bodies, and for bodies that are still being sent, each."""
    batch: int = 2_000
    attempts: int = 8
    """Tries of one effect before it waits for a person."""
    raw_days: int = 30
    """Raw bodies of messages that were applied are kept this long; their digests stay."""


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much each part of the credibility index counts; only their proportions matter."""

    freshness: float = 1.0
    consistency: float = 1.0
    traceability: float = 1.0


class Credibility(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    weights: Weights = Weights()
    targets: dict[str, float] = {}
    """Seconds within which news is fresh, by `source` or `source.field`, in place of what the source can give."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shops: tuple[Endpoint, ...] = ()
    touchpoints: tuple[Endpoint, ...] = ()
    warehouses: tuple[WarehouseSettings, ...] = ()
    bases: tuple[BaseSettings, ...] = ()
    notifiers: tuple[Endpoint, ...] = ()
    transfers: tuple[TransferSettings, ...] = ()
    elsewhere: tuple[str, ...] = ()
    """Warehouses that send orders without the hub, as a platform's own do, by the names that channels give them."""
    rulebook: str = ""
    """Path of the rulebook, relative to the settings file. It speaks until a version is published."""
    review_rules: bool = False
    """Whether somebody else than its author must have reviewed a version before it decides."""
    merge_wait_s: float = 600.0
    """How long an order waits for others, where a rule says `merge`; 0: it does not wait, and is packed alone."""
    time_zone: str = "Asia/Shanghai"
    """The zone in which people read times; storage is UTC."""
    limits: Limits = Limits()
    credibility: Credibility = Credibility()

    @property
    def live_shops(self) -> tuple[Endpoint, ...]:
        """Those that are connected; the orders of the others come by files alone."""
        return tuple(shop for shop in self.shops if shop.connector)

    def shop(self, shop_id: str) -> Endpoint | None:
        """One that is connected."""
        return next((shop for shop in self.live_shops if shop.id == shop_id), None)

    def touchpoint(self, name: str) -> Endpoint | None:
        return next((touchpoint for touchpoint in self.touchpoints if touchpoint.id == name), None)


def read_text(path: Path, what: str = "") -> str:
    """What a file says, with or without the mark that Windows puts before it. Raises UserMistake, which says what the
    file is to be."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        text = "{what} {path} cannot be read ({why})" if what else "{path} cannot be read ({why})"
        raise UserMistake(text, what=Term(what), path=path, why=error.strerror) from None
    except UnicodeDecodeError:
        text = (
            "{what} {path} is not UTF-8 text; save it again as UTF-8"
            if what
            else "{path} is not UTF-8 text; save it again as UTF-8"
        )
        raise UserMistake(text, what=Term(what), path=path) from None


def toml(path: Path, page: str = "") -> dict[str, Any]:
    """What a TOML file says. Raises UserMistake, which names the page that tells how the file is written."""
    try:
        return parsed(read_text(path))
    except ValueError as error:
        text = "{path} is not TOML: {why}; see {page}" if page else "{path} is not TOML: {why}"
        raise UserMistake(text, path=path, why=error, page=page) from None


def parsed(text: str) -> dict[str, Any]:
    """What a TOML text says. Raises ValueError, which tells why it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        # The one thing that the parser leaves to Python, which counts the digits of a number before it reads them.
        raise ValueError("a number in it has thousands of digits") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def load(data: Path) -> Settings:
    """The settings in `data/orderhub.toml`, or defaults where there is no such file. Raises UserMistake."""
    path = data / FILE_NAME
    if not path.exists():
        return Settings()
    try:
        settings = msgspec.convert(toml(path, PAGE), Settings)
    except msgspec.ValidationError as error:
        raise UserMistake("{path}: {why}; see {page} for every field", path=path, why=error, page=PAGE) from None
    for mistake in _mistakes(settings):
        raise UserMistake("{path}: {mistake}", path=path, mistake=mistake)
    return settings


def _mistakes(settings: Settings) -> Iterator[str]:
    """What every field alone may say, but all of them together may not."""
    # Shops and touchpoints share one space of names: a message says only which of them it came from.
    for kind, endpoints in {
        "shops and touchpoints": (*settings.shops, *settings.touchpoints),
        "warehouses": settings.warehouses,
        "bases": settings.bases,
        "notifiers": settings.notifiers,
    }.items():
        yield from (f"{kind}: the id {again!r} stands twice; give each its own" for again in _repeated(endpoints))
        for endpoint in endpoints:
            yield from (f"{kind}: {endpoint.id!r}: {text}" for text in _endpoint_mistakes(endpoint))
    for warehouse in settings.warehouses:
        yield from (f"warehouses: {warehouse.id!r}: {text}" for text in _warehouse_mistakes(warehouse))
    for again in sorted({one.id for one in settings.warehouses}.intersection(settings.elsewhere)):
        yield f"elsewhere: {again!r} is one of the warehouses, which the hub hands orders to; write it in one place"
    yield from _transfer_mistakes(settings)
    for name in Limits.__struct_fields__:
        if getattr(settings.limits, name) < 1:
            yield f"limits: {name} is {getattr(settings.limits, name)}; write 1 or more"
    if not 0 <= settings.merge_wait_s <= LONGEST_MERGE_WAIT_S:
        yield f"merge_wait_s is {settings.merge_wait_s:g}; write seconds, at most {LONGEST_MERGE_WAIT_S:g}, or 0"
    yield from _credibility_mistakes(settings.credibility)
    try:
        ZoneInfo(settings.time_zone)
    except (OSError, KeyError, ValueError):
        yield f"time_zone: there is no zone {settings.time_zone!r}; write one like Asia/Shanghai"


def _credibility_mistakes(credibility: Credibility) -> Iterator[str]:
    weights = msgspec.structs.asdict(credibility.weights)
    for name, weight in weights.items():
        if not 0 <= weight < float("inf"):
            yield f"credibility.weights: {name} is {weight:g}; write 0 or more"
    if not any(weights.values()):
        yield "credibility.weights: all are 0; let at least one part count"
    for name, target_s in credibility.targets.items():
        if not 0 < target_s < float("inf"):
            yield f"credibility.targets: {name!r} is {target_s:g}; write seconds, more than 0"


def _warehouse_mistakes(one: WarehouseSettings) -> Iterator[str]:
    for name in ("orders_per_hour", "orders_per_day", "safety_stock"):
        if getattr(one, name) < 0:
            yield f"{name} is {getattr(one, name)}; write 0 or more"
    if not 0 <= one.stock_every_s < float("inf"):
        yield f"stock_every_s is {one.stock_every_s:g}; write seconds, or 0 not to ask"
    elif one.stock_every_s and not one.connector:
        yield "stock_every_s needs a connector that can be asked"
    degrees = {"latitude": (one.latitude, 90), "longitude": (one.longitude, 180)}
    if (one.latitude is None) != (one.longitude is None):
        yield "latitude and longitude belong together: write both, or neither"
    for name, (said, most) in degrees.items():
        if said is not None and not -most <= said <= most:
            yield f"{name} is {said:g}; write degrees from -{most} to {most}"


def _transfer_mistakes(settings: Settings) -> Iterator[str]:
    known, seen = [one.id for one in settings.warehouses], set()
    for one in settings.transfers:
        named = f"transfers: from {one.source!r} to {one.target!r}"
        for name in {one.source: None, one.target: None}:
            if name not in known:
                yield f"{named}: there is no warehouse {name!r}; there are {', '.join(known) or 'none'}"
        if one.source == one.target:
            yield f"{named}: it is there already"
        if (one.source, one.target) in seen:
            yield f"{named} stands twice; keep one"
        seen.add((one.source, one.target))
        if one.rank is not None and one.rank < 0:
            yield f"{named}: rank is {one.rank}; write 1 or more, or 0 for never"
        for name, cost in (("cost", one.cost), ("cost_per_piece", one.cost_per_piece)):
            if cost is not None and not 0 <= cost < float("inf"):
                yield f"{named}: {name} is {cost:g}; write 0 or more"


def _repeated(endpoints: Iterable[Endpoint]) -> list[str]:
    ids = [endpoint.id for endpoint in endpoints]
    return sorted({name for name in ids if ids.count(name) > 1})


def _endpoint_mistakes(endpoint: Endpoint) -> Iterator[str]:
    if not endpoint.id or "/" in endpoint.id or endpoint.id == RESERVED:
        yield f"an id is not empty, has no slash, and is not {RESERVED!r}"
    if not 0 < endpoint.poll_every_s < float("inf"):
        yield f"poll_every_s is {endpoint.poll_every_s:g}; write more than 0"
    if endpoint.calls_per_minute < 0:
        yield f"calls_per_minute is {endpoint.calls_per_minute}; write 1 or more, or 0 for no limit"
    if not 0 < endpoint.timeout_s <= LONGEST_TIMEOUT_S:
        yield f"timeout_s is {endpoint.timeout_s:g}; write more than 0, at most {LONGEST_TIMEOUT_S:g}"
