"""Ways to break the product under `powercut` and `disk` on purpose: each must be seen by them.

Each takes the harness, before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _pragma(value: str, name: str = "synchronous") -> Callable[[Any], None]:
    def control(harness: Any) -> None:
        harness.driver.settings[name] = value
        # A checkpoint syncs: one after nearly every commit would mend what we break.
        harness.checkpoints = ("4000",)

    return control


def _acknowledge_first(harness: Any) -> None:
    """Answer, and write a moment later."""
    from orderhub_core.store.sqlite import SqliteStore

    accept, close = SqliteStore.accept, SqliteStore.close
    later: list[tuple[Any, int]] = []

    def written(store: Any) -> None:
        while later:
            accept(store, *later.pop(0))

    def accept_later(store: Any, messages: Any, received_at: int) -> list[str]:
        written(store)
        later.append((messages, received_at))
        return ["new"] * len(messages)

    def close_later(store: Any) -> None:
        written(store)
        close(store)

    SqliteStore.accept, SqliteStore.close = accept_later, close_later


def _acknowledge_anyway(harness: Any) -> None:
    """Answer as if it were written, whatever the disk said."""
    from orderhub_core.errors import OrderHubError
    from orderhub_core.store.sqlite import SqliteStore

    accept = SqliteStore.accept

    def accept_anyway(store: Any, messages: Any, received_at: int) -> list[str]:
        try:
            return accept(store, messages, received_at)
        except OrderHubError:
            return ["new"] * len(messages)

    SqliteStore.accept = accept_anyway


BREAKAGES: dict[str, Callable[[Any], None]] = {
    "": lambda harness: None,
    "synchronous=NORMAL": _pragma("NORMAL"),
    "synchronous=OFF": _pragma("OFF"),
    "hub.synchronous=NORMAL": _pragma("NORMAL", "hub.synchronous"),
    "acknowledge before commit": _acknowledge_first,
    "acknowledge in spite of failure": _acknowledge_anyway,
}
