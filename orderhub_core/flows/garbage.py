"""Python's search for cycles of garbage, and when it is not worth its while."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """A batch makes some ten thousand rows and drops them all: to look for cycles among them is a sixth of the work."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
