"""The spot audit runs headless over a snapshot, in both languages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from orderhub_core import hub, i18n
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot

NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "spot_audit.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spot") / "snapshot"
    snapshot.write(
        path, build(Plan(seed=3, orders=3_000, start=NOW - 9 * DAY, end=NOW)).until(NOW), snapshot.Meta(NOW, 0)
    )
    return path


@pytest.fixture
def notebook(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load(folder, monkeypatch)


def load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("ORDERHUB_SNAPSHOT", str(folder))
    hub.connect.cache_clear()
    spec = importlib.util.spec_from_file_location("spot_audit", NOTEBOOK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_draws_a_hundred_orders_and_shows_what_they_prove(notebook):
    _, defs = notebook.app.run()
    drawn = defs["drawn"]
    assert drawn.sample.height == 100
    assert drawn.touchpoints == ["crm", "page", "wms"]
    assert f"{drawn.sample_share().consistent} of 100 orders" in defs["figures"].text
    if drawn.findings.height:
        assert drawn.findings["order_no"][0] in defs["card"].text
    assert [row["order_no"] for row in defs["waiting"]] == drawn.findings["order_no"].to_list()


def test_it_speaks_chinese(notebook):
    connected = hub.connect()
    spoken = {"lang": "zh", "tr": i18n.translator("zh"), "connected": connected}
    outputs, defs = notebook.app.run(defs={**spoken, "as_of": connected.as_of()})
    page = next(output.text for output in outputs if output is not None and "oh-page" in getattr(output, "text", ""))
    assert "抽样核对" in page
    assert "人工已判断" in defs["figures"].text


def test_without_sightings_it_says_so(tmp_path, monkeypatch):
    snapshot.write(tmp_path / "empty", {}, snapshot.Meta(NOW, 0))
    outputs, _ = load(tmp_path / "empty", monkeypatch).app.run()
    assert any("nothing to compare" in getattr(output, "text", "") for output in outputs)


def test_the_notebook_stays_thin():
    assert len(NOTEBOOK.read_text(encoding="utf-8").splitlines()) <= 150
