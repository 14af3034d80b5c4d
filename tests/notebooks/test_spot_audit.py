"""The spot audit runs headless over a snapshot, in both languages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from orderhub_core import hub, ui
from orderhub_core.audit import texts
from orderhub_core.errors import Busy
from orderhub_core.frames import INSTANT
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot

NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "spot_audit.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spot") / "snapshot"
    snapshot.write(path, build(Plan(seed=3, orders=3_000, start=NOW - 9 * DAY, end=NOW)).until(NOW), snapshot.Meta(NOW))
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


def test_it_speaks_chinese(notebook, monkeypatch):
    monkeypatch.setattr(ui, "language", lambda: "zh")
    outputs, defs = notebook.app.run()
    page = next(output.text for output in outputs if output is not None and "oh-page" in getattr(output, "text", ""))
    assert "抽样核对" in page
    assert "人工已判断" in defs["figures"].text


def press(button):
    button._update(1)


def test_a_judgement_counts_and_the_last_one_can_be_taken_back(notebook):
    _, defs = notebook.app.run()
    first = (defs["waiting"][0]["shop"], defs["waiting"][0]["order_no"])
    assert defs["undo"]._component_args["disabled"]
    press(defs["agree"])
    assert defs["judged"]() == {first: True}
    assert first not in {(row["shop"], row["order_no"]) for row in texts.waiting(defs["drawn"], defs["judged"]())}
    press(defs["undo"])
    assert defs["judged"]() == {}
    assert texts.waiting(defs["drawn"], defs["judged"]()) == defs["waiting"]


def test_a_hub_that_cannot_take_a_judgement_leaves_the_order_in_the_queue(folder, monkeypatch):
    class Full(hub.SnapshotHub):
        writable = True

        def reviews(self, audit: str) -> pl.DataFrame:
            return pl.DataFrame(
                schema={"shop": pl.String, "order_no": pl.String, "consistent": pl.Boolean, "at": INSTANT}
            )

        def judge(self, **review: object) -> None:
            raise Busy("the disk is full")

    notebook = load(folder, monkeypatch)
    monkeypatch.setattr(hub, "connect", lambda: Full(folder))
    _, defs = notebook.app.run()
    press(defs["agree"])
    assert defs["judged"]() == {}
    assert defs["trouble"]() == "the disk is full"


def test_without_a_hub_it_says_how_to_make_one(tmp_path, monkeypatch):
    outputs, _ = load(tmp_path / "nothing", monkeypatch).app.run()
    assert any("The hub cannot be read: no snapshot in" in getattr(output, "text", "") for output in outputs)


def test_undo_never_takes_what_was_judged_before_this_session():
    judged = {("a", "1"): True, ("a", "2"): False, ("a", "3"): True}
    assert texts.without_last(judged, kept=2) == {("a", "1"): True, ("a", "2"): False}
    assert texts.without_last(judged, kept=3) == judged
    assert texts.without_last({}, kept=0) == {}


def test_without_sightings_it_says_so(tmp_path, monkeypatch):
    snapshot.write(tmp_path / "empty", {}, snapshot.Meta(NOW))
    outputs, _ = load(tmp_path / "empty", monkeypatch).app.run()
    assert any("nothing to compare" in getattr(output, "text", "") for output in outputs)
