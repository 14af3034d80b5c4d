"""What boards are tried on, and how they are read."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import fresh
import pytest

from orderhub_core import hub

NOW, DAY = 20_768 * 86_400_000_000, 86_400_000_000
HEAD = "order_no,status,placed_at,paid_at,total,province,sku,quantity,price\n"


def page(outputs: tuple[object, ...]) -> str:
    """What a reader sees of an app."""
    return html.unescape(re.sub(r"<[^>]*>", " ", " ".join(str(getattr(output, "text", "")) for output in outputs)))


@contextmanager
def hub_of(rows: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    """A hub with these orders, as a shop's export has them under HEAD."""
    monkeypatch.delenv("ORDERHUB_SNAPSHOT", raising=False)
    monkeypatch.setenv("ORDERHUB_DATA", str(folder))
    fresh.hub(hub.home().data)
    (folder / "orders.csv").write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    hub.connect.cache_clear()
    opened = hub.connect()
    assert isinstance(opened, hub.Hub)
    opened.import_file(folder / "orders.csv", "generic", on_error="reject-all", dry_run=False)
    try:
        yield opened
    finally:
        opened.close()
        hub.connect.cache_clear()
