"""Fields beside the status: what is compared, how, and that nothing unknown is ever told equal."""

from __future__ import annotations

from itertools import permutations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.audit import fields, presets
from orderhub_core.audit.report import Report, audit
from orderhub_core.audit.sources import RAW
from orderhub_core.audit.verdicts import CONSISTENT, VERDICTS
from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT

NOW = 1_790_000_000_000_000
HOUR = 3_600_000_000


def told(field: str, values: dict[str, object], *, status: str = "delivered", **options: object) -> Report:
    """One order that all touchpoints show at one status, and of a field what each says."""
    frames = {}
    for name, value in values.items():
        frame = pl.DataFrame({"order_no": ["1"], "status": [status], field: [value]})
        frames[name] = frame.cast({field: INSTANT}) if field.endswith("_at") else frame
    return audit(frames, **options)  # type: ignore[arg-type]


def verdict(report: Report, field: str) -> str | None:
    """Of the only order; None where it was not compared."""
    return next((name for name, orders in report.by_field_and_verdict()[field].items() if orders), None)


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        ("paid", (1250, 1250, 1250), "equal"),
        ("paid", (1250, 1251, 1250), "conflict"),
        ("paid", (1250, None, 1250), "not_comparable"),
        ("paid", (None, None, None), "not_comparable"),
        ("quantity", (2, 3), "conflict"),
        ("tracking_no", ("SF123", "sf123", " ＳＦ123 "), "equal"),
        ("tracking_no", ("SF123", "SF124"), "conflict"),
        ("tracking_no", ("SF123", "N/A"), "not_comparable"),
        ("carrier", ("顺丰", "SF", "shunfeng"), "equal"),
        ("carrier", ("顺丰", "中通", "SF"), "conflict"),
        ("paid_at", (NOW, NOW, NOW), "equal"),
        ("paid_at", (NOW, NOW + 59_000_000, NOW), "compatible"),
        ("paid_at", (NOW, NOW + 61_000_000, NOW), "conflict"),
        ("colour", ("red", "Red"), "equal"),
        ("colour", ("red", "blue"), "conflict"),
        ("colour", (None, ""), "not_comparable"),
    ],
)
def test_values_are_compared_as_their_kind_says(field, values, expected):
    report = told(field, dict(zip("abc", values, strict=False)))
    assert verdict(report, field) == expected
    assert report.orders["verdict"][0] == expected


def told_at(seconds: dict[str, int | None]) -> Report:
    return told("paid_at", {name: None if late is None else NOW + late * 1_000_000 for name, late in seconds.items()})


def in_reach(values: list[int], tolerance: int) -> list[set[int]]:
    """Values that steps of at most the tolerance join, step by step."""
    groups: list[set[int]] = []
    for value in values:
        near = [group for group in groups if any(abs(value - other) <= tolerance for other in group)]
        groups = [group for group in groups if group not in near] + [set().union({value}, *near)]
    return groups


@pytest.mark.parametrize("names", list(permutations(("page", "crm", "wms"))))
def test_values_within_reach_one_of_the_next_are_compatible_whoever_stands_first(names):
    late = {"page": 0, "crm": 45, "wms": 90}
    assert verdict(told_at({name: late[name] for name in names}), "paid_at") == "compatible"
    late["wms"] = 106
    torn = told_at({name: late[name] for name in names}).problems.row(0, named=True)
    assert (torn["verdict"], torn["probably_wrong"]) == ("conflict", "wms")


@settings(max_examples=60, deadline=None)
@given(
    late=st.lists(st.sampled_from([None, 0, 30, 60, 61, 90, 121, 150, 3600]), min_size=2, max_size=5),
    dice=st.randoms(use_true_random=False),
)
def test_within_a_tolerance_the_order_of_touchpoints_changes_nothing(late, dice):
    shown = dict(zip("abcde", late, strict=False))
    again = dict(dice.sample(list(shown.items()), len(shown)))
    columns = ["verdict", "field", "probably_wrong", "cause"]
    one, other = told_at(shown), told_at(again)
    assert one.problems.select(columns).equals(other.problems.select(columns))
    spoken = [value for value in late if value is not None]
    if len(spoken) == len(late):
        united, alike = len(in_reach(spoken, 60)) == 1, len(set(spoken)) == 1
        assert verdict(one, "paid_at") == ("equal" if alike else "compatible" if united else "conflict")


@pytest.mark.parametrize("nothing", ["-", "--", "ＮＵＬＬ", " n/a ", "无", "", None])
def test_what_is_empty_as_a_status_is_empty_as_an_amount(nothing):
    frame = pl.DataFrame({"order_no": ["1"], "status": ["paid"], "paid": [None], RAW + "paid": [nothing]})
    fine = pl.DataFrame({"order_no": ["1"], "status": ["paid"], "paid": [5], RAW + "paid": ["0.05"]})
    report = audit({"page": frame.cast({"paid": pl.Int64, RAW + "paid": pl.String}), "crm": fine})
    assert verdict(report, "paid") == "not_comparable"
    status = audit({"page": fine.with_columns(status=pl.lit(nothing, pl.String)), "crm": fine})
    assert verdict(status, "status") == "not_comparable"


def test_a_field_that_one_alone_carries_is_no_part_of_the_comparison():
    page = pl.DataFrame({"order_no": ["1"], "status": ["paid"], "paid": [5]})
    report = audit({"page": page, "crm": page.drop("paid")})
    assert report.fields == ["status"]
    assert report.orders["verdict"].to_list() == ["equal"]


def test_what_is_not_due_need_not_be_said_and_is_not_told_equal():
    early = told("tracking_no", {"a": None, "b": None}, status="locked")
    assert verdict(early, "tracking_no") is None
    assert early.orders["verdict"].to_list() == ["equal"]
    assert verdict(told("tracking_no", {"a": None, "b": None}, status="delivered"), "tracking_no") == "not_comparable"
    assert verdict(told("tracking_no", {"a": "SF1", "b": "SF1"}, status="locked"), "tracking_no") == "equal"


def cells_of(report: Report, field: str) -> dict[str, tuple[str, bool]]:
    rows = report.cells().filter(pl.col("field") == field)
    return {name: (found, counts) for name, found, counts in rows.select("touchpoint", "verdict", "counts").iter_rows()}


def test_a_blank_before_it_is_due_is_not_comparable_and_does_not_count():
    """One due blank beside it does."""
    early = told("tracking_no", {"a": None, "b": None}, status="locked")
    assert cells_of(early, "tracking_no") == dict.fromkeys("ab", ("not_comparable", False))
    assert early.orders["verdict"].to_list() == ["equal"]
    late = told("tracking_no", {"a": None, "b": "SF1", "c": "SF1"}, status="delivered")
    assert cells_of(late, "tracking_no")["a"] == ("not_comparable", True)
    assert late.orders["verdict"].to_list() == ["not_comparable"]


def test_without_a_row_a_field_is_missing_as_the_row_is_and_counts_once():
    page = pl.DataFrame({"order_no": ["1", "2"], "status": ["paid"] * 2, "paid": [5, 5]})
    report = audit({"page": page, "crm": page, "wms": page.head(1)})
    cells = report.cells().filter(pl.col("order_no") == "2", pl.col("touchpoint") == "wms")
    assert cells.select("field", "verdict", "counts").rows() == [
        ("status", "missing", True),
        ("paid", "missing", False),
    ]


def test_a_cell_that_cannot_be_read_is_no_empty_cell():
    frame = pl.DataFrame({"order_no": ["1"], "status": ["paid"], "paid": [None], RAW + "paid": ["a lot"]}).cast(
        {"paid": pl.Int64}
    )
    fine = pl.DataFrame({"order_no": ["1"], "status": ["paid"], "paid": [5], RAW + "paid": ["0.05"]})
    report = audit({"page": frame, "crm": fine})
    finding = report.problems.row(0, named=True)
    assert (finding["verdict"], finding["field"], finding["cause"]) == ("unknown_word", "paid", "mapping_error")
    assert finding["values"] == {"page": "a lot", "crm": "0.05"}


def test_causes_of_values_name_the_convention_and_the_minority():
    fen = told("paid", {"a": 1250, "b": 125000, "c": 1250}).problems.row(0, named=True)
    assert (fen["probably_wrong"], fen["cause"]) == ("b", "mapping_error")
    zone = told("paid_at", {"a": NOW, "b": NOW - 8 * HOUR, "c": NOW}).problems.row(0, named=True)
    assert (zone["probably_wrong"], zone["cause"]) == ("b", "mapping_error")
    plain = told("paid", {"a": 1250, "b": 1300, "c": 1250}).problems.row(0, named=True)
    assert (plain["probably_wrong"], plain["cause"]) == ("b", "unknown")


def test_an_older_row_beside_young_news_of_another_value_is_lagging():
    def shown(age_min: int) -> Report:
        page = pl.DataFrame({"order_no": ["1"], "status": ["paid"], "paid": [5], "at": [NOW - age_min * 60_000_000]})
        crm = page.with_columns(paid=pl.lit(6), at=pl.lit(NOW - 300 * 60_000_000))
        return audit({"page": page.cast({"at": INSTANT}), "crm": crm.cast({"at": INSTANT})}, as_of=NOW)

    assert shown(5).problems.select("verdict", "probably_wrong", "cause").row(0) == ("lagging", "crm", "late_poll")
    assert shown(31).problems.select("verdict", "cause").row(0) == ("conflict", "unknown")


names = st.sampled_from(["a", "b", "c"])
cells = st.sampled_from([None, "", " ", "NULL", "1", "1", "2"])


@settings(max_examples=100, deadline=None)
@given(
    rows=st.dictionaries(
        st.tuples(names, st.sampled_from("12345")),
        st.tuples(st.sampled_from(["paid", "已付款", None, "?!"]), cells),
        min_size=1,
    )
)
def test_an_order_is_as_bad_as_its_worst_cell_and_silence_is_never_consistent(rows):
    frames = {
        name: pl.DataFrame(
            [(no, *said) for (who, no), said in rows.items() if who == name],
            schema={"order_no": pl.String, "status": pl.String, "colour": pl.String},
            orient="row",
        )
        for name in ("a", "b", "c")
    }
    report = audit(frames)
    worst = report.cells().filter("counts").group_by("order_no").agg(pl.col("verdict").to_physical().max())
    ranks = {no: VERDICTS[rank] for no, rank in worst.iter_rows()}
    assert dict(report.orders.select("order_no", pl.col("verdict").cast(pl.String)).iter_rows()) == ranks
    whole = report.orders.height * sum(len(frames) for _ in report.fields)
    assert report.cells().unique(["order_no", "field", "touchpoint"]).height == report.cells().height == whole
    assert report.cells()["verdict"].null_count() == 0
    for no, field, name, found in report.cells().select("order_no", "field", "touchpoint", "verdict").iter_rows():
        status, colour = rows.get((name, no), (None, None))
        said = status if field == "status" else colour
        if (said or "").strip() in ("", "NULL", "?!"):
            assert found not in CONSISTENT


# --- the dictionary ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("实付金额", "paid"),
        ("Paid Amount", "paid"),
        ("运单号", "tracking_no"),
        (" 付款时间 ", "paid_at"),
        ("Colour", "Colour"),
    ],
)
def test_headings_in_english_and_chinese_name_their_field(heading, name):
    field = fields.default().heading(heading)
    assert field is not None and field.name == name


@pytest.mark.parametrize("heading", ["收货人", "Phone", "备注", "序号", "receiver_address"])
def test_a_persons_columns_are_never_compared(heading):
    assert fields.default().heading(heading) is None


def test_every_field_of_a_touchpoint_stands_in_the_dictionary_and_no_heading_twice():
    known = fields.default()
    for touchpoint in presets.default().touchpoints.values():
        assert set(touchpoint.fields) <= set(known.fields)
    headings = [fields.plain(heading) for field in known.fields.values() for heading in field.headings]
    assert len(headings) == len(set(headings))
    assert all(
        any(ord(letter) > 0x2E80 for heading in field.headings for letter in heading) for field in known.fields.values()
    )


def test_a_users_own_field_wins():
    own = fields.dictionary({"fields": {"paid": {"kind": "money", "tolerance": 1, "headings": ["备注", "到账"]}}})
    assert verdict(told("paid", {"a": 1250, "b": 1251}, fields=own), "paid") == "compatible"
    found = own.heading("备注")
    assert found is not None and found.name == "paid"


@pytest.mark.parametrize(
    ("mapping", "hint"),
    [
        ({"fields": {"x": {"kind": "sum"}}}, "quantity"),
        ({"fields": {"x": {"kind": "word"}}}, "status"),
        ({"fields": {"x": {"kind": "money", "tolerance": -1}}}, "0 or more"),
        ({"fields": {"x": {"head": []}}}, "head"),
    ],
)
def test_a_bad_dictionary_is_told(mapping, hint):
    with pytest.raises(UserMistake, match=hint):
        fields.dictionary(mapping)


@pytest.mark.parametrize(
    ("mapping", "hint"),
    [
        ({"presets": {"x": {"touchpoints": ["page", "moon"]}}}, "moon"),
        ({"presets": {"x": {"touchpoints": ["page"]}}}, "fewer than two"),
        ({"touchpoints": {"x": {"field": []}}}, "field"),
    ],
)
def test_a_bad_preset_is_told(mapping, hint):
    with pytest.raises(UserMistake, match=hint):
        presets.directory(mapping)


def test_there_are_presets_of_both_trios():
    known = presets.default()
    assert known.preset("service").touchpoints == ("page", "crm", "wms")
    assert known.preset("supply").touchpoints == ("taobao", "erp", "courier")
    with pytest.raises(UserMistake, match="service, supply"):
        known.preset("moon")
