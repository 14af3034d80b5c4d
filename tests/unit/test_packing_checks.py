"""The three checks of parcels with gifts, against a packer's own reading of them, one order after the other."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core import i18n
from orderhub_core.packing import texts
from orderhub_core.packing.checks import LINES, ON_HAND, PARCELS, SCANS, Floor, checks

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
MICRO = round(NOW.timestamp() * 1_000_000)
SKUS = ("A", "B", "G")

orders = st.fixed_dictionaries(
    {
        "warehouse": st.sampled_from(["hz", "gz"]),
        "paid": st.none() | st.integers(0, 3),
        "left_s": st.none() | st.sampled_from([-1, 0, 899, 900, 901]),
        "tracking": st.booleans(),
        "lines": st.lists(st.tuples(st.sampled_from(SKUS), st.integers(1, 3), st.booleans()), max_size=4),
        "scans": st.lists(st.tuples(st.sampled_from([*SKUS, "X", "box", "label"]), st.integers(1, 3)), max_size=5),
    }
)


def floor(told, stock, scanned=True):
    parcels, lines, scans = [], [], []
    for number, order in enumerate(told):
        name, label = f"O{number}", f"T{number}" if order["tracking"] else None
        paid, left = order["paid"], order["left_s"]
        paid_at = None if paid is None else NOW + timedelta(seconds=paid)
        left_at = None if left is None else NOW - timedelta(seconds=left)
        parcels.append((name, order["warehouse"], paid_at, left_at, label, ""))
        lines += [(name, place, sku, n, 1 if gift else None) for place, (sku, n, gift) in enumerate(order["lines"])]
        codes = {"box": name, "label": label}
        scans += [(name, codes.get(code, code), n) for code, n in order["scans"]]
    return Floor(
        pl.DataFrame(parcels, schema=PARCELS, orient="row"),
        pl.DataFrame(lines, schema=LINES, orient="row"),
        None if stock is None else pl.DataFrame([(*key, n) for key, n in stock.items()], schema=ON_HAND, orient="row"),
        pl.DataFrame(scans, schema=SCANS, orient="row") if scanned else None,
    )


def by_hand(told, stock):
    """{(stage, order): verdict, or the faults as (verdict, item, sku, needed, there)}"""
    found = {}
    left = dict(stock)
    turns = sorted(enumerate(told), key=lambda it: (it[1]["paid"] is None, it[1]["paid"] or 0, it[0]))
    for number, order in turns:
        gifts = Counter()
        for sku, n, gift in order["lines"]:
            gifts[sku] += n if gift else 0
        gifts = +gifts
        if order["left_s"] is not None or not gifts:
            continue
        short = [sku for sku in gifts if max(left.get((order["warehouse"], sku), 0), 0) < gifts[sku]]
        found["before_packing", f"O{number}"] = "hold" if short else "go"
        if not short:
            for sku in gifts:
                left[order["warehouse"], sku] -= gifts[sku]
    for number, order in enumerate(told):
        scans = [(code, n) for code, n in order["scans"] if code != "label" or order["tracking"]]
        if scans:
            had = Counter()
            for code, n in scans:
                had[code] += n
            faults = set() if had.pop("box", 0) + had.pop("label", 0) else {("fail", "box", None, 1, 0)}
            for sku in {*had, *(sku for sku, _, _ in order["lines"])}:
                need = sum(n for other, n, _ in order["lines"] if other == sku)
                bought = sum(n for other, n, gift in order["lines"] if other == sku and not gift)
                if had[sku] != need:
                    item = "stranger" if had[sku] > need else "gift" if had[sku] >= bought else "main"
                    faults.add(("fail", item, sku, need, had[sku]))
            if not order["lines"]:
                faults = {("fail", "contents", None, None, None)}
            found["while_packing", f"O{number}"] = faults or "pass"
        if order["left_s"] is not None and order["left_s"] >= 0:
            late = order["left_s"] >= 900
            found["after_shipping", f"O{number}"] = "ok" if order["tracking"] else "alert" if late else "wait"
    return found


def read(table):
    found = {}
    for row in table.iter_rows(named=True):
        key = row["stage"], row["order_no"]
        if row["verdict"] == "fail":
            fault = tuple(row[name] for name in ("verdict", "item", "sku", "needed", "there"))
            found.setdefault(key, set()).add(fault)
        else:
            assert found.setdefault(key, row["verdict"]) == row["verdict"]
    return found


@settings(max_examples=150)
@given(
    st.lists(orders, max_size=6),
    st.dictionaries(st.tuples(st.sampled_from(["hz", "gz"]), st.sampled_from(SKUS)), st.integers(-1, 5)),
)
def test_the_table_says_what_a_packer_would_say(told, stock):
    assert read(checks(floor(told, stock), MICRO)) == by_hand(told, stock)


def one(**told):
    usual = {"warehouse": "hz", "paid": 0, "left_s": None, "tracking": False, "lines": [], "scans": []}
    return usual | told


def test_a_missing_scan_names_the_item_and_whether_it_was_a_gift():
    order = one(lines=[("A", 2, False), ("G", 1, True)], scans=[("A", 1), ("box", 1)])
    table = checks(floor([order], None), MICRO)
    assert table.select("item", "sku", "needed", "there").rows() == [("main", "A", 2, 1), ("gift", "G", 1, 0)]
    assert list(texts.sentences(table, i18n.translator("zh")))[1:] == [
        "  O0：不通过：少了主品 A：需 2 件，扫到 1 件", "  O0：不通过：少了赠品 G：需 1 件，扫到 0 件",
    ]  # fmt: skip


def test_of_a_sku_that_is_bought_and_given_the_gift_is_what_is_missing():
    order = one(lines=[("A", 1, False), ("A", 1, True)], scans=[("A", 1), ("box", 1)])
    assert checks(floor([order], None), MICRO)["item"].to_list() == ["gift"]


@pytest.mark.parametrize(("left_s", "verdict"), [(899, "wait"), (900, "alert"), (901, "alert")])
def test_fifteen_minutes_are_over_to_the_second(left_s, verdict):
    assert checks(floor([one(left_s=left_s)], None, scanned=False), MICRO)["verdict"].to_list() == [verdict]


def test_a_parcel_that_leaves_later_than_now_has_not_left():
    assert checks(floor([one(left_s=-1)], None, scanned=False), MICRO).is_empty()


def test_keepers_are_told_of_their_own_parcels():
    told = floor([one(left_s=1000), one(left_s=1000)], None, scanned=False)
    named = told._replace(parcels=told.parcels.with_columns(keeper=pl.Series(["li", "wang"])))
    alerts = dict(texts.alerts(checks(named, MICRO), i18n.translator("en")))
    assert alerts.keys() == {"li", "wang"} and "O0: alert: no tracking number since" in alerts["li"]
    assert "O1" not in alerts["li"]
