"""The surge board and the command line say the same, with and without a hub, in both languages."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import marimo as mo
import pytest
from typer.testing import CliRunner

from orderhub_core import hub, i18n, ui
from orderhub_core.charts import surge as charts
from orderhub_core.entry import cli
from orderhub_core.errors import OrderHubError
from orderhub_core.sim import results
from orderhub_core.sim.scenario import Scenario
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot

NOTEBOOK = "surge"
FORM = ("cap", "curve", "orders", "peak", "people", "promise", "seed", "spare", "start")
HANDBOOK = Path(__file__).parents[2] / "docs"
START = 1_762_000_000_000_000
DAY_US = 86_400_000_000


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERHUB_SNAPSHOT", str(tmp_path / "nothing"))
    hub.connect.cache_clear()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(seed=3, orders=2_000, start=START, end=START + 10 * DAY_US)
    snapshot.write(tmp_path / "shop", build(plan).until(plan.end), snapshot.Meta(as_of=plan.end))
    monkeypatch.setenv("ORDERHUB_SNAPSHOT", str(tmp_path / "shop"))
    hub.connect.cache_clear()


def told(*wishes: str) -> Any:
    """What the command line answers."""
    ran = CliRunner().invoke(cli.build("simulate"), ["simulate", "--json", *wishes], catch_exceptions=False)
    return json.loads(ran.output.splitlines()[-1])


@pytest.mark.usefixtures("no_hub")
def test_without_a_hub_the_board_rehearses_the_built_in_day_and_agrees_with_the_command_line(
    board: ModuleType,
) -> None:
    _, names = board.app.run()
    answer = told("--seed", "7")
    for enabled, key in ((True, "with_temporary"), (False, "without_temporary")):
        shown: results.Figures = names["figures"][enabled]
        assert shown.peak_backlog.mean == answer[key]["peak_backlog"]["mean"]
        assert shown.late.mean == answer[key]["late"]["mean"]
    assert names["figures"][True].late.mean < names["figures"][False].late.mean
    assert names["learned"] is None


@pytest.mark.usefixtures("shop")
def test_with_a_hub_the_shops_own_days_are_the_base(board: ModuleType) -> None:
    _, names = board.app.run()
    assert names["day"].arrivals.base == names["learned"].base
    answer = told("--seed", "1", "--learn")
    assert answer["figures"]["orders"] == round(names["learned"].orders_per_day)


@pytest.mark.usefixtures("no_hub")
def test_chinese_leaves_no_english_behind(board: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "language", lambda: "zh")
    outputs, _ = board.app.run()
    words = re.sub(r"<[^>]*>", " ", outputs[-1].text)
    assert "大促预演" in words
    assert not re.findall(r"[A-Za-z]{3,}", words.replace("English", "").replace("CSV", ""))


@pytest.mark.usefixtures("no_hub")
def test_the_whole_board_takes_about_a_second(board: ModuleType) -> None:
    board.app.run()
    started = time.process_time()
    board.app.run()
    assert time.process_time() - started < 4, "measured 1.1 s on a quiet machine"


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (["--orders", "0"], "orders is 0"),
        (["--curve", "wavy"], "--curve wavy"),
        (["--people", "pick"], "--people 'pick'"),
        (["--people", "pick=1"], "at least one for each, 3"),
        (["--cap", "-1"], "orders_per_day is -1"),
        (["--peak", "0"], "peak_multiple is 0"),
        (["--scenario", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["--learn"], "no snapshot"),
    ],
)
def test_impossible_wishes_are_answered_in_a_sentence(wishes: list[str], said: str) -> None:
    with pytest.raises(OrderHubError, match=re.escape(said)):
        told(*wishes)


def test_a_scenario_file_is_rehearsed_and_options_win_over_it(tmp_path: Path) -> None:
    (tmp_path / "eve.toml").write_text("orders = 900\nruns = 2\n[temporary]\nenabled = false", encoding="utf-8")
    answer = told("--scenario", str(tmp_path / "eve.toml"), "--orders", "500")
    assert (answer["figures"]["orders"], answer["figures"]["runs"]) == (500, 2)
    assert answer["figures"] == answer["without_temporary"]
    assert answer == told("--scenario", str(tmp_path / "eve.toml"), "--orders", "500"), "same seed, same figures"


@pytest.mark.parametrize("page", ["surge.md", "surge.zh-CN.md"])
def test_the_scenario_of_the_handbook_can_be_rehearsed(page: str, tmp_path: Path) -> None:
    (scene,) = re.findall(r"```toml\n(.+?)```", (HANDBOOK / page).read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "sale.toml").write_text(scene, encoding="utf-8")
    answer = told("--scenario", str(tmp_path / "sale.toml"), "--orders", "500")
    assert (answer["figures"]["orders"], [stage["stage"] for stage in answer["stages"]]) == (500, ["pick", "pack"])


def test_the_bottleneck_may_be_a_stage_of_the_scenarios_own(tmp_path: Path) -> None:
    scene = """
        orders = 500
        stages = [{name = "weigh", seconds = 60}]
        warehouses = [{id = "suzhou", people = [1]}]
        temporary = {people = [1]}
    """
    (tmp_path / "eve.toml").write_text(scene, encoding="utf-8")
    wishes = ["simulate", "--scenario", str(tmp_path / "eve.toml")]
    ran = CliRunner().invoke(cli.build("simulate"), wishes, catch_exceptions=False)
    assert re.search(r"Bottleneck\s+weigh ", ran.output)


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("orders", 600_000, "页面最多推演 500000 单"), ("peak", 0.5, "请填 1 到 1000"), ("start", 25, "请填 0 到 23.99")],
)
def test_the_board_says_what_is_impossible(
    board: ModuleType, monkeypatch: pytest.MonkeyPatch, field: str, value: float, said: str
) -> None:
    monkeypatch.setattr(ui, "language", lambda: "zh")
    _, names = board.app.run()
    form = {name: names[name] for name in FORM} | {field: mo.ui.number(value=value)}
    outputs, _ = board.app.run(defs=form)
    assert any(said in output.text for output in outputs if output is not None)


def test_charts_are_small_and_valid() -> None:
    day = Scenario(orders=500, runs=2)
    runs = results.rehearse(day, 1)
    step = results.step_minutes(runs)
    tr = i18n.translator("zh")
    stages = [stage.name for stage in day.stages]
    for chart in (
        charts.backlog(results.backlog(day, runs, step), stages, tr),
        charts.compared(results.unfinished(runs, step), results.unfinished(runs, step), tr),
        charts.dwell(results.dwell(runs, 30), 24.0, tr),
    ):
        spec = chart.to_dict()
        assert max(len(rows) for rows in spec["datasets"].values()) <= 4 * results.MAX_POINTS
