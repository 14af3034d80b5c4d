"""The spot audit's page runs headless over a snapshot, in both languages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from orderhub_core import hub, ui
from orderhub_core.audit.spot.sheet import Spec
from orderhub_core.board import SnapshotHub
from orderhub_core.charts import audit as charts
from orderhub_core.errors import Busy
from orderhub_core.flows.spot import Desk
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot

NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "spot_audit.py"
REVIEWER = "ann"
TWENTY = Spec(size=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spot") / "snapshot"
    snapshot.write(path, build(Plan(seed=3, orders=3_000, start=NOW - 9 * DAY, end=NOW)).until(NOW), snapshot.Meta(NOW))
    return path


def load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("ORDERHUB_SNAPSHOT", str(folder))
    hub.connect.cache_clear()
    spec = importlib.util.spec_from_file_location("spot_audit", NOTEBOOK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.mo, "query_params", lambda: {"reviewer": REVIEWER})
    return module


@pytest.fixture
def notebook(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """With an audit open."""
    module = load(folder, monkeypatch)
    assert draw(hub.connect().spot).error is None
    return module


def draw(desk: Desk, spec: Spec = TWENTY):
    reading = desk.open(spec)
    assert reading.wait(30)
    return reading


def press(button):
    button._update(1)


def shown(outputs) -> str:
    return "\n".join(getattr(output, "text", "") for output in outputs)


def test_before_anything_is_drawn_it_says_what_to_do(folder, monkeypatch):
    outputs, _ = load(folder, monkeypatch).app.run()
    assert "No audit is open yet" in shown(outputs)
    assert "A read-only copy of a hub" in shown(outputs)


def test_the_first_card_shows_every_touchpoint_and_hides_the_machines_verdict(notebook):
    _, defs = notebook.app.run()
    card, folio = defs["card"].text, defs["folio"]
    first = folio.cards[0]
    assert f"Order {first.order_no}" in card
    rows = folio.told[first.shop, first.order_no]
    assert {row["touchpoint"] for row in rows} == {"crm", "page", "wms"}
    assert all(row["status"] in card for row in rows)
    assert "Order placed" in card
    assert not any(word in card for word in ("Compatible", "Conflict", "Machine:"))


def test_a_judgement_brings_the_next_card_and_is_taken_back(notebook):
    _, defs = notebook.app.run()
    seat, buttons = defs["chair"], defs["buttons"]
    first, second = seat.waiting()[:2]
    seat.write("the page is behind")
    press(buttons["k"])
    assert seat.waiting()[0] == second
    assert seat.reviews.select("order_no", "consistent", "note").rows() == [(first[1], False, "the page is behind")]
    press(buttons["j"])
    assert seat.reviews["note"].to_list() == ["the page is behind", ""], "a note belongs to one card"
    press(buttons["u"])
    press(buttons["u"])
    assert seat.waiting()[0] == first and seat.reviews.is_empty()
    press(buttons["u"])
    assert seat.waiting()[0] == first


def test_a_reload_goes_on_where_the_reviewer_was(notebook):
    _, defs = notebook.app.run()
    for key in "jkj":
        press(defs["buttons"][key])
    there = defs["chair"].waiting()
    outputs, again = notebook.app.run()
    assert again["chair"].waiting() == there
    assert "3 / 20 judged by ann" in shown(outputs)
    assert "3 of 20 orders judged · R brings" in shown(outputs)
    assert "you said consistent. Machine:" in shown(outputs)


def test_nobody_judges_without_a_name(notebook, monkeypatch):
    monkeypatch.setattr(notebook.mo, "query_params", dict)
    outputs, defs = notebook.app.run()
    assert "Say who judges first" in shown(outputs)
    press(defs["buttons"]["j"])
    assert defs["chair"].reviews.is_empty()


def test_a_hub_that_cannot_take_a_judgement_leaves_the_card_waiting(notebook, monkeypatch):
    _, defs = notebook.app.run()
    seat, first = defs["chair"], defs["chair"].waiting()[0]

    def full(*_: object, **__: object) -> None:
        raise Busy("the disk is full")

    monkeypatch.setattr(defs["desk"], "judge", full)
    press(defs["buttons"]["j"])
    assert seat.waiting()[0] == first
    assert str(seat.troubles[0][1]) == "the disk is full"


def test_the_note_of_a_judgement_that_was_not_taken_is_still_shown(notebook, monkeypatch):
    """Else the next key would store what nobody sees."""
    _, defs = notebook.app.run()
    seat = defs["chair"]
    seat.write("the page is behind")
    monkeypatch.setattr(defs["desk"], "judge", lambda *_, **__: (_ for _ in ()).throw(Busy("the disk is full")))
    press(defs["buttons"]["k"])
    _, after = notebook.app.run(defs={"chair": seat, "buttons": defs["buttons"]})
    assert after["remark"].value == "the page is behind"
    monkeypatch.undo()


def test_the_log_is_not_read_whole_for_a_few_cards(notebook, monkeypatch):
    whole = []
    frame = SnapshotHub.frame
    monkeypatch.setattr(SnapshotHub, "frame", lambda board, name: [whole.append(name), frame(board, name)][1])
    _, defs = notebook.app.run()
    assert any(defs["folio"].events.values()) and "events" not in whole


def test_the_result_stands_below_in_both_languages(notebook, monkeypatch):
    _, defs = notebook.app.run()
    for _ in range(20):
        press(defs["buttons"]["j"])
    _, done = notebook.app.run()
    assert "Nothing is left to judge." in done["card"].text
    assert "20 of 20 judged orders" in done["outcome"].text
    monkeypatch.setattr(ui, "language", lambda: "zh")
    _, chinese = notebook.app.run()
    assert "已判断 20 单中的 20 单" in chinese["outcome"].text
    assert "没有待判断的订单了" in chinese["card"].text


def test_before_the_first_judgement_there_are_no_weeks_to_draw(notebook):
    _, defs = notebook.app.run()
    assert charts.weeks(defs["weeks"], str) == []
    trend = defs["outcome"].text.partition("<h2>Week by week</h2>")[2].partition("</section>")[0]
    assert "Nothing has been judged yet" in trend and "None." not in trend and "marimo-vega" not in trend
    press(defs["buttons"]["j"])
    _, defs = notebook.app.run()
    assert [chart.to_dict()["layer"] for chart in charts.weeks(defs["weeks"], str)]


def test_a_stratified_audit_says_what_each_stratum_proves(folder, monkeypatch):
    module = load(folder, monkeypatch)
    draw(hub.connect().spot, Spec(size=30, by=("channel", "age")))
    outputs, defs = module.app.run()
    assert defs["found"].kind == "stratified part"
    assert "holds for simple draws only" in shown(outputs)
    assert "Strata" in defs["outcome"].text


def test_without_a_hub_it_says_how_to_make_one(tmp_path, monkeypatch):
    outputs, _ = load(tmp_path / "nothing", monkeypatch).app.run()
    assert "The hub cannot be read: no snapshot in" in shown(outputs)


def test_a_hub_without_orders_says_so(tmp_path, monkeypatch):
    snapshot.write(tmp_path / "empty", {}, snapshot.Meta(NOW))
    load(tmp_path / "empty", monkeypatch)
    assert "no orders to draw from" in str(draw(hub.connect().spot).error)


@pytest.mark.parametrize(
    ("language", "advice"), [("en", "add [[touchpoints]]"), ("zh", "请在设置中加入 [[touchpoints]]")]
)
def test_without_touchpoints_it_says_so_before_anything_is_drawn(folder, tmp_path, monkeypatch, language, advice):
    monkeypatch.setenv("ORDERHUB_SNAPSHOT", str(folder))
    hub.connect.cache_clear()
    snapshot.write(tmp_path / "alone", {"orders": hub.connect().frame("orders")}, snapshot.Meta(NOW))
    monkeypatch.setattr(ui, "language", lambda: language)
    outputs, _ = load(tmp_path / "alone", monkeypatch).app.run()
    words = shown(outputs)
    assert advice in words
    assert "can prove" not in words and "可以证明" not in words
    assert advice not in shown(load(folder, monkeypatch).app.run()[0])
