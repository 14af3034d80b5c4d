"""Deposits that count for more than was paid, against a clerk's reckoning of one order at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.presale.deposits import BOUGHT, KINDS, LEDGER, TERMS, ledger, settle

NOW = datetime(2026, 11, 12, tzinfo=UTC)
MICRO = round(NOW.timestamp() * 1_000_000)
HOUR = timedelta(hours=1)
SINCE, UNTIL = NOW - 4 * HOUR, NOW - HOUR
AT = {"before": SINCE - HOUR, "since": SINCE, "in time": UNTIL - HOUR, "until": UNTIL, "later": NOW + HOUR, "": None}


def term(sku="A", deposit=5_000, worth=10_000, since=SINCE, until=UNTIL, refundable=False):
    return {"sku": sku, "deposit_minor": deposit, "worth_minor": worth, "since": since, "until": until,
            "refundable": refundable}  # fmt: skip


def order(**told):
    usual = dict.fromkeys(BOUGHT) | {"order_no": "1", "sku": "A", "goods_minor": 39_900, "deposit_minor": 5_000}
    return usual | told


def settled(orders, terms=None):
    made = pl.DataFrame(orders, schema=BOUGHT, orient="row")
    return settle(made, pl.DataFrame([term()] if terms is None else terms, schema=TERMS, orient="row"), MICRO)


def clerk(one, terms):
    """What a clerk would write down: state, amounts, findings."""
    own = next((t for t in terms if t["sku"] == one["sku"] and t["sku"]), None)
    own = own or next((t for t in terms if t["sku"] is None), None)
    happened = lambda amount, at: (one[amount] or 0) if one[at] is None or one[at] <= NOW else 0  # noqa: E731
    deposit, balance = happened("deposit_minor", "deposit_at"), happened("balance_minor", "balance_at")
    refunded = happened("refunded_minor", "refunded_at")
    price = (one["goods_minor"] or 0) + (one["freight_minor"] or 0) - (one["discount_minor"] or 0)
    pieces = one["quantity"] or 1
    worth = deposit
    if own and deposit and deposit >= own["deposit_minor"] * pieces:
        worth = own["worth_minor"] * pieces + deposit - own["deposit_minor"] * pieces
    counted = max(min(worth, price), deposit)
    due = max(price - counted, 0)
    back = own is None or own["refundable"]
    over = own is not None and own["until"] is not None and own["until"] <= NOW
    if deposit + balance == 0:
        state = "not_begun"
    elif balance >= due:
        state = "settled"
    elif one["shop_fault"]:
        state = "called_off"
    else:
        state = "lapsed" if over else "waiting"
    money = {"revenue": 0, "forfeited": 0, "owed_back": 0, "held": 0}
    left = deposit + balance - refunded
    if state == "settled":
        money["revenue"] = left
    elif state == "called_off" or (state == "lapsed" and back):
        money["owed_back"] = max(left, 0)
        money["held"] = min(left, 0)
    elif state == "lapsed":
        money["forfeited"] = min(deposit, max(left, 0))
        money["owed_back"] = max(balance - refunded, 0)
        money["held"] = left - money["forfeited"] - money["owed_back"]
    else:
        money["held"] = left
    return state, {"price": price, "deposit": deposit, "worth": worth, "inflation": counted - deposit, "due": due,
                   "balance": balance, "open": price - counted - balance, "refunded": refunded, **money}  # fmt: skip


cents = st.sampled_from([0, 1, 4_999, 5_000, 5_001, 10_000, 29_900, 39_900])
instants = st.sampled_from([*AT.values()])
orders = st.fixed_dictionaries(
    {
        "order_no": st.just("1"), "sku": st.sampled_from(["A", "B", "C"]), "quantity": st.sampled_from([None, 1, 2]),
        "goods_minor": cents, "freight_minor": st.sampled_from([None, 600]),
        "discount_minor": st.sampled_from([None, 500]), "deposit_minor": cents | st.none(), "deposit_at": instants,
        "balance_minor": cents | st.none(), "balance_at": instants, "refunded_minor": cents | st.none(),
        "refunded_at": instants, "shop_fault": st.sampled_from([None, True, False]),
        "told_worth_minor": st.none() | cents, "told_due_minor": st.none() | cents,
        "told_paid_minor": st.none() | cents,
    }
)  # fmt: skip
terms_lists = st.lists(
    st.builds(term, st.sampled_from(["A", "B", None]), st.sampled_from([5_000, 3_333]),
              st.sampled_from([10_000, 6_667, 50_000]), st.sampled_from([SINCE, None]),
              st.sampled_from([UNTIL, NOW + HOUR, None]), st.booleans()),
    max_size=3, unique_by=lambda each: each["sku"],
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(orders, min_size=1, max_size=5), terms_lists)
def test_every_order_is_reckoned_as_a_clerk_would(told, terms):
    numbered = [one | {"order_no": str(place)} for place, one in enumerate(told)]
    found, _ = settled(numbered, terms)
    for row, one in zip(found.iter_rows(named=True), numbered, strict=True):
        state, amounts = clerk(one, terms)
        assert row == {"order_no": one["order_no"], "state": state, **{f"{k}_minor": v for k, v in amounts.items()}}


@settings(max_examples=200)
@given(st.lists(orders, min_size=1, max_size=5), terms_lists)
def test_both_books_of_every_order_sum_to_nothing(told, terms):
    found, _ = settled([one | {"order_no": str(place)} for place, one in enumerate(told)], terms)
    books = ledger(found)
    assert books.schema == LEDGER
    sums = books.group_by("order_no", "book").agg(pl.col("amount_minor").sum())["amount_minor"]
    assert set(sums) <= {0}
    received = books.filter(pl.col("account") == "received")["amount_minor"].sum()
    assert received == (found["deposit_minor"] + found["balance_minor"]).sum()


def test_fifty_counts_as_a_hundred():
    done = order(balance_minor=29_900, balance_at=AT["in time"], told_due_minor=29_900, told_worth_minor=10_000)
    found, findings = settled([done])
    row = found.row(0, named=True)
    assert (row["state"], row["inflation_minor"], row["due_minor"], row["open_minor"]) == ("settled", 5_000, 29_900, 0)
    assert row["revenue_minor"] == 34_900 and findings.is_empty()


@pytest.mark.parametrize(
    ("told", "terms", "found"),
    [
        ({"sku": "Z"}, {}, ["no_terms"]),
        ({"deposit_minor": 4_999}, {"until": None}, ["deposit_differs"]),
        ({"goods_minor": 9_000}, {}, ["worth_exceeds_price"]),
        ({"told_worth_minor": 9_999}, {"until": None}, ["worth_differs"]),
        ({"told_due_minor": 34_900}, {"until": None}, ["due_differs"]),
        ({"balance_minor": 34_900, "balance_at": AT["in time"]}, {}, ["balance_differs"]),
        ({"told_paid_minor": 10_000}, {"until": None}, ["paid_differs"]),
        ({"deposit_minor": None, "balance_minor": 39_900, "balance_at": SINCE}, {}, ["balance_without_deposit"]),
        ({"balance_minor": 29_900, "balance_at": AT["before"]}, {}, ["early_balance"]),
        ({"balance_minor": 29_900, "balance_at": AT["since"]}, {}, []),
        ({"balance_minor": 29_900, "balance_at": AT["until"]}, {}, ["late_balance"]),
        ({"balance_minor": 29_900, "balance_at": SINCE, "refunded_minor": 39_900}, {}, ["inflation_refunded"]),
        ({"balance_minor": 29_900, "balance_at": SINCE, "refunded_minor": 34_900}, {}, []),
        ({"balance_minor": 29_900, "balance_at": SINCE, "refunded_minor": 39_901}, {}, ["refund_exceeds_paid"]),
        ({"refunded_minor": 5_000}, {}, ["deposit_refunded"]),
        ({"refunded_minor": 5_000}, {"refundable": True}, []),
        ({}, {"refundable": True}, ["refund_missing"]),
        ({}, {}, []),
        ({"shop_fault": True}, {}, ["refund_missing"]),
        ({"shop_fault": True, "refunded_minor": 5_000}, {}, []),
    ],
)
def test_where_amounts_disagree_it_is_named(told, terms, found):
    assert settled([order(**told)], [term(**terms)])[1]["finding"].to_list() == found


def test_every_kind_of_finding_is_shown_above():
    cases = test_where_amounts_disagree_it_is_named.pytestmark[0].args[1]
    assert {kind for *_, found in cases for kind in found} == KINDS.keys()


def test_a_deposit_that_lapses_stays_where_the_terms_say_so():
    kept, back = (settled([order()], [term(refundable=yes)])[0].row(0, named=True) for yes in (False, True))
    assert (kept["state"], kept["forfeited_minor"], kept["owed_back_minor"]) == ("lapsed", 5_000, 0)
    assert (back["state"], back["forfeited_minor"], back["owed_back_minor"]) == ("lapsed", 0, 5_000)
