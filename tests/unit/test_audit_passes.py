"""A later pass over what was touched is the pass over everything."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.audit import passes
from orderhub_core.audit.align import Keys, Names
from orderhub_core.audit.passes import Pass, due, refreshed, rows_of, whole
from orderhub_core.audit.report import audit
from orderhub_core.audit.window import Moments
from orderhub_core.frames import INSTANT

NOW = 1_790_000_000_000_000
MINUTE = 60_000_000
NAMES = ("page", "crm", "wms")
WORDS = ("待付款", "待发货", "已发货", "已签收", "已锁库", "已揽收", "warp drive", "", None)

Row = tuple[str, str, str | None, int | None, int | None]

cell = st.tuples(
    st.sampled_from(["", "east"]),
    st.sampled_from([str(number) for number in range(8)]),
    st.sampled_from(WORDS),
    st.sampled_from([None, *(NOW - age * MINUTE for age in (-200, -3, 0, 5, 28, 31, 600))]),
    st.sampled_from([None, 100, 100, 250]),
)
books = st.fixed_dictionaries({name: st.lists(cell, max_size=14) for name in NAMES})


def frames(book: dict[str, list[Row]]) -> dict[str, pl.DataFrame]:
    schema = {"shop": pl.String, "order_no": pl.String, "status": pl.String, "at": pl.Int64, "paid": pl.Int64}
    return {
        name: pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("at").cast(INSTANT))
        for name, rows in ((name, book[name]) for name in NAMES)
    }


def shown(kept: Pass) -> list[tuple[object, ...]]:
    judged = kept.judged
    columns = [
        judged.verdict,
        judged.heals.dense(len(judged.verdict)),
        judged.turns.dense(len(judged.verdict)),
        *judged.fields.values(),
        *(own for cells in judged.cells.values() for own in cells),
        *judged.twice,
    ]
    told = pl.DataFrame({str(place): column for place, column in enumerate(columns)})
    return sorted(pl.concat([judged.keys, told], how="horizontal").rows())


@settings(max_examples=150, deadline=None)
@given(before=books, after=books, later=st.sampled_from([0, 4, 29, 300]), extra=st.booleans())
def test_judging_what_was_touched_is_judging_all(before, after, later, extra):
    """Orders change, come and go; the clock moves on; the answer is that of a pass over everything."""
    changed = {number for name in NAMES for shop, number, *_ in after[name] if int(number) < 4}
    now = {name: [row for row in before[name] if row[1] not in changed] for name in NAMES}
    now = {name: now[name] + [row for row in after[name] if row[1] in changed] for name in NAMES}
    first = whole(audit(frames(before), as_of=NOW))
    as_of = NOW + later * MINUTE
    touched = pl.DataFrame(
        [(shop, number) for shop in ("", "east") for number in sorted(changed)],
        schema={"shop": pl.String, "order_no": pl.String},
        orient="row",
    )
    keys = pl.concat([touched, due(first, as_of), touched.head(1 if extra else 0)])
    second = refreshed(first, rows_of(frames(now), keys), keys, as_of=as_of)
    again = whole(audit(frames(now), as_of=as_of, calibration=first.calibration))
    assert shown(second) == shown(again)
    # And once more from there: the index that was carried along is right, too.
    third = refreshed(second, rows_of(frames(before), touched), touched, as_of=as_of)
    third = refreshed(third, rows_of(frames(before), due(third, as_of)), due(third, as_of), as_of=as_of)
    assert shown(third) == shown(whole(audit(frames(before), as_of=as_of, calibration=first.calibration)))


def test_a_touched_order_that_is_gone_leaves_also_where_as_many_others_are_shown():
    book = {name: [("", "1", "已签收", NOW, 1), ("", "2", "已签收", NOW, 1)] for name in NAMES}
    first = whole(audit(frames(book), as_of=NOW))
    touched = first.judged.keys.filter(pl.col("order_no") == "1")
    others = frames({name: [("", "2", "已签收", NOW, 1)] for name in NAMES})
    assert refreshed(first, others, touched, as_of=NOW).judged.keys["order_no"].to_list() == ["2"]


def test_nothing_touched_and_no_time_gone_is_the_same_pass():
    first = whole(audit(frames({name: [("", "1", "已签收", NOW, 1)] for name in NAMES}), as_of=NOW))
    nothing = first.judged.keys.clear()
    empty = rows_of(frames({name: [] for name in NAMES}), nothing)
    assert shown(refreshed(first, empty, nothing, as_of=NOW)) == shown(first)


def test_a_pass_goes_on_only_with_what_it_compared():
    rows = frames({name: [("", "1", "已签收", NOW, 1)] for name in NAMES})
    first = whole(audit(rows, as_of=NOW))
    keys = first.judged.keys
    with pytest.raises(ValueError, match="begin anew"):
        refreshed(first, {"page": rows["page"], "crm": rows["crm"]}, keys, as_of=NOW)
    with pytest.raises(ValueError, match="begin anew"):
        refreshed(first, {name: frame.drop("paid") for name, frame in rows.items()}, keys, as_of=NOW)


def test_orders_with_one_fingerprint_are_told_apart(monkeypatch):
    """A hash that is worth nothing makes the pass slower, not wrong."""
    rows = frames({name: [("", str(number), "已签收", NOW, number) for number in range(6)] for name in NAMES})
    first = whole(audit(rows, as_of=NOW))
    blind = first.judged.names.marks[:1].repeat(6)

    def blinded(names, _others):
        names.__dict__["marks"] = blind[: names.height]
        return names

    blinded(first.judged.names, None)
    monkeypatch.setattr(passes, "_alike", blinded)
    keys = first.judged.keys.head(2)
    second = refreshed(first, rows_of(rows, keys), keys, as_of=NOW)
    assert shown(second) == shown(first)


@pytest.mark.parametrize(("age", "verdict"), [(5, "lagging"), (90, "missing"), (-200, "missing")])
def test_an_order_just_placed_may_be_unheard_of_though_no_touchpoint_states_a_time(age, verdict):
    rows = frames({"page": [("", "1", "已发货", None, None)], "crm": [("", "2", "已发货", None, None)], "wms": []})
    population = pl.DataFrame({"shop": [""], "order_no": ["1"], "placed_at": [NOW - age * MINUTE]}).with_columns(
        pl.col("placed_at").cast(INSTANT)
    )
    report = audit({name: rows[name] for name in ("page", "crm")}, as_of=NOW, population=population)
    assert report.orders["verdict"].to_list() == [verdict]


@given(*[st.dictionaries(st.integers(0, 9), st.integers(0, 99))] * 2)
def test_of_two_instants_of_an_order_the_sooner_counts(one, other):
    told = [
        Moments(np.array(sorted(own), dtype=np.int64), np.array([own[at] for at in sorted(own)]))
        for own in (one, other)
    ]
    both = told[0].sooner(told[1])
    assert dict(zip(both.places.tolist(), both.at.tolist(), strict=True)) == {
        place: min(own[place] for own in (one, other) if place in own) for place in one | other
    }
    assert both.places.tolist() == sorted(one | other)


@pytest.mark.parametrize("known", [1, 7, 5_000])
def test_an_order_is_found_where_it_stands_among_any_number(known):
    """By name, as a dictionary would: those that are there, those that are not, and once more are appended."""
    rng = np.random.default_rng(known)
    every = [str(number) for number in rng.choice(10**9, known * 3, replace=False)]
    first, later = every[:known], every[known : known * 2]
    names = {what: _names(some) for what, some in (("first", first), ("both", first + later))}
    index = passes._index(names["first"])
    grown = index.with_new(_names(later), known)
    asked = [every[at] for at in rng.permutation(len(every))]
    for found, among, told in ((index, "first", first), (grown, "both", first + later)):
        places = {name: place for place, name in enumerate(told)}
        assert found.find(_names(asked), names[among]).tolist() == [places.get(name, -1) for name in asked]


def _names(numbers: list[str]) -> Names:
    keys = pl.DataFrame({"shop": [None] * len(numbers), "order_no": numbers}, schema_overrides={"shop": pl.Null})
    return Names(Keys(keys, with_shops=False), np.arange(len(numbers), dtype=np.int32))
