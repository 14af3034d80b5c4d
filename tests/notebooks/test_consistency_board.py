"""The audit of all orders: the page and `orderhub audit orders` say the same, now and of a past moment."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import fresh
import msgspec
import polars as pl
import pytest
from typer.testing import CliRunner

from orderhub_core import errors, hub, i18n, ui
from orderhub_core.audit.consistency import texts
from orderhub_core.entry import cli
from orderhub_core.model import RawMessage
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot

NOTEBOOK = "consistency"
START = 1_762_000_000_000_000
DAY_US = 86_400_000_000
PLAN = Plan(seed=3, orders=3_000, start=START, end=START + 20 * DAY_US)
DESKS = "".join(f'[[touchpoints]]\nid = "{name}"\nconnector = "desk"\n' for name in ("page", "crm"))
EN = i18n.translator("en")


@pytest.fixture(scope="module")
def known() -> dict[str, pl.DataFrame]:
    return build(PLAN).until(PLAN.end)


@pytest.fixture
def shop(folder: Path, known: dict[str, pl.DataFrame]) -> Path:
    snapshot.write(folder, known, snapshot.Meta(as_of=PLAN.end))
    return folder


@pytest.fixture
def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    """Four orders that two touchpoints show alike."""
    monkeypatch.delenv("ORDERHUB_SNAPSHOT", raising=False)
    monkeypatch.setenv("ORDERHUB_DATA", str(tmp_path))
    (tmp_path / "orderhub.toml").write_text(DESKS, encoding="utf-8")
    fresh.hub(hub.home().data)
    hub.connect.cache_clear()
    opened = hub.connect()
    assert isinstance(opened, hub.Hub)
    export = tmp_path / "export.csv"
    placed = "order_no,status,placed_at,total\n" + "".join(f"B{n},paid,2026-01-01 10:00:00,12.50\n" for n in range(4))
    export.write_text(placed, encoding="utf-8")
    opened.import_file(export, "generic", on_error="reject-all", dry_run=False)
    for name in ("page", "crm"):
        show(opened, name, {f"B{n}": "待发货" for n in range(4)})
    yield opened
    opened.close()
    hub.connect.cache_clear()


def show(opened: hub.Hub, touchpoint: str, words: dict[str, str]) -> None:
    """A touchpoint says something of orders, just now."""
    shop, at = opened.frame("orders")["shop"][0], opened.as_of()
    written = pl.Series([at]).cast(pl.Datetime("us", "UTC")).dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").item()
    for order_no, word in words.items():
        row = {"shop": shop, "order_no": order_no, "status": word, "updated_at": written}
        opened.receive([RawMessage(touchpoint, f"{order_no}:{at}", "row", msgspec.json.encode(row))])
    opened.drain()


def raw(outputs: tuple[object, ...]) -> str:
    return " ".join(str(getattr(output, "text", "")) for output in outputs)


def page(outputs: tuple[object, ...]) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", raw(outputs)))


def asked(*options: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli.build("audit"), ["audit", "orders", "--json", *options])
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


def told(found: Any) -> dict[str, Any]:
    """As the command tells it."""
    share = found.share()
    return {
        "orders": share.of,
        "consistent": share.consistent,
        "rate": share.rate,
        "by_verdict": found.by_verdict(),
        "listed": sorted(found.problems.select("order_no", "verdict", "probably_wrong", "cause").rows()),
    }


def answered(answer: dict[str, Any]) -> dict[str, Any]:
    names = ("order_no", "verdict", "probably_wrong", "cause")
    return answer["population"] | {"listed": sorted(tuple(row[name] for name in names) for row in answer["findings"])}


@pytest.mark.usefixtures("shop")
def test_the_page_and_the_command_say_the_same(board: ModuleType) -> None:
    outputs, names = board.app.run()
    found, words = names["found"], page(outputs)
    assert told(found) == answered(asked()) and found.problems.height > 20
    share = found.share()
    assert f"{share.rate:.2%}" in words and f"{share.consistent:,} of {share.of:,} orders" in words
    assert sum(texts.verdicts(found, EN)["Number of orders"]) == share.of
    wrong = dict(texts.touchpoints(found, EN).select("Touchpoint", "Probably wrong in").iter_rows())
    named = found.problems.filter(pl.col("probably_wrong") != "")
    assert set(wrong) == {"crm", "page", "wms"} and sum(wrong.values()) >= named.n_unique(["shop", "order_no"])


@pytest.mark.usefixtures("shop")
def test_orders_are_listed_by_verdict_with_what_each_touchpoint_says(board: ModuleType) -> None:
    found = board.app.run()[1]["found"]
    for name, code in texts.choices(found, EN).items():
        listed = texts.problems(found, [code], "UTC", EN)
        assert set(listed["Verdict"]) == {name}
        assert listed["Order number"].n_unique() == found.by_verdict()[code]
    drawn = texts.suspects(found, EN)
    assert drawn["orders"].sum() == found.share().of - found.share().consistent
    assert drawn["verdict"][0] == "Conflict" and set(drawn["touchpoint"]) <= {"crm", "page", "wms", "nobody can tell"}
    one = found.problems.row(0, named=True)
    row = texts.problems(found, [], "UTC", EN).row(0, named=True)
    assert {name: row[f"{name} says"] for name in found.touchpoints} == {
        name: word or "(nothing)" for name, word in one["values"].items()
    }


def test_a_running_hub_goes_on_from_what_it_judged_before(board: ModuleType, living: hub.Hub) -> None:
    before = board.app.run()[1]["found"]
    assert told(before)["consistent"] == 4
    show(living, "crm", {"B1": "warp drive"})
    outputs, names = board.app.run()
    found = names["found"]
    assert found.calibration is before.calibration, "nothing was learned anew"
    assert told(found) == answered(asked()) and found.by_verdict()["unknown_word"] == 1
    assert f"{3 / 4:.2%}" in page(outputs) and "warp drive" in texts.problems(found, [], "UTC", EN)["crm says"]


def test_a_past_moment_is_what_was_known_then(
    board: ModuleType, living: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(0.01)
    at = living.as_of()
    time.sleep(0.01)
    show(living, "crm", {"B1": "warp drive"})
    outputs, names = board.app.run()
    assert "As of " in page(outputs) and names["found"].by_verdict()["unknown_word"] == 1
    zone = living.settings.time_zone
    picked = datetime.fromtimestamp(at / 1e6, ZoneInfo(zone)).replace(tzinfo=None)
    names["look_back"]({"moment": picked})
    assert names["chosen"]() == at
    monkeypatch.setattr(board.mo, "state", lambda value: (lambda: at if value is None else value, lambda _: None))
    outputs, names = board.app.run()
    found, words = names["found"], page(outputs)
    assert found.as_of == at and found.by_verdict()["unknown_word"] == 0
    assert told(found) == answered(asked("--as-of", picked.isoformat()))
    assert "As the hub knew it at" in words and "Back to now" in raw(outputs)


def test_what_cannot_be_looked_back_at_is_said(board: ModuleType, living: hub.Hub) -> None:
    _, names = board.app.run()
    tomorrow = datetime.now(ZoneInfo(living.settings.time_zone)).replace(tzinfo=None) + timedelta(days=1)
    names["look_back"]({"moment": tomorrow})
    assert (names["chosen"](), names["trouble"]()) == (None, texts.TO_COME)
    names["look_back"]({"moment": None})
    assert names["trouble"]() == texts.NO_MOMENT
    names["look_back"]({"moment": tomorrow - timedelta(days=400)})
    assert names["trouble"]() == "" and names["chosen"]() is not None
    with pytest.raises(errors.UserMistake) as refused:
        living.audited(names["chosen"]())
    zone = living.settings.time_zone
    begun = texts.begun(living.scan("events"), living.scan("sightings"), zone)
    said, kind = texts.lost(refused.value, EN, then=begun)
    assert kind == "info" and said == texts.TOO_FEW_THEN.format(since=begun.compared)
    after = datetime.strptime(begun.compared, f"%Y-%m-%d %H:%M:%S ({zone})") + timedelta(seconds=1)
    time.sleep(1.1)
    assert living.audited(texts.moment(after, zone, living.as_of())), "the moment that it names can be audited"
    assert texts.lost(refused.value, EN, then=texts.Begun("", "")) == (texts.TOO_FEW, "info")
    names["back"]()
    assert names["chosen"]() is None


def test_what_of_a_past_moment_is_not_known_any_more_is_said(living: hub.Hub, tmp_path: Path) -> None:
    at = living.as_of()
    show(living, "crm", {"B1": "warp drive", "B2": "待发货"})
    copy = hub.SnapshotHub(living.write_snapshot(tmp_path / "copy"))
    found = copy.audited(at)
    assert copy.audited(at) is found, "asked again, nothing is computed"
    assert found.by_verdict()["not_comparable"] == 2
    ((text, kind),) = texts.gaps(found, EN)
    assert text.startswith("Not known any more: what crm showed of 2 orders then.") and kind == "warn"


def test_an_empty_hub_says_what_to_do(board: ModuleType, folder: Path, known: dict[str, pl.DataFrame]) -> None:
    snapshot.write(folder, {}, snapshot.Meta(as_of=PLAN.end))
    assert "Fewer than two touchpoints have shown orders" in page(board.app.run()[0])
    snapshot.write(folder, {"sightings": known["sightings"]}, snapshot.Meta(as_of=PLAN.end + 1))
    assert "There are no orders yet" in page(board.app.run()[0])


def test_a_hub_that_cannot_be_read_is_a_sentence(
    board: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "The hub cannot be read" in page(board.app.run()[0])
    snapshot.write(folder, {}, snapshot.Meta(as_of=PLAN.end))

    def busy(*_: object) -> None:
        raise errors.Busy("the database is locked")

    monkeypatch.setattr(hub.SnapshotHub, "audited", busy)
    assert "The audit cannot be made: the database is locked" in page(board.app.run()[0])


@pytest.mark.usefixtures("shop")
def test_chinese_leaves_no_english_behind(board: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "language", lambda: "zh")
    outputs, _ = board.app.run()
    words = page(outputs)
    assert "全量核对" in words and "核对该时刻" in raw(outputs)
    for name in ("crm", "page", "wms", "English", "Asia/Shanghai", "CSV"):
        words = words.replace(name, "")
    assert re.findall(r"[A-Za-z]{3,}", words) == []
