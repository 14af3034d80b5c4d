"""Where the inbox lives on a NATS cluster, in one address, and what its streams must be.

    nats://user:password@host:4222,host2:4222,host3:4222/name?replicas=3&lanes=16

`name` tells hubs on one cluster apart. See docs/jetstream.md for every option.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from orderhub_core.errors import UserMistake

EXAMPLE = "nats://user@host:4222,host2:4222,host3:4222"
SCHEMES = ("nats", "tls")
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a stream's name may consist of."""


class Address(NamedTuple):
    servers: tuple[str, ...]
    name: str = "orderhub"
    replicas: int = 3
    lanes: int = 16
    max_bytes: int = 8 * 1024 * 1024 * 1024
    """Of all lanes together; a full lane refuses what is new."""
    window_s: int = 120
    """How long the cluster remembers message ids."""
    monitors: tuple[int, ...] = ()
    """The servers' monitoring ports, in their order; one stands for all."""


NUMBERS = {"replicas": (1, 5), "lanes": (1, 256), "max_bytes": (1, 2**62), "window_s": (1, 86_400)}


def address(url: str) -> Address:
    """Raises UserMistake, without the address: a password may be in it."""
    scheme, _, rest = url.partition("://")
    hosts, _, tail = rest.partition("/")
    hosts, _, query_of_hosts = hosts.partition("?")
    name, _, query = tail.partition("?")
    if scheme not in SCHEMES or not hosts:
        raise UserMistake("--inbox must be the address of a NATS cluster: write it like {example}", example=EXAMPLE)
    user, at, hosts = hosts.rpartition("@")
    servers = tuple(f"{scheme}://{user}{at}{_host(host)}" for host in hosts.split(","))
    if name and not NAME.fullmatch(name):
        raise UserMistake("--inbox: the name after the last `/` has letters, digits, `-` and `_` only")
    return Address(servers, name or Address._field_defaults["name"], **_options(query or query_of_hosts))


def _host(host: str) -> str:
    try:
        parts = urlsplit(f"nats://{host}")
        known = bool(parts.hostname) and 0 < (parts.port or 4222) < 65_536
    except ValueError:
        known = False
    if not known:
        raise UserMistake("--inbox: a host or port cannot be understood; write it like {example}", example=EXAMPLE)
    return host


def _options(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for option, value in parse_qsl(query, keep_blank_values=True):
        if option == "monitor":
            options["monitors"] = tuple(_number("monitor", port, 1, 65_535) for port in value.split(","))
        elif option in NUMBERS:
            options[option] = _number(option, value, *NUMBERS[option])
        else:
            text, known = "--inbox: there is no option {option!r}; known are {known}", (*NUMBERS, "monitor")
            raise UserMistake(text, option=option, known=known)
    return options


def _number(option: str, value: str, least: int, most: int) -> int:
    if not value.isdecimal() or not least <= int(value) <= most:
        text = "--inbox: {option} is {value!r}; write a number from {least} to {most}"
        raise UserMistake(text, option=option, value=value, least=least, most=most)
    return int(value)


def stream_of(to: Address, lane: int) -> str:
    return f"{to.name}-inbox-{lane}"


def subject_of(to: Address, lane: int) -> str:
    return f"{to.name}.inbox.{lane}"


def config_of(to: Address, lane: int) -> dict[str, Any]:
    """What must be true of a lane's stream. `discard: new`: one that is full refuses; none drops what it took."""
    return {
        "name": stream_of(to, lane),
        "subjects": [subject_of(to, lane)],
        "num_replicas": to.replicas,
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "max_age": 0,
        "max_msgs": -1,
        "max_bytes": max(1, to.max_bytes // to.lanes),
        "max_msg_size": -1,
        "max_consumers": -1,
        "duplicate_window": to.window_s * 1_000_000_000,
        "allow_direct": True,
    }
