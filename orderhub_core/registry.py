"""Names to implementations. A connector is one module; dropping the file in its folder is all it takes.

`orderhub_core` never imports `connectors`: modules are loaded by name at run time. Each exposes
`connect(endpoint) -> the port its folder names`.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import cast

from orderhub_core.errors import UserMistake
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
        raise UserMistake(f"no {kind} connector named {name!r}; there are: {', '.join(known) or 'none'}")
    return importlib.import_module(f"{ROOT}.{kind}.{name}")


def channel(endpoint: Endpoint) -> Channel:
    return cast(Channel, module("channels", endpoint.connector).connect(endpoint))


def touchpoint(endpoint: Endpoint) -> Touchpoint:
    return cast(Touchpoint, module("touchpoints", endpoint.connector).connect(endpoint))


def warehouse(endpoint: Endpoint) -> Warehouse:
    return cast(Warehouse, module("warehouses", endpoint.connector).connect(endpoint))


def notifier(endpoint: Endpoint) -> Notifier:
    return cast(Notifier, module("notifiers", endpoint.connector).connect(endpoint))


def files() -> Files:
    return cast(Files, importlib.import_module(f"{ROOT}.files"))
