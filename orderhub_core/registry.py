"""Names to implementations. A connector is one module; dropping the file in its folder is all it takes.

`orderhub_core` never imports `connectors`: modules are loaded by name at run time. Each exposes
`connect(endpoint) -> the port its folder names`. Those of channels and touchpoints also expose `decode`, as the port
has it, and channels `FETCHES`: to read what a source has said once, nobody need be able to sign in there.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import cast

from orderhub_core.errors import UserMistake
from orderhub_core.model import Observation, OfNoOrder, Sighting
from orderhub_core.ports import Channel, Files, Notifier, Touchpoint, Warehouse
from orderhub_core.settings import Endpoint

ROOT = "connectors"


def names(kind: str) -> list[str]:
    """The connectors that exist for a kind: the modules in `connectors/<kind>`."""
    package = importlib.import_module(f"{ROOT}.{kind}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def module(kind: str, name: str) -> ModuleType:
    """Raises UserMistake naming the connectors that exist."""
    known = names(kind)
    if name not in known:
        raise UserMistake(
            "no {kind} connector named {name!r}; there are: {known}",
            kind=kind,
            name=name,
            known=", ".join(known) or "none",
        )
    return importlib.import_module(f"{ROOT}.{kind}.{name}")


def channel(endpoint: Endpoint) -> Channel:
    return cast(Channel, module("channels", endpoint.connector).connect(endpoint))


def channel_decoder(endpoint: Endpoint) -> tuple[Callable[[str, bytes], Observation | OfNoOrder], bool]:
    """How a channel's messages read, and whether it can be asked for a whole order."""
    found = module("channels", endpoint.connector)
    return found.decode, found.FETCHES


def touchpoint_decoder(endpoint: Endpoint) -> Callable[[str, bytes], Sighting]:
    """How a touchpoint's messages read."""
    return cast(Callable[[str, bytes], Sighting], module("touchpoints", endpoint.connector).decode)


def touchpoint(endpoint: Endpoint) -> Touchpoint:
    return cast(Touchpoint, module("touchpoints", endpoint.connector).connect(endpoint))


def warehouse(endpoint: Endpoint) -> Warehouse:
    return cast(Warehouse, module("warehouses", endpoint.connector).connect(endpoint))


def notifier(endpoint: Endpoint) -> Notifier:
    return cast(Notifier, module("notifiers", endpoint.connector).connect(endpoint))


def files() -> Files:
    return cast(Files, importlib.import_module(f"{ROOT}.files"))
