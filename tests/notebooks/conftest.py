"""A notebook as a module, over a folder of its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from small_boards import DAY, NOW

from orderhub_core import hub
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
Load = Callable[[str], ModuleType]


@pytest.fixture
def load_notebook() -> Load:
    """Loads a notebook by its name, anew each time."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, NOTEBOOKS / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def board(request: pytest.FixtureRequest, load_notebook: Load) -> ModuleType:
    """The notebook that the test module names as its NOTEBOOK."""
    return load_notebook(request.module.NOTEBOOK)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where notebooks look for their snapshot. There is none yet."""
    monkeypatch.setenv("ORDERHUB_SNAPSHOT", str(tmp_path / "shop"))
    hub.connect.cache_clear()
    yield tmp_path / "shop"
    hub.connect.cache_clear()


@pytest.fixture
def copied(folder: Path) -> Path:
    """A snapshot of a world, without a rulebook."""
    frames = build(Plan(seed=3, orders=800, start=NOW - 9 * DAY, end=NOW)).until(NOW)
    snapshot.write(folder, frames, snapshot.Meta(as_of=NOW))
    return folder
