"""What `serve`, `receive` and `worker` look at, and say, before they begin."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from orderhub_core import registry
from orderhub_core.errors import Mistaken, NeedsPerson, OrderHubError, UserMistake
from orderhub_core.flows import editions, settled
from orderhub_core.flows.context import Context
from orderhub_core.flows.places import places
from orderhub_core.hub import Hub
from orderhub_core.i18n import Translate
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import FILE_NAME, Settings
from orderhub_core.store import flow, homes, keys
from orderhub_core.store.home import Home

log = structlog.get_logger()


def refuse_mistyped(home: Home) -> None:
    """Raises StoreMissing where a folder was named in which nobody has begun a hub: its name is mistyped, or its disk
    is not there, more often than it is new."""
    if os.environ.get("ORDERHUB_DATA"):
        homes.refuse_unbegun(home, FILE_NAME)


def begin(home: Home) -> None:
    """Make the hub where there is none, or bring it to this version's schema. Raises as `refuse_mistyped`."""
    refuse_mistyped(home)
    homes.init(home)


@contextlib.contextmanager
def leaving_nothing(home: Home) -> Iterator[None]:
    """Who is refused meanwhile leaves no folder of a hub behind where none was: the next would take it for one."""
    there = home.data.exists()
    try:
        yield
    except OrderHubError:
        if not there:
            with contextlib.suppress(OSError):  # something is in it, which is not ours to remove
                home.data.rmdir()
        raise


def check_connectors(hub: Hub) -> None:
    """Raises UserMistake for a connector that does not exist: better now than at the first message."""
    settings = hub.settings
    for kind, endpoints in {
        "channels": settings.live_shops,
        "touchpoints": settings.touchpoints,
        "warehouses": settings.warehouses,
        "notifiers": settings.notifiers,
    }.items():
        for endpoint in endpoints:
            if not endpoint.connector and kind == "warehouses":
                continue
            try:
                registry.module(kind, endpoint.connector)
            except UserMistake as mistake:
                raise UserMistake(
                    "{path}: {id!r}: {mistake}", path=hub.home.data / FILE_NAME, id=endpoint.id, mistake=mistake
                ) from None


def check_rulebook(hub: Hub) -> None:
    """Raises UserMistake where what decides just now could not be carried out: better now than with the first paid
    order. The file of the settings decides until a version is published."""
    places(hub.settings)
    try:
        book = editions.in_force(hub.store, hub.book).active
    except NeedsPerson as reason:
        raise Mistaken(reason.told) from None
    if settled.unknown(book, hub.settings):
        file = hub.home.data / hub.settings.rulebook if book is hub.book else None
        raise Mistaken(partial(_unknown, book, hub.settings, file))


def _unknown(book: Rulebook, settings: Settings, file: Path | None, tr: Translate) -> str:
    where = str(file or tr("{what} {fact}").format(what=tr("version"), fact=book.version))
    return f"{where}{tr(': ')}{tr('; ').join(settled.unknown(book, settings, tr))}"


def check_work(hub: Hub) -> Context:
    """What a worker works with. Raises UserMistake as `check_rulebook`, and for a key of pseudonyms that is none."""
    check_rulebook(hub)
    return hub.context


def tell_workless(hub: Hub) -> None:
    """Where messages are taken in and the worker is another process: why none would start on these settings, or without
    the key of the pseudonyms. What is taken in waits for it; turned away, what a shop pushes but once would be lost."""
    try:
        check_rulebook(hub)
        if wrong := keys.doubt(hub.store, hub.home.data, os.environ):
            raise wrong
    except UserMistake as mistake:
        log.warning("no worker starts on these settings", reason=str(mistake))


def tell_start(hub: Hub, role: str, **more: object) -> None:
    """One line of the log: what has begun, over which kind of home, for whom. Names of the settings, no addresses:
    those of a database or a cluster may hold passwords."""
    settings, home = hub.settings, hub.home
    kind = "jetstream" if home.inbox else "postgresql" if home.database else "sqlite"
    sources = [source.id for source in (*settings.shops, *settings.touchpoints)]
    log.info("started", role=role, home=kind, sources=sources, lanes=hub.store.lanes, **more)


def tell_doubts(hub: Hub, *, works: bool = True) -> None:
    """Once, at the start: what would make the hub promise less than it should, shops that take nothing yet, and whom a
    worker (`works`) cannot reach by these settings."""
    for shop in hub.settings.live_shops:
        try:
            hub.channel(shop.id)
        except UserMistake as mistake:
            log.warning("a shop takes no webhooks", shop=shop.id, reason=str(mistake))
    for target, reason in hub.targets.unreachable() if works else ():
        log.warning("nothing can be handed over", target=target, reason=reason)
    if works and not hub.editions.decides():
        log.warning("there is no rulebook: paid orders go nowhere", settings=str(hub.home.data / FILE_NAME))
    count, until = flow.leased(hub.store)
    if until is not None:
        again = datetime.fromtimestamp(until / 1e6, UTC).isoformat(timespec="seconds")
        log.info("effects are leased by a worker that runs, or was killed; then they are tried again after",
                 effects=count, after=again)  # fmt: skip
    for doubt in hub.store.doubts():
        log.warning("the inbox promises less than it should", reason=str(doubt))
