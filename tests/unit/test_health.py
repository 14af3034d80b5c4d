"""Dwell and blockages: planted trouble is found, healthy shops are left alone, nothing is counted twice."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core import frames, hub
from orderhub_core.entry.commands.diagnose import diagnose
from orderhub_core.errors import UserMistake
from orderhub_core.health import blockages, diagnosis, dwell, flow, texts, thresholds
from orderhub_core.model import Headline
from orderhub_core.store.snapshot import Meta, write

NOW = dt.datetime(2026, 11, 12, 12, tzinfo=dt.UTC)
AS_OF = round(NOW.timestamp() * 1e6)
TABLE = (thresholds.Threshold(Headline.LOCKED, 2.0, 24.0), thresholds.Threshold(Headline.PAID, 0.5, 24.0))


def orders(*rows: Mapping[str, object]) -> pl.DataFrame:
    """Orders frame; `age_h` sets `headline_at`."""
    whole = []
    for number, row in enumerate(rows, 1):
        age = row.get("age_h")
        at = None if age is None else NOW - dt.timedelta(hours=float(str(age)))
        whole.append(
            dict.fromkeys(frames.ORDERS)
            | {"order_id": number, "order_no": str(number), "headline_at": at}
            | {name: value for name, value in row.items() if name != "age_h"}
        )
    return pl.DataFrame(whole, schema=frames.ORDERS, orient="row")


def locked(age_h: float, **more: object) -> dict[str, object]:
    return {"headline": "locked", "age_h": age_h, **more}


def watched(*rows: Mapping[str, object], table: tuple[thresholds.Threshold, ...] = TABLE) -> pl.DataFrame:
    return dwell.watched(orders(*rows), AS_OF, table)


def test_levels_change_just_beyond_their_hours() -> None:
    levels = watched(locked(2), locked(2.01), locked(24), locked(24.5))["level"].to_list()
    assert levels == ["ok", "warn", "warn", "act"]


def test_over_hours_count_from_the_threshold() -> None:
    assert watched(locked(25.5), locked(3))["over_h"].to_list() == pytest.approx([1.5, 0])


def test_headlines_without_a_threshold_are_never_overdue() -> None:
    assert watched({"headline": "completed", "age_h": 9_999}).is_empty()


def test_the_last_row_that_fits_decides() -> None:
    table = (*TABLE, thresholds.Threshold(Headline.LOCKED, 1.0, 4.0, "warehouse=chengdu"))
    found = watched(locked(5, warehouse="chengdu"), locked(5, warehouse="hangzhou"), locked(5), table=table)
    assert found["level"].to_list() == ["act", "warn", "warn"]


def owed(number: str, **more: object) -> dict[str, object]:
    here = {"headline": "paid", "payment": "paid", "fulfilment": "waiting", "logistics": "none", "item_count": 0}
    return here | {"order_no": number, "shop": "s", "age_h": 1} | more


def test_orders_that_no_rulebook_can_decide_are_told_by_number_whether_or_not_they_are_late() -> None:
    known = [
        owed("K", item_count=2), owed("W", warehouse="hz"), owed("U", payment="unpaid"), owed("S", payment="settled"),
        owed("G", fulfilment="shipped"), owed("B", payment="refunded"),
    ]  # fmt: skip
    fine = diagnosis.diagnose(orders(*known), AS_OF, TABLE)
    assert fine.without_lines.is_empty()
    assert texts.sentence(fine, "now", str).endswith("at risk.")
    lost = [owed(f"L{n}", age_h=n, payment=word) for n, word in enumerate(["paid", "deferred", "partly_refunded"] * 2)]
    found = diagnosis.diagnose(orders(*known, *lost), AS_OF, TABLE)
    assert found.without_lines["order_no"].to_list() == ["L5", "L4", "L3", "L2", "L1", "L0"]
    assert "no warehouse gets them: 6 (L5, L4, L3, L2, L1, …). Import" in texts.sentence(found, "now", str)


def test_an_empty_segment_value_means_an_empty_column() -> None:
    found = dwell.watched(
        orders({"headline": "shipped", "age_h": 3}, {"headline": "shipped", "age_h": 3, "tracking_no": "SF1"}),
        AS_OF,
        thresholds.preset(),
    )
    assert found["level"].to_list() == ["act", "warn"]


def test_an_unknown_start_falls_back_to_the_last_update_and_news_from_the_future_is_new() -> None:
    found = watched(locked(0) | {"age_h": None, "updated_at": NOW - dt.timedelta(hours=30)}, locked(-5))
    assert found["age_h"].to_list() == pytest.approx([30, 0])
    assert watched({"headline": "locked"}).is_empty(), "an order with no time at all cannot be judged"


def test_the_preset_covers_every_headline_in_which_work_waits() -> None:
    resting = {"delivered", "completed", "returned", "refunded", "cancelled"}
    assert {row.headline.value for row in thresholds.preset()} == {word.value for word in Headline} - resting
    assert set(texts.HEADLINES) == {word.value for word in Headline}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("headline = 'locked'\nwarn_hours = 5.0\nact_hours = 2.0", "locked: warn_hours is 5 and act_hours 2"),
        ("headline = 'locked'\nwarn_hours = 0.0\nact_hours = 2.0", "warn_hours is 0"),
        ("headline = 'lost'\nwarn_hours = 1.0\nact_hours = 2.0", "lost"),
        ("headline = 'locked'\nwarn_hours = 1.0\nact_hours = 2.0\nsegment = 'colour=red'", "column=value"),
        ("headline = 'locked'\nwarn_hours = 1.0\nact_hours = 2.0\nsegment = 'warehouse'", "column=value"),
        ("headline = 'locked'\nact_hours = 2.0", "warn_hours"),
        ("headline =", "own.toml"),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_a_sentence(row: str, said: str) -> None:
    with pytest.raises(UserMistake) as caught:
        thresholds.read(f"[[threshold]]\n{row}", "own.toml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("own.toml: ")


def test_steps_are_quantiles_of_what_really_passed() -> None:
    placed = NOW - dt.timedelta(days=2)
    took = np.arange(1, 102) / 10
    rows = [{"placed_at": placed, "paid_at": placed + dt.timedelta(hours=float(hours))} for hours in took]
    backwards = {"placed_at": placed, "paid_at": placed - dt.timedelta(hours=1)}
    old = {"placed_at": placed - dt.timedelta(days=90), "paid_at": placed}
    steps = dwell.steps(orders(*rows, backwards, old), AS_OF - 30 * diagnosis.DAY_US)
    assert steps.rows() == [("placed_paid", 101, pytest.approx(5.1), pytest.approx(9.1), pytest.approx(10.0))]


def test_what_is_paid_at_the_door_waits_to_be_shipped_since_it_was_accepted() -> None:
    placed = NOW - dt.timedelta(days=9)
    at = {"deferred_at": 1, "shipped_at": 3, "paid_at": 99}
    told = [placed + dt.timedelta(hours=hours) for hours in at.values()]
    row = {"placed_at": placed, **dict(zip(at, told, strict=True))}
    steps = dwell.steps(orders(row, row | {"paid_at": None}), AS_OF - 30 * diagnosis.DAY_US)
    assert steps.select("step", "orders", "p50_h").rows() == [("placed_paid", 2, 1.0), ("paid_shipped", 2, 2.0)]


def scattered(count: int, seed: int = 1, **fixed: object) -> list[dict[str, object]]:
    """Healthy and sick orders alike, spread evenly over everything."""
    dice = np.random.default_rng(seed)
    return [
        locked(
            float(dice.choice([1.0, 40.0], p=[0.9, 0.1])),
            warehouse=str(dice.choice(["hangzhou", "guangzhou", "chengdu"])),
            shop=str(dice.choice(["main", "outlet"])),
            carrier=str(dice.choice(["ZTO", "SF"])),
            province=str(dice.choice(["浙江省", "广东省", "四川省", "江苏省", "山东省"])),
        )
        | fixed
        for _ in range(count)
    ]


def test_a_warehouse_that_stands_still_is_named_and_its_orders_are_given() -> None:
    sick = scattered(150, seed=2, warehouse="chengdu", age_h=50.0)
    found = watched(*scattered(600), *sick)
    worst = blockages.worst(found, 1)[0]
    assert (worst.headline, worst.segment, worst.value) == ("locked", "warehouse", "chengdu")
    assert worst.lift is not None and worst.lift > 3
    mine = blockages.members(found, worst)
    assert mine.height == worst.orders
    assert set(mine["warehouse"]) == {"chengdu"}
    assert mine["over_h"].sum() == pytest.approx(worst.over_hours, abs=0.01)
    assert mine["age_h"].max() == worst.oldest_hours == pytest.approx(50)


def test_two_causes_are_two_blockages() -> None:
    found = watched(
        *scattered(600),
        *scattered(150, seed=2, warehouse="chengdu", age_h=80.0),
        *scattered(150, seed=3, carrier="EMS", age_h=50.0),
    )
    named = [(blockage.segment, blockage.value) for blockage in blockages.worst(found, 2)]
    assert named == [("warehouse", "chengdu"), ("carrier", "EMS")]


def test_when_everything_is_slow_the_stage_is_to_blame_not_its_biggest_shop() -> None:
    rows = [
        row | {"age_h": 40.0, "shop": "main" if index % 5 else "outlet"} for index, row in enumerate(scattered(300))
    ]
    worst = blockages.worst(watched(*rows), 3)
    assert [(blockage.segment, blockage.orders) for blockage in worst] == [("", 300)]


def test_two_names_for_the_same_orders_are_both_told_and_always_the_same_one_first() -> None:
    sick = scattered(100, seed=2, warehouse="wuhan", carrier="EMS", age_h=50.0)
    for more in ({"warehouse": "wuhan"}, {"carrier": "EMS"}):  # a little more of the one, then of the other
        found = diagnosis.diagnose(orders(*scattered(600), *sick, *scattered(1, seed=4, **more, age_h=50.0)), AS_OF)
        worst = found.worst[0]
        assert (worst.segment, worst.value) == ("warehouse", "wuhan")
        assert [(rival.segment, rival.value) for rival in worst.rivals] == [("carrier", "EMS")]
        assert "the orders do not tell it apart from Carrier EMS (overdue" in texts.lines(found, str)[0]


def test_what_is_not_proven_is_told_beside_the_stage_and_not_named() -> None:
    rows = [locked(40.0 if number % 4 == 0 else 1.0, shop="main") for number in range(60)]
    rows += [locked(40.0 if number % 2 == 0 else 1.0, shop="outlet") for number in range(16)]
    (whole,) = blockages.worst(watched(*rows))
    assert (whole.segment, whole.orders, whole.lift, whole.rivals) == ("", 23, None, ())
    (whole,) = blockages.worst(watched(*rows, *[locked(90.0, shop="outlet")] * 2))
    assert (whole.segment, whole.orders) == ("", 25)
    (rival,) = whole.rivals
    assert rival.value == "outlet" and rival.lift_low < 1 < rival.lift


def test_the_places_stay_the_same_while_orders_grow_old_one_by_one() -> None:
    """A warehouse is the cause; a big shop is overdue about one and a half times as often as the small one."""
    dice, rows = np.random.default_rng(9), []
    for _ in range(1_600):
        warehouse = "hangzhou" if dice.random() < 0.35 else None
        shop = "main" if dice.random() < 0.68 else "outlet"
        rate = 0.05 * (2.2 if warehouse else 1) * (1.5 if shop == "main" else 1)
        age = dice.uniform(24, 72) if dice.random() < rate else dice.uniform(0, 24)
        rows.append({"headline": "paid", "age_h": age, "warehouse": warehouse, "shop": shop})
    frame, told = orders(*rows), set()
    for minute in range(0, 60, 3):
        worst = blockages.worst(dwell.watched(frame, AS_OF + minute * flow.MINUTE_US, TABLE))
        told.add(tuple((one.segment, one.value) for one in worst))
    assert told == {(("warehouse", "hangzhou"), ("", ""))}


def test_the_limits_are_told_with_where_they_stand() -> None:
    own = diagnosis.diagnose(orders(), AS_OF)
    assert "24 h: Awaiting payment, To ship before payment" in texts.limits(own, str)
    assert "2 h: Shipped (Tracking number: none); " in texts.limits(own, str) and "thresholds.toml" in texts.limits(
        own, str
    )
    theirs = diagnosis.diagnose(orders(), AS_OF, TABLE, thresholds_from="own.toml")
    assert texts.limits(theirs, str).endswith(": 24 h: Stock locked, Paid. The limits stand in own.toml.")
    (worst,) = diagnosis.diagnose(orders(locked(30)), AS_OF, TABLE).worst
    shown = texts.orders(blockages.members(watched(locked(30)), worst), "UTC", str)
    assert shown["Limit, h"].to_list() == [24]


def test_healthy_orders_have_no_blockage() -> None:
    assert blockages.worst(watched(*(row | {"age_h": 1.0} for row in scattered(50)))) == []
    assert blockages.worst(watched()) == []


some = st.lists(
    st.builds(
        lambda age, headline, warehouse, shop, carrier: {
            "age_h": age, "headline": headline, "warehouse": warehouse, "shop": shop, "carrier": carrier
        },
        st.floats(0, 200), st.sampled_from(["locked", "paid"]), st.sampled_from([None, "a", "b"]),
        st.sampled_from(["s", "t"]), st.sampled_from([None, "x"]),
    ),
    max_size=15,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(some)
def test_no_order_is_in_two_blockages_and_in_the_end_none_is_missing(rows: list[dict[str, object]]) -> None:
    found = watched(*rows)
    worst = blockages.worst(found, 50)
    parts = [blockages.members(found, one) for one in worst]
    ids = [number for part in parts for number in part["order_id"]]
    assert len(ids) == len(set(ids))
    assert set(ids) == set(found.filter(pl.col("level") == "act")["order_id"])
    for blockage, part in zip(worst, parts, strict=True):
        assert blockage.orders == part.height
        assert blockage.over_hours == pytest.approx(part["over_h"].sum(), abs=0.01)
    assert worst == blockages.worst(found.reverse(), 50), "the order of rows tells nothing"


def test_a_diagnosis_adds_up() -> None:
    found = diagnosis.diagnose(orders(*scattered(200)), AS_OF)
    assert found.orders == 200
    assert found.overdue == found.open_orders.filter(pl.col("level") == "act").height
    assert found.at_risk == found.open_orders.filter(pl.col("level") == "warn").height
    assert found.stages["over_h"].sum() == pytest.approx(found.open_orders["over_h"].sum())


def test_no_orders_no_illness() -> None:
    found = diagnosis.diagnose(frames.empty("orders"), AS_OF)
    assert (found.orders, found.overdue, found.at_risk, found.worst) == (0, 0, 0, [])


def test_the_flow_counts_the_last_hour_by_minute_and_axis() -> None:
    at = [NOW, NOW - dt.timedelta(seconds=70), NOW - dt.timedelta(seconds=75), NOW - dt.timedelta(hours=2)]
    events = pl.LazyFrame(
        {
            "occurred_at": [*at, NOW, NOW],
            "event": [
                "payment.paid",
                "order.placed",
                "order.placed",
                "order.placed",
                "rule.assign_warehouse",
                "order.parcel",
            ],
        },
        schema_overrides={"occurred_at": frames.INSTANT},
    )
    counted = flow.per_minute(events, AS_OF)
    assert counted.rows() == [
        (NOW - dt.timedelta(minutes=2), "order", 2),
        (NOW, "payment", 1),
    ]


def test_the_command_line_tells_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "snapshot"
    frame = orders(*scattered(100))
    write(folder, {"orders": frame}, Meta(as_of=AS_OF))
    monkeypatch.setenv("ORDERHUB_SNAPSHOT", str(folder))
    hub.connect.cache_clear()
    wishes: dict[str, Any] = {
        "as_of": "",
        "count": 3,
        "table": None,
        "as_json": True,
        "data": None,
        "database": None,
        "inbox": None,
    }
    diagnose(fail_over=None, **wishes)
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    found = diagnosis.diagnose(frame, AS_OF)
    assert (answer["orders"], answer["overdue"], answer["at_risk"]) == (100, found.overdue, found.at_risk)
    assert (answer["limits_from"], answer["limits"][0]["act_hours"]) == ("", thresholds.preset()[0].act_hours)
    diagnose(fail_over=found.overdue, **wishes)
    with pytest.raises(typer.Exit) as caught:
        diagnose(fail_over=found.overdue - 1, **wishes)
    assert caught.value.exit_code == 1
    with pytest.raises(UserMistake, match="add the time zone"):
        diagnose(fail_over=None, **(wishes | {"as_of": "2026-11-12"}))
    hub.connect.cache_clear()
