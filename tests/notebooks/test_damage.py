"""A snapshot with a damaged file: the apps that show its orders say so in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import fresh
import pytest

from orderhub_core import hub, ui
from orderhub_core.errors import Unreachable
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot

NOW = 20_768 * 86_400_000_000
BOARDS = ("consistency", "credibility", "health", "order", "packing", "reconciliation", "rule_example", "rule_lab")


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("damage", ["cut off", "gone"])
def test_a_damaged_file_is_one_sentence(
    load_notebook: Callable[[str], ModuleType], folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
) -> None:
    monkeypatch.setattr(ui, "asked", lambda _: ["any number"])
    frames = build(Plan(seed=3, orders=60, start=NOW - 9 * 86_400_000_000, end=NOW)).until(NOW)
    snapshot.write(folder, frames, snapshot.Meta(as_of=NOW))
    for file in folder.glob("*/*.parquet"):
        file.write_bytes(file.read_bytes()[:-20]) if damage == "cut off" else file.unlink()
    hub.connect.cache_clear()
    outputs, _ = load_notebook(name).app.run()
    shown = "".join(str(getattr(output, "text", "")) for output in outputs)
    assert shown.count("is damaged: write the snapshot anew with <code>orderhub db snapshot --out ") == 1


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("damage", ["cut off", "gone"])
def test_a_snapshot_that_is_taken_away_while_its_board_is_served_is_one_sentence(
    load_notebook: Callable[[str], ModuleType], folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
) -> None:
    monkeypatch.setattr(ui, "asked", lambda _: ["any number"])
    frames = build(Plan(seed=3, orders=60, start=NOW - 9 * 86_400_000_000, end=NOW)).until(NOW)
    snapshot.write(folder, frames, snapshot.Meta(as_of=NOW))
    hub.connect.cache_clear()
    hub.connect()
    if damage == "cut off":
        (folder / snapshot.META).write_bytes(b'{"as_of": 1')
    else:
        folder.rename(folder.with_name("away"))
    outputs, _ = load_notebook(name).app.run()
    shown = "".join(str(getattr(output, "text", "")) for output in outputs)
    said = "is damaged or cannot be read: write the snapshot anew" if damage == "cut off" else "no snapshot in "
    assert shown.count(said) == 1


@pytest.mark.parametrize(
    ("name", "of", "part"),
    [
        ("health", "", "flow"),
        ("health", "", "remembered"),
        ("packing", "", "floor"),
        ("presale", "presale", "schedule"),
    ],
)
def test_a_page_that_looks_again_does_so_where_the_hub_could_not_be_read(
    load_notebook: Callable[[str], ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    of: str,
    part: str,
) -> None:
    monkeypatch.delenv("ORDERHUB_SNAPSHOT", raising=False)
    monkeypatch.setenv("ORDERHUB_DATA", str(tmp_path))
    fresh.hub(tmp_path)
    hub.connect.cache_clear()
    opened = hub.connect()

    def gone(*_: object) -> None:
        raise Unreachable("the database does not answer")

    monkeypatch.setattr(getattr(opened, of) if of else opened, part, gone)
    outputs, _ = load_notebook(name).app.run()
    opened.close()
    hub.connect.cache_clear()
    page = "".join(str(getattr(output, "text", "")) for output in outputs)
    assert page.count("The hub cannot be read: the database does not answer") == 1
    assert "<marimo-refresh" in page
