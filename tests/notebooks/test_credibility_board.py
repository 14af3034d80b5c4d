"""The credibility board and `orderhub audit index` say the same, over a snapshot and over a living hub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import fresh
import polars as pl
import pytest
from typer.testing import CliRunner

from orderhub_core import hub, ui
from orderhub_core.audit.credibility import index, losses, texts
from orderhub_core.audit.credibility.change import Change
from orderhub_core.charts import credibility as charts
from orderhub_core.entry import cli
from orderhub_core.model import Event, RawMessage
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot
from orderhub_core.ui.choice import NUMBER

NOTEBOOK = "credibility"
START = 1_762_000_000_000_000
DAY_US = 86_400_000_000
PLAN = Plan(seed=3, orders=2_000, start=START, end=START + 20 * DAY_US)


@pytest.fixture(scope="module")
def known() -> dict[str, pl.DataFrame]:
    return build(PLAN).until(PLAN.end)


@pytest.fixture
def shop(folder: Path, known: dict[str, pl.DataFrame]) -> Path:
    snapshot.write(folder, known, snapshot.Meta(as_of=PLAN.end))
    return folder


def page(outputs: tuple[object, ...]) -> str:
    return re.sub(r"<[^>]*>", " ", " ".join(str(getattr(output, "text", "")) for output in outputs if output))


def asked(*options: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(cli.build("audit"), ["audit", "index", "--json", *options])
    return result.exit_code, json.loads(result.stdout.splitlines()[-1])


@pytest.mark.usefixtures("shop")
def test_the_board_and_the_command_say_the_same(board: ModuleType) -> None:
    outputs, names = board.app.run()
    _, answer = asked()
    found = names["found"]
    assert answer["index"] == found.value
    assert {part: share["rate"] for part, share in answer["parts"].items()} == {
        part: share.rate for part, share in found.parts.items()
    }
    assert sum(loss["points"] for loss in answer["losses"]) + answer["index"] == pytest.approx(100)
    assert sum(answer["weights"].values()) == pytest.approx(1)
    assert f"{found.value:.1f}" in page(outputs)
    assert f"= {found.value:.2f}." in page(outputs)


@pytest.mark.usefixtures("shop")
def test_one_click_leads_to_the_orders_that_cost_the_points(board: ModuleType) -> None:
    _, names = board.app.run()
    lost, picked = names["lost"], names["picked"]
    assert picked.value["#"].to_list() == [1]
    for row in (0, 3):
        picked._update([str(picked.data[NUMBER][row])])
        assert board.texts.chosen(lost, picked.value) == lost.row(row, named=True)
        shown = board.texts.members(names["found"], lost.row(row, named=True), "UTC", str)
        assert shown.height == lost["orders"][row]


@pytest.mark.usefixtures("shop")
def test_the_late_words_of_the_world_are_the_late_words_of_the_index(known: dict[str, pl.DataFrame]) -> None:
    """The world tells how late each touchpoint's last word could be read."""
    found = index.of_hub(hub.connect())
    shown = known["sightings"].with_columns(late=pl.col("seen_at") - pl.col("at") > pl.duration(seconds=90))
    told = losses.losses(found, ()).filter(pl.col("cause") == "late").select("source", "checks")
    late = shown.filter("late").group_by("touchpoint").len()
    assert dict(told.iter_rows()) == dict(late.iter_rows())


def test_chinese_leaves_no_english_behind(
    board: ModuleType, shop: Path, known: dict[str, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui, "language", lambda: "zh")
    words = page(board.app.run()[0])
    assert "失分在哪里" in words
    names = {name for column in ("warehouse", "shop", "carrier") for name in known["orders"][column].unique() if name}
    for name in sorted({*names, "page", "crm", "wms"}, key=len, reverse=True):
        words = words.replace(name, "")
    for ours in (
        "English",
        "CSV",
        "orderhub.toml",
        "[credibility]",
        "docs/credibility.zh-CN.md",
        "orderhub audit orders --as-of",
    ):
        words = words.replace(ours, "")
    assert not re.findall(r"[A-Za-z]{3,}", words)


@pytest.mark.usefixtures("shop")
def test_an_index_below_the_bar_is_told_by_the_exit_code() -> None:
    assert asked("--fail-under", "100")[0] == 1
    assert asked("--fail-under", "50")[0] == 0
    code, answer = asked("--limit", "2", "--by", "shop")
    assert (code, len(answer["losses"])) == (0, 2)
    assert answer["losses_total"] > 2
    assert "warehouse" not in answer["losses"][0]
    with pytest.raises(Exception, match="--by colour: write shop, warehouse, carrier"):
        CliRunner().invoke(cli.build("audit"), ["audit", "index", "--by", "colour"], catch_exceptions=False)


def test_weights_and_targets_beside_the_snapshot_count(shop: Path) -> None:
    _, before = asked()
    text = "[credibility.weights]\nconsistency = 0\n[credibility.targets]\ncrm = 10_000_000\n"
    (shop / "orderhub.toml").write_text(text, encoding="utf-8")
    hub.connect.cache_clear()
    _, answer = asked()
    assert answer["weights"] == {"freshness": 0.5, "consistency": 0.0, "traceability": 0.5}
    assert answer["parts"]["freshness"]["good"] > before["parts"]["freshness"]["good"]
    assert {row["source"]: row["basis"] for row in answer["freshness"]}["crm"] == "settings"


def test_an_empty_hub_says_so_and_passes_no_bar(board: ModuleType, folder: Path) -> None:
    snapshot.write(folder, {}, snapshot.Meta(as_of=PLAN.end))
    assert "There are no orders yet" in page(board.app.run()[0])
    assert asked("--fail-under", "0") == (1, asked()[1])
    assert asked()[1]["index"] is None


def test_without_touchpoints_consistency_is_left_out(
    board: ModuleType, folder: Path, known: dict[str, pl.DataFrame]
) -> None:
    snapshot.write(folder, {**known, "sightings": known["sightings"].clear()}, snapshot.Meta(as_of=PLAN.end))
    words = page(board.app.run()[0])
    assert "Left out, because nothing could be checked for it: Consistency." in words
    assert "No point is lost." in words


@pytest.mark.usefixtures("folder")
def test_no_hub_says_how_to_make_one(board: ModuleType) -> None:
    assert "The hub cannot be read: no snapshot in" in page(board.app.run()[0])


def test_a_snapshot_of_an_earlier_version_is_told(board: ModuleType, shop: Path) -> None:
    (file,) = shop.rglob("events.parquet")
    pl.read_parquet(file).drop("message").write_parquet(file)
    said = json.loads((shop / "snapshot.json").read_text())
    (shop / "snapshot.json").write_text(json.dumps(said | {"files": {}}))  # which it did not keep, either
    assert "was written by an earlier version" in page(board.app.run()[0])


@pytest.fixture
def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    monkeypatch.delenv("ORDERHUB_SNAPSHOT", raising=False)
    monkeypatch.setenv("ORDERHUB_DATA", str(tmp_path))
    shop = 'rulebook = "r.toml"\n[[shops]]\nid = "s"\nconnector = "direct"\nsecret_env = "S"\n'
    (tmp_path / "orderhub.toml").write_text(shop, encoding="utf-8")
    (tmp_path / "r.toml").write_text(
        'version = "7"\n[[groups]]\nname = "routing"\nmatch = "first"\notherwise = "assign w"\n', encoding="utf-8"
    )
    monkeypatch.setenv("S", "secret")
    fresh.hub(hub.home().data)
    hub.connect.cache_clear()
    opened = hub.connect()
    assert isinstance(opened, hub.Hub)
    yield opened
    opened.close()
    hub.connect.cache_clear()


def news(dice: Random, orders: int) -> Iterator[RawMessage]:
    """What may be said of orders, in any order: facts that contradict each other, come late, or need another first."""
    for number in range(orders * 8):
        order_no = f"N{dice.randrange(orders)}"
        said = dice.sample(list(Event), 2) if number >= orders else [Event.PLACED, Event.PAID]
        facts = {event.value: f"2026-01-0{dice.randint(1, 9)}T00:00:00Z" for event in said}
        body = {"id": f"m{number}", "order_no": order_no, "at": "2026-02-01T00:00:00Z", "facts": facts}
        if dice.random() < 0.3:
            body["parcels"] = [{"tracking_no": f"T{dice.randint(1, 2)}", "labelled": dice.random() < 0.5}]
        if dice.random() < 0.3 or number < orders:
            body["content"] = {"total_minor": dice.randint(1, 3), "lines": [{"line_no": 1, "sku": "A"}]}
        yield RawMessage("s", f"m{number}", "event", json.dumps(body).encode())


def test_all_that_a_living_hub_was_told_can_be_traced(board: ModuleType, living: hub.Hub) -> None:
    living.receive(list(news(Random(7), 300)))
    living.drain()
    assert living.parked() == []
    outputs, names = board.app.run()
    found = names["found"]
    assert {"rule.assign_warehouse", "payment.paid"} <= set(living.frame("events")["event"])
    assert found.misses.filter(pl.col("part") == "traceability").is_empty()
    assert (found.parts["traceability"].rate, found.parts["consistency"].rate) == (1, None)
    assert "Left out, because nothing could be checked for it" in page(outputs)


@pytest.mark.parametrize("days", [1, 2, 4, 5, 33])
def test_a_chart_names_no_day_twice_and_the_last_one_always(days: int) -> None:
    there = [date(2026, 11, 11) - timedelta(days=ago) for ago in range(days)]
    rows = pl.DataFrame({"day": there, "orders": 1, "freshness": 0.9, "index": 90.0})
    drawn = charts.by_placing(rows, str).to_dict()
    values = drawn["encoding"]["x"]["axis"]["values"]
    named = [date(at["year"], at["month"], at["date"]) for at in values]
    assert len(named) == len(set(named)) >= min(days, 3)
    assert named[0] == there[0] and set(named) <= set(there)
    assert len(named) <= 4, "more would lie over each other on a phone, and the last would go"
    (points,) = drawn["datasets"].values()
    assert {len(point["day"]) for point in points} == {len("2026-11-11T00:00:00")}, "in the reader's clock"
    assert "scale" not in drawn["encoding"]["x"] and not any(at.get("utc") for at in values), "and so the labels"


def test_nothing_is_less_than_nothing() -> None:
    rows = pl.DataFrame({"group": ["a"], "part": ["freshness"], "mix": [-1e-9], "rate": [-0.0], "points": [-2e-5]})
    told = Change(90.0, 90.0 - 1e-9, rows)
    shown = texts.changes(told, str).select(texts.EFFECTS.values()).row(0)
    assert [f"{figure:.4f}" for figure in shown] == ["0.0000"] * 3
    assert "-0.000" not in texts.summary(told, str)
    (bars,) = charts.change(told, str).to_dict()["datasets"].values()
    assert [f"{bar['points']:+.4f}" for bar in bars] == ["+0.0000"] * 2
