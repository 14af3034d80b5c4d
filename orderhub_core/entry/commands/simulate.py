"""`orderhub simulate`: rehearse the day of a sale before it comes. The same figures as the surge board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, aligned, spoken, tell, tr
from orderhub_core.errors import UserMistake
from orderhub_core.sim import arrivals, results, scenario, texts
from orderhub_core.sim.results import Figures
from orderhub_core.sim.scenario import Scenario

app = typer.Typer()
MOST_PEOPLE = 1_000_000
MOST_DIGITS = 20
CURVES = {"steady": "as many in every hour", "day": "an ordinary day", "flash": "a flash sale"}
SECONDS_EACH, WORTH_A_WORD_S = 2e-6, 3.0
"""Of one order of one run, measured on a slow core; and from how many on it is said how long it takes."""


class Answer(msgspec.Struct, frozen=True):
    seed: int
    figures: Figures
    """Of the scenario as asked for."""
    with_temporary: Figures
    without_temporary: Figures
    stages: list[dict[str, Any]]
    scenario: Scenario


@app.command()
@spoken
def simulate(
    file: Annotated[Path | None, typer.Option("--scenario", metavar="FILE", help="Scenario as TOML.")] = None,
    orders: Annotated[int | None, typer.Option(help="Orders of the day.")] = None,
    peak: Annotated[float | None, typer.Option(help="Times the ordinary rate at the start of the sale.")] = None,
    start: Annotated[float | None, typer.Option(metavar="HOUR", help="Hour at which the sale starts, 0 to 24.")] = None,
    decay: Annotated[float | None, typer.Option(metavar="HOURS", help="Hours in which the rush falls to 37 %.")] = None,
    curve: Annotated[str | None, typer.Option(help="steady, day or flash.")] = None,
    people: Annotated[
        list[str] | None,
        typer.Option(metavar="STAGE=N", help="People at a stage in all ordinary warehouses; may be repeated."),
    ] = None,
    temporary: Annotated[
        bool | None, typer.Option("--temporary/--no-temporary", help="May the temporary warehouse help?")
    ] = None,
    cap: Annotated[int | None, typer.Option(help="Orders per day that the temporary warehouse takes.")] = None,
    learn: Annotated[
        bool, typer.Option("--learn", help="Take the day's curve, and its orders unless given, from the hub.")
    ] = False,
    runs: Annotated[int | None, typer.Option(help="Repetitions; figures are told with their range.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Rehearse a day: backlog, dwell, late orders and the bottleneck, with and without the temporary warehouse."""
    day = _read(file) if file else Scenario()
    if learn:
        day = _learned(day)
    day = _changed(day, orders=orders, runs=runs)
    rush = _changed(day.arrivals, curve=curve, start_hour=start, peak_multiple=peak, decay_hours=decay)
    spare = _changed(day.temporary, enabled=temporary, orders_per_day=cap)
    day = _changed(day, arrivals=rush, temporary=spare)
    if people:
        day = scenario.staffed(day, dict(_stage(text) for text in people))
    seconds = 2 * day.orders * day.runs * SECONDS_EACH
    if seconds > WORTH_A_WORD_S:
        text = tr(
            "rehearsing {orders} orders {runs} times, with and without the temporary warehouse: some {seconds} s;"
            " Ctrl-C ends it"
        )
        told = text.format(orders=f"{day.orders:,}", runs=day.runs, seconds=round(seconds))
        typer.echo(told, err=True)
    answer = _rehearse(day, seed)
    tell(answer, "\n".join([*_sentences(answer), _curve(day, learned=learn)]), as_json=as_json)


def _rehearse(day: Scenario, seed: int) -> Answer:
    both = {on: results.rehearse(scenario.switched(day, on), seed) for on in (True, False)}
    told = {on: results.figures(day, runs) for on, runs in both.items()}
    chosen = day.temporary.enabled
    return Answer(seed, told[chosen], told[True], told[False], results.stages(day, both[chosen]).to_dicts(), day)


def _read(path: Path) -> Scenario:
    try:
        return scenario.read(path.read_bytes(), str(path))
    except OSError as error:
        raise UserMistake("{path} cannot be read ({why})", path=path, why=error.strerror) from None


def _changed(whole: Any, **wishes: Any) -> Any:
    """The value with the wishes that were uttered; it checks itself again."""
    uttered = {name: wish for name, wish in wishes.items() if wish is not None}
    if "curve" in uttered and uttered["curve"] not in ("steady", "day", "flash"):
        raise UserMistake("--curve {curve}: write steady, day or flash", curve=uttered["curve"])
    return msgspec.structs.replace(whole, **uttered)


def _learned(day: Scenario) -> Scenario:
    connected = hub.connect()
    learned = arrivals.learn(connected.frame("orders"), connected.as_of())
    if learned is None:
        raise UserMistake(
            "--learn: the hub has fewer than {n} orders of the last 7 days, too few for a curve; leave --learn out",
            n=arrivals.ENOUGH,
        )
    base = msgspec.structs.replace(day.arrivals, base=learned.base)
    return msgspec.structs.replace(day, arrivals=base, orders=max(1, round(learned.orders_per_day)))


def _stage(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    if not (name and count.isdecimal()):
        raise UserMistake("--people {text!r}: write STAGE=N, e.g. --people pick=120", text=text)
    if len(count) > MOST_DIGITS or int(count) > MOST_PEOPLE:
        raise UserMistake(
            "--people {name}={count}: write at most {most} people",
            name=name,
            count=count[:MOST_DIGITS],
            most=MOST_PEOPLE,
        )
    return name, int(count)


def _curve(day: Scenario, *, learned: bool) -> str:
    """How the orders of the day come: the page's own choice is the hub's last days, if there are any."""
    curve = tr(CURVES[day.arrivals.curve])
    if day.arrivals.curve == "steady":
        return tr("curve: {curve}").format(curve=curve)
    base = tr("the hub's last 7 days") if learned else tr("the scenario's own day")
    base = base if day.arrivals.base else tr("the built-in ordinary day")
    return tr("curve: {curve}, over {base}").format(curve=curve, base=base)


def _sentences(answer: Answer) -> list[str]:
    told, helped = answer.figures, answer.scenario.temporary.enabled
    text = tr("orders: {orders}, runs: {runs} (seed {seed}), without the temporary warehouse")
    if helped:
        text = tr("orders: {orders}, runs: {runs} (seed {seed}), with the temporary warehouse")
    both = {True: answer.with_temporary, False: answer.without_temporary}
    figures = [tile[:3] for tile in texts.tiles(answer.scenario, both, tr)]
    lines = [text.format(orders=f"{told.orders:,}", runs=told.runs, seed=answer.seed)]
    return [*lines, *(f"  {line}" for line in aligned(figures))]
