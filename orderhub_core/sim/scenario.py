"""What a rehearsal assumes: how orders come in, who handles them, and where they go when everyone is full.

Values only, readable as TOML (`read`). Hours are local hours of the rehearsed day; inside the simulation times
are seconds since that day's midnight. Impossible input is refused with a UserMistake when it is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from orderhub_core.errors import UserMistake

DAY_S = 86_400.0
MAX_ORDERS = 2_000_000
"""A rehearsal keeps every order in memory and walks each through every stage."""
MAX_SHOWN = 500_000
"""A page is anybody's, and rehearses again with each change."""


def _demand(fits: bool, text: str, **facts: object) -> None:
    if not fits:
        raise UserMistake(
            text, **{name: f"{fact:g}" if isinstance(fact, float) else fact for name, fact in facts.items()}
        )


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of the work. Times are gamma distributed; `spread` is standard deviation over mean (1 = exponential)."""

    name: str
    seconds: float
    """Mean seconds one person spends on one order."""
    spread: float = 0.5

    def __post_init__(self) -> None:
        text = "stage {name}: seconds is {value}; write more than 0, at most {most}"
        _demand(0 < self.seconds <= DAY_S, text, name=self.name, value=self.seconds, most=DAY_S)
        text = "stage {name}: spread is {value}; write a number from 0 to 5"
        _demand(0 <= self.spread <= 5, text, name=self.name, value=self.spread)


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A warehouse. Its people of one stage share one queue, and all stages keep the same hours."""

    id: str
    people: tuple[int, ...]
    """People per stage, in the order of the scenario's stages."""
    share: float = 1.0
    """Its part of the orders, relative to the other warehouses."""
    opens: float = 8.0
    closes: float = 24.0
    """At closing time work is put down where it is and taken up at the next opening."""
    overload: int = 3_000
    """With more unfinished orders than this the warehouse counts as overloaded."""

    def __post_init__(self) -> None:
        text = "warehouse {id}: {count} people at a stage would never finish an order; write at least 1"
        for count in self.people:
            _demand(count >= 1, text, id=self.id, count=count)
        text = "warehouse {id}: share is {value}; write more than 0, or leave the warehouse out"
        _demand(0 < self.share < 1e9, text, id=self.id, value=self.share)
        text = "warehouse {id}: open from {opens} to {closes}; write 0 <= opens < closes <= 24"
        _demand(0 <= self.opens < self.closes <= 24, text, id=self.id, opens=self.opens, closes=self.closes)
        text = "warehouse {id}: overload is {value}; write the number of orders, 0 or more"
        _demand(self.overload >= 0, text, id=self.id, value=self.overload)


class Temporary(Site, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The last resort: takes new orders while it is enabled, every other warehouse is overloaded, and its cap holds."""

    id: str = "temporary"
    people: tuple[int, ...] = (2, 20, 18, 4)
    enabled: bool = True
    orders_per_day: int = 5_000
    check_minutes: float = 5.0
    """How often the others' backlog is looked at; orders of one interval share one decision."""

    def __post_init__(self) -> None:
        super().__post_init__()
        text = "warehouse {id}: orders_per_day is {value}; write 0 or more"
        _demand(self.orders_per_day >= 0, text, id=self.id, value=self.orders_per_day)
        text = "warehouse {id}: check_minutes is {value}; write 1 to 1440"
        _demand(1 <= self.check_minutes <= 1440, text, id=self.id, value=self.check_minutes)


class Arrivals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the day's orders spread over the day.

    `steady` is flat, `day` follows the ordinary curve, `flash` adds a sale to it that starts at once and decays.
    """

    curve: Literal["steady", "day", "flash"] = "flash"
    start_hour: float = 20.0
    peak_multiple: float = 12.0
    """At the start, orders come in at this many times the rate that is ordinary at that hour."""
    decay_hours: float = 1.5
    """The extra orders fall to 37 % every so many hours."""
    base: tuple[float, ...] = ()
    """The ordinary curve: rates of equal slices of the day; empty means the built-in one."""

    def __post_init__(self) -> None:
        text = "arrivals: start_hour is {value}; write 0 to 23.99"
        _demand(0 <= self.start_hour < 24, text, value=self.start_hour)
        text = "arrivals: peak_multiple is {value}; write 1 to 1000"
        _demand(1 <= self.peak_multiple <= 1000, text, value=self.peak_multiple)
        text = "arrivals: decay_hours is {value}; write 0.01 to 24"
        _demand(0.01 <= self.decay_hours <= 24, text, value=self.decay_hours)
        _demand(min(self.base, default=0) >= 0, "arrivals: base has a negative rate; write rates of 0 or more")
        usable = not self.base or 0 < sum(self.base) < 1e18
        _demand(usable, "arrivals: base has no orders in it; write rates, or leave it out for the built-in curve")


STAGES = (
    Stage("review", 8.0, 1.0),
    Stage("pick", 75.0, 0.6),
    Stage("pack", 60.0, 0.4),
    Stage("hand_over", 12.0, 0.5),
)
WAREHOUSES = (
    Site(id="hangzhou", share=0.5, people=(7, 29, 27, 6)),
    Site(id="guangzhou", share=0.3, people=(5, 17, 16, 4)),
    Site(id="chengdu", share=0.2, people=(4, 12, 11, 3)),
)


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    orders: int = 86_000
    """Orders of the rehearsed day."""
    arrivals: Arrivals = Arrivals()
    stages: tuple[Stage, ...] = STAGES
    warehouses: tuple[Site, ...] = WAREHOUSES
    temporary: Temporary = Temporary()
    promise_hours: float = 24.0
    """An order handed over later than this after it was placed is late."""
    runs: int = 3
    """Repetitions with other dice; figures are shown with their range over the runs."""

    def __post_init__(self) -> None:
        text = "orders is {value}; write 1 to {most}"
        _demand(1 <= self.orders <= MAX_ORDERS, text, value=self.orders, most=MAX_ORDERS)
        _demand(1 <= self.runs <= 100, "runs is {value}; write 1 to 100", value=self.runs)
        _demand(self.promise_hours > 0, "promise_hours is {value}; write more than 0", value=self.promise_hours)
        _demand(bool(self.stages), "there is no stage; write at least one [[stages]]")
        _demand(bool(self.warehouses), "there is no warehouse; write at least one [[warehouses]]")
        text = "warehouse {id}: people has {count} numbers; write one per stage ({stages})"
        names = tuple(stage.name for stage in self.stages)
        for site in (*self.warehouses, self.temporary):
            _demand(len(site.people) == len(names), text, id=site.id, count=len(site.people), stages=names)


def read(text: bytes | str, name: str) -> Scenario:
    """A scenario from TOML; what is left out keeps its default. Raises UserMistake naming the file and the field."""
    try:
        return msgspec.toml.decode(text, type=Scenario)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserMistake("{name}: {error}", name=name, error=error) from None
    except UserMistake as error:
        raise UserMistake("{name}: {error}", name=name, error=error) from None


def shown(scenario: Scenario) -> Scenario:
    """The scenario, as it is. Raises UserMistake for one that is too great for a page."""
    text = "orders is {value}; a page rehearses up to {most}, the command `orderhub simulate` up to {all}"
    _demand(scenario.orders <= MAX_SHOWN, text, value=scenario.orders, most=MAX_SHOWN, all=MAX_ORDERS)
    return scenario


def switched(scenario: Scenario, enabled: bool) -> Scenario:
    """The same day with the temporary warehouse on or off."""
    spare = msgspec.structs.replace(scenario.temporary, enabled=enabled)
    return msgspec.structs.replace(scenario, temporary=spare)


def staffed(scenario: Scenario, people: Mapping[str, int]) -> Scenario:
    """The scenario with these many people per stage in all its ordinary warehouses together, spread by their shares.

    Every warehouse keeps at least one person per stage. Raises UserMistake for an unknown stage or too few people.
    """
    known = [stage.name for stage in scenario.stages]
    unknown = tuple(sorted(set(people) - set(known)))
    _demand(not unknown, "no stage named {unknown}; there are: {known}", unknown=unknown, known=tuple(known))
    columns = [
        _split(people[stage.name], scenario, stage.name)
        if stage.name in people
        else [site.people[index] for site in scenario.warehouses]
        for index, stage in enumerate(scenario.stages)
    ]
    sites = (
        msgspec.structs.replace(site, people=crew)
        for site, crew in zip(scenario.warehouses, zip(*columns, strict=True), strict=True)
    )
    return msgspec.structs.replace(scenario, warehouses=tuple(sites))


def _split(total: int, scenario: Scenario, stage: str) -> list[int]:
    sites = scenario.warehouses
    text = "{total} people at stage {stage} for {sites} warehouses; write at least one for each, {sites}"
    _demand(total >= len(sites), text, total=total, stage=stage, sites=len(sites))
    spare, whole = total - len(sites), sum(site.share for site in sites)
    exact = [spare * site.share / whole for site in sites]
    crew = [1 + int(part) for part in exact]
    by_remainder = sorted(range(len(sites)), key=lambda index: int(exact[index]) - exact[index])
    for index in by_remainder[: total - sum(crew)]:
        crew[index] += 1
    return crew
