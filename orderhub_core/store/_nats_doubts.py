"""What a cluster promises less than the hub does, as far as its servers tell: through their monitoring ports.

An acknowledgement means that a quorum has the message. Whether it then is on their disks or only in their memory is
a setting of the servers, which the client's protocol does not show.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from itertools import zip_longest
from urllib.parse import urlsplit

import msgspec

from orderhub_core.errors import Fault
from orderhub_core.store._nats_address import Address

TIMEOUT_S = 2.0
SOUND = (2, 12)
"""Servers before 2.10.23 could lose a whole stream when their process was killed; only 2.12 and newer were examined."""


class _Config(msgspec.Struct):
    sync_always: bool = False
    sync_interval: int = 0
    """Nanoseconds."""


class _Meta(msgspec.Struct):
    cluster_size: int = 1


class _JetStream(msgspec.Struct):
    config: _Config | None = None
    meta: _Meta | None = None


class Told(msgspec.Struct):
    """The fields of a server's /varz that matter here."""

    version: str = ""
    server_name: str = ""
    jetstream: _JetStream = msgspec.field(default_factory=_JetStream)


def doubts(to: Address) -> list[Fault]:
    """One sentence for each thing that weakens an acknowledgement, or that nobody can check; empty when all is well."""
    if not to.monitors:
        return [
            Fault(
                "the address of the inbox has no `monitor=`: whether its servers write to disk before they acknowledge"
                " cannot be checked; see docs/jetstream.md"
            )
        ]
    return [doubt for host, port in _monitors(to) for doubt in _doubts_of(host, port, to.replicas)]


def _monitors(to: Address) -> Iterator[tuple[str, int]]:
    hosts = [urlsplit(server).hostname or "" for server in to.servers]
    return zip_longest(hosts, to.monitors[: len(hosts)], fillvalue=to.monitors[0])  # type: ignore[arg-type]


def _doubts_of(host: str, port: int, replicas: int) -> list[Fault]:
    connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/varz")
        told = msgspec.json.decode(connection.getresponse().read(), type=Told)
    except (OSError, HTTPException, msgspec.DecodeError) as error:
        text = "the monitoring port {host}:{port} does not answer ({kind})"
        return [Fault(text, host=host, port=port, kind=type(error).__name__)]
    finally:
        connection.close()
    return list(judged(told, f"{told.server_name or host}", replicas))


def judged(told: Told, server: str, replicas: int) -> Iterator[Fault]:
    config, meta = told.jetstream.config, told.jetstream.meta
    if config is None:
        yield Fault("{server} runs without JetStream", server=server)
        return
    if not config.sync_always:
        every = config.sync_interval / 1e9
        yield Fault(
            "{server} acknowledges before it writes to disk (sync_interval {every} s): a power cut that hits a"
            " quorum loses what it acknowledged since; set `sync_interval: always`, see docs/jetstream.md",
            server=server,
            every=f"{every:g}",
        )
    if meta is not None and meta.cluster_size < replicas:
        text = "{server} knows {known} servers for {replicas} replicas"
        yield Fault(text, server=server, known=meta.cluster_size, replicas=replicas)
    if _number(told.version) < SOUND:
        yield Fault("{server} runs NATS {version}; run 2.12 or newer", server=server, version=told.version)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split(".")[:2] if part.isdecimal())
