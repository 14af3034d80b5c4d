"""A scenario is a file a person writes: what is impossible is refused in a sentence that says where."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.errors import UserMistake
from orderhub_core.sim import scenario
from orderhub_core.sim.scenario import Scenario, Temporary


def test_an_empty_file_is_the_default() -> None:
    assert scenario.read(b"", "empty.toml") == Scenario()


def test_a_whole_scenario_can_be_written_down() -> None:
    text = """
        orders = 1200
        runs = 5
        promise_hours = 48.0
        [arrivals]
        curve = "flash"
        start_hour = 19.5
        peak_multiple = 8
        [[stages]]
        name = "pick"
        seconds = 40
        [[warehouses]]
        id = "suzhou"
        people = [3]
        opens = 7
        closes = 22
        [temporary]
        enabled = false
        people = [1]
    """
    read = scenario.read(text, "eve.toml")
    assert read.orders == 1_200
    assert read.arrivals.start_hour == 19.5
    assert [site.id for site in read.warehouses] == ["suzhou"]
    assert not read.temporary.enabled
    assert read.temporary.orders_per_day == 5_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("orders = 0", "orders is 0"),
        ("orders = -5", "orders is -5"),
        ("ordres = 5", "ordres"),
        ("orders = 'many'", "orders"),
        ("runs = 0", "runs is 0"),
        ("promise_hours = 0", "promise_hours"),
        ("stages = []", "no stage"),
        ("warehouses = []", "no warehouse"),
        ("[[stages]]\nname = 'pick'\nseconds = -1", "stage pick: seconds is -1"),
        ("[[stages]]\nname = 'pick'\nseconds = nan", "stage pick: seconds is nan"),
        ("[[warehouses]]\nid = 'w'\npeople = [1, 0, 1, 1]", "warehouse w: 0 people"),
        ("[[warehouses]]\nid = 'w'\npeople = [1]", "review, pick, pack, hand_over"),
        ("[[warehouses]]\nid = 'w'\npeople = [1, 1, 1, 1]\nopens = 20\ncloses = 8", "open from 20 to 8"),
        ("[[warehouses]]\nid = 'w'\npeople = [1, 1, 1, 1]\nshare = -0.5", "share is -0.5"),
        ("[temporary]\norders_per_day = -1", "orders_per_day is -1"),
        ("[arrivals]\npeak_multiple = 0.5", "peak_multiple is 0.5"),
        ("[arrivals]\nstart_hour = 24", "start_hour is 24"),
        ("[arrivals]\nbase = [1.0, -1.0]", "negative"),
        ("[arrivals]\nbase = [0.0, 0.0]", "no orders"),
        ("[arrivals]\nbase = [inf]", "no orders"),
        ("[arrivals]\ncurve = 'wavy'", "wavy"),
        ("orders = ", "eve.toml"),
        (b"\xff", "eve.toml"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(text: str | bytes, said: str) -> None:
    with pytest.raises(UserMistake) as caught:
        scenario.read(text, "eve.toml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("eve.toml: ")


@settings(deadline=None)
@given(st.integers(3, 5_000))
def test_staffing_splits_every_person_by_share(total: int) -> None:
    staffed = scenario.staffed(Scenario(), {"pick": total})
    crew = [site.people[1] for site in staffed.warehouses]
    assert sum(crew) == total
    assert min(crew) >= 1
    for people, share in zip(crew, (0.5, 0.3, 0.2), strict=True):
        assert abs(people - 1 - (total - 3) * share) < 1
    assert [site.people[2] for site in staffed.warehouses] == [site.people[2] for site in Scenario().warehouses]


def test_staffing_refuses_too_few_and_unknown_stages() -> None:
    with pytest.raises(UserMistake, match="at least one for each, 3"):
        scenario.staffed(Scenario(), {"pick": 2})
    with pytest.raises(UserMistake, match="no stage named sew; there are: review"):
        scenario.staffed(Scenario(), {"sew": 9})


def test_the_preset_of_the_temporary_warehouse() -> None:
    assert Temporary().orders_per_day == 5_000
    assert Temporary().enabled
