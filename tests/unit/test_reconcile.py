"""Every cent of the gap has one cause: random ledgers against the law read aloud, order by order, in plain Python."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.audit.reconcile import texts
from orderhub_core.audit.reconcile.causes import GROUPS, Cause
from orderhub_core.audit.reconcile.conflicts import Conflict
from orderhub_core.audit.reconcile.fees import Fee, Suggestion, dictionary, plain
from orderhub_core.audit.reconcile.ledgers import FEES, Ledgers, Source, entries
from orderhub_core.audit.reconcile.period import Period, days, month, months, whole
from orderhub_core.audit.reconcile.result import Allowed, Reconciliation, reconcile
from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT
from orderhub_core.i18n import translator

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
PERIOD = month("2026-11", "Asia/Shanghai")
AS_OF = PERIOD.start + 20 * DAY
Row = dict[str, Any]
Book = dict[str, list[Row]]


def ledgers(book: Book) -> Ledgers:
    def frame(rows: list[Row]) -> pl.DataFrame:
        columns = {
            "shop": pl.String, "order_no": pl.String, "ref": pl.String, "amount_minor": pl.Int64, "currency": pl.String,
            "at": pl.Int64, "reviewed_at": pl.Int64, "confirmed_at": pl.Int64, "freight_minor": pl.Int64,
            "discount_minor": pl.Int64, "status": pl.String, "problem": pl.String, "row_no": pl.Int64,
        }  # fmt: skip
        made = pl.DataFrame([{"shop": "s", **row} for row in rows], schema=columns)
        return entries(made.with_columns(pl.col("at", "reviewed_at", "confirmed_at").cast(INSTANT)))

    return Ledgers({Source(name): frame(rows) for name, rows in book.items()})


def solve(book: Book, period: Period = PERIOD, **allowed: int) -> Reconciliation:
    return reconcile(ledgers(book), period, as_of=AS_OF, allowed=Allowed(**allowed))


def parts(found: Reconciliation) -> dict[str, dict[str, int]]:
    said: dict[str, dict[str, int]] = defaultdict(dict)
    for order_no, cause, part in found.parts.select("order_no", "cause", "part_minor").iter_rows():
        said[order_no][cause] = part
    return dict(said)


# -- the law, read aloud


def money(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.get("amount_minor") is not None and row.get("at") and not row.get("problem")
            and row.get("currency", "") in ("", "CNY")]  # fmt: skip


def once(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """The rows, and those that repeat an earlier one."""
    first, again, seen = [], [], set()
    for row in rows:
        key = tuple(str(row.get(name)) for name in ("ref", "amount_minor", "at", "currency"))
        (again if key in seen else first).append(row)
        seen.add(key)
    return first, again


def total(rows: list[Row]) -> int:
    return sum(row["amount_minor"] for row in rows)


def within(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.get("at") and PERIOD.start <= row["at"] < PERIOD.end]


def read_aloud(paid: list[Row], refunds: list[Row], erp: list[Row], courier: list[Row], any_courier: bool) -> Iterator[
    tuple[str, int]
]:  # fmt: skip
    ledger, again = zip(*(once(rows) for rows in (paid, refunds, erp)), strict=True)
    p, r, o = (money(rows) for rows in ledger)
    twice = [total(within(money(rows))) for rows in again]
    yield "duplicate", twice[0] - twice[1] - twice[2]
    yield "paid_elsewhere", total(within(p)) - total(p)
    yield "refunded_elsewhere", total(r) - total(within(r))
    yield "shipped_elsewhere", total(o) - total(within(o))
    left = total(p) - total(r) - total(o)
    everything = [*paid, *refunds, *erp]
    if any(row.get("problem") == "time" for row in everything):
        yield "unreadable_time", left
    elif any(row.get("problem") == "amount" for row in everything):
        yield "unreadable_amount", left
    elif any(row.get("currency", "") not in ("", "CNY") for row in everything):
        yield "currency_differs", left
    elif not paid:
        yield "unknown_to_platform" if erp else "refund_without_order", left
    elif not o:
        yield from nothing_went_out(paid, p, r, erp)
    else:
        yield from something_went_out(p, r, o, erp, courier, any_courier, paid)


def nothing_went_out(paid: list[Row], p: list[Row], r: list[Row], erp: list[Row]) -> Iterator[tuple[str, int]]:
    owed = total(p) - total(r)
    if owed < 0:
        yield "refund_exceeds_paid", owed
    elif owed == 0:
        yield ("refunded_before_shipping" if p and total(p) else "balanced"), 0
    elif min(row["at"] for row in paid if row.get("at")) >= AS_OF - 48 * HOUR:
        yield "not_shipped_yet", owed
    else:
        yield "past_ship_time" if erp else "no_erp_order", owed


def something_went_out(
    p: list[Row], r: list[Row], o: list[Row], erp: list[Row], courier: list[Row], any_courier: bool, paid: list[Row]
) -> Iterator[tuple[str, int]]:
    gone = min(row["at"] for row in o)
    yield "refund_exceeds_paid", min(0, total(p) - total(r))
    kept = max(0, total(p) - total(r))
    too_much = max(0, total(o) - kept)
    explained = min(too_much, total(r), total(p))
    late = min(explained, total([row for row in r if row["at"] >= gone]))
    lost = any(row.get("status") == "lost" for row in courier)
    scanned = any(row.get("at") or row.get("status") in ("delivered", "returned") for row in courier)
    yield "lost_parcel" if lost else "refunded_after_shipping" if scanned or not any_courier else "not_collected", -late
    yield "shipped_after_refund", late - explained
    rest = kept - total(o) + explained
    freight, discount = paid[0].get("freight_minor"), paid[0].get("discount_minor")
    if total(p) == 0:
        yield "paid_later" if any(row.get("status") == "deferred" for row in paid) else "shipped_unpaid", rest
    elif rest > 0 and any(not row.get("at") for row in erp):
        yield "partly_shipped", rest
    elif abs(rest) <= 99:
        yield "rounding", rest
    elif abs(rest) == freight:
        yield "freight", rest
    elif abs(rest) == discount:
        yield "discount", rest
    else:
        yield "amount_differs", rest


# -- random ledgers

SUMS = st.sampled_from([0, 1, 50, 600, 1_000, 9_900, 10_000, 10_050, 10_600, 20_000])
TIMES = st.none() | st.sampled_from(
    [PERIOD.start - 1, PERIOD.start, AS_OF - 49 * HOUR, AS_OF - 48 * HOUR, AS_OF - 1, PERIOD.end - 1, PERIOD.end]
)
ENTRY = st.fixed_dictionaries(
    {"amount_minor": SUMS, "at": TIMES, "ref": st.sampled_from(["", "", "x"])},
    optional={
        "currency": st.sampled_from(["CNY", "CNY", "CNY", "USD"]),
        "status": st.just("deferred"),
    },
)


@st.composite
def row(draw: Any) -> Row:
    entry: Row = draw(ENTRY)
    trouble = draw(st.integers(0, 19))
    if trouble == 0 and entry["at"]:
        return {**entry, "amount_minor": None, "problem": "amount"}
    return {**entry, "at": None, "problem": "time"} if trouble == 1 else entry


SCAN = st.fixed_dictionaries({"at": TIMES, "status": st.sampled_from(["labelled", "collected", "lost"])})
EXTRAS = st.fixed_dictionaries({"freight_minor": st.sampled_from([None, 600]), "discount_minor": st.just(1_000)})


@st.composite
def books(draw: Any) -> Book:
    book: Book = {"platform": [], "erp": [], "refunds": [], "courier": []}
    for number in range(draw(st.integers(0, 6))):
        extras = draw(EXTRAS)
        for name in ("platform", "erp", "refunds"):
            found = draw(st.lists(row(), max_size=3))
            book[name] += [{**entry, "order_no": f"o{number}", **(extras if name == "platform" else {})}
                           for entry in found]  # fmt: skip
        book["courier"] += [{**scan, "order_no": f"o{number}"} for scan in draw(st.lists(SCAN, max_size=1))]
    return book


def of(book: Book, name: str, order_no: str) -> list[Row]:
    return [entry for entry in book[name] if entry["order_no"] == order_no]


@settings(max_examples=400)
@given(books())
def test_the_parts_are_what_the_law_says_and_sum_to_the_gap(book: Book) -> None:
    found = solve(book)
    said = parts(found)
    gap = {"platform": 0, "refunds": 0, "erp": 0}
    for name in gap:
        gap[name] = total(within(money(book[name])))
    assert found.totals.paid_minor == gap["platform"]
    assert found.totals.refunded_minor == gap["refunds"]
    assert found.totals.outbound_minor == gap["erp"]
    assert found.totals.gap_minor == gap["platform"] - gap["refunds"] - gap["erp"]
    assert sum(found.parts["part_minor"]) == found.totals.gap_minor
    assert found.steps()["to_minor"].to_list()[-1] == found.totals.outbound_minor
    for order_no in {entry["order_no"] for name in gap for entry in book[name]}:
        rows = [of(book, name, order_no) for name in ("platform", "refunds", "erp", "courier")]
        touched = any(within(some) or any(entry.get("problem") == "time" for entry in some) for some in rows[:3])
        expected: dict[str, int] = defaultdict(int)
        for cause, part in read_aloud(*rows, any_courier=bool(book["courier"])):
            expected[cause] += part
        mine = {cause: part for cause, part in said.get(order_no, {}).items() if part}
        assert mine == ({cause: part for cause, part in expected.items() if part} if touched else {})
        assert (order_no in said) == touched


@given(books())
def test_two_halves_of_a_period_add_up_to_the_whole(book: Book) -> None:
    middle = days(PERIOD.first, PERIOD.first.replace(day=15), PERIOD.zone)
    rest = days(PERIOD.first.replace(day=16), PERIOD.last, PERIOD.zone)
    halves = [solve(book, half).totals.gap_minor for half in (middle, rest)]
    assert sum(halves) == solve(book).totals.gap_minor


@given(books(), st.randoms())
def test_the_order_of_rows_does_not_matter(book: Book, dice: Any) -> None:
    before = parts(solve(book))
    for rows in book.values():
        dice.shuffle(rows)
    assert parts(solve(book)) == before


@given(books())
def test_every_part_leads_to_its_orders(book: Book) -> None:
    found = solve(book)
    for cause, orders, part in found.by_cause().select("cause", "orders", "part_minor").iter_rows():
        rows = found.of_cause(cause)
        assert (rows.height, rows["part_minor"].sum()) == (orders, part)


# -- single stories


def entry(amount: int | None, at: int | None, **more: Any) -> Row:
    return {"order_no": "a", "amount_minor": amount, "at": at, **more}


T0 = PERIOD.start + 5 * DAY
P = [entry(10_000, T0)]
STORIES: dict[str, Book] = {
    "balanced": {"platform": P, "erp": [entry(10_000, T0 + DAY)]},
    "refunded_before_shipping": {"platform": P, "erp": [entry(None, None)], "refunds": [entry(10_000, T0 + HOUR)]},
    "not_shipped_yet": {"platform": [entry(10_000, AS_OF - HOUR)], "erp": []},
    "past_ship_time": {"platform": P, "erp": [entry(10_000, None)]},
    "no_erp_order": {"platform": P, "erp": []},
    "partly_shipped": {"platform": P, "erp": [entry(4_000, T0 + DAY), entry(6_000, None)]},
    "refunded_after_shipping": {
        "platform": P, "erp": [entry(10_000, T0 + DAY)], "refunds": [entry(10_000, T0 + 3 * DAY)],
    },
    "shipped_after_refund": {"platform": P, "erp": [entry(10_000, T0 + DAY)], "refunds": [entry(10_000, T0 + HOUR)]},
    "shipped_unpaid": {"platform": [entry(10_000, None)], "erp": [entry(10_000, T0 + DAY)]},
    "paid_later": {"platform": [entry(10_000, None, status="deferred")], "erp": [entry(10_000, T0 + DAY)]},
    "unknown_to_platform": {"platform": [], "erp": [entry(10_000, T0)]},
    "refund_without_order": {"platform": [], "erp": [], "refunds": [entry(500, T0)]},
    "refund_exceeds_paid": {"platform": P, "erp": [], "refunds": [entry(12_000, T0)]},
    "freight": {"platform": [entry(10_600, T0, freight_minor=600)], "erp": [entry(10_000, T0 + DAY)]},
    "discount": {"platform": [entry(9_000, T0, discount_minor=1_000)], "erp": [entry(10_000, T0 + DAY)]},
    "rounding": {"platform": P, "erp": [entry(10_003, T0 + DAY)]},
    "amount_differs": {"platform": P, "erp": [entry(8_765, T0 + DAY)]},
    "currency_differs": {"platform": P, "erp": [entry(1_400, T0 + DAY, currency="USD")]},
    "duplicate": {"platform": [*P, *P], "erp": [entry(10_000, T0 + DAY)]},
    "shipped_elsewhere": {"platform": P, "erp": [entry(10_000, PERIOD.end)]},
    "paid_elsewhere": {"platform": [entry(10_000, PERIOD.start - 1)], "erp": [entry(10_000, PERIOD.start)]},
    "refunded_elsewhere": {"platform": P, "erp": [], "refunds": [entry(10_000, PERIOD.end)]},
    "unreadable_amount": {"platform": P, "erp": [entry(None, T0 + DAY, problem="amount")]},
    "unreadable_time": {"platform": P, "erp": [entry(10_000, None, problem="time")]},
    "lost_parcel": {
        "platform": P, "erp": [entry(10_000, T0 + DAY)], "refunds": [entry(10_000, T0 + 3 * DAY)],
        "courier": [entry(None, T0 + DAY + HOUR, status="lost")],
    },
    "not_collected": {
        "platform": P, "erp": [entry(10_000, T0 + DAY)], "refunds": [entry(10_000, T0 + 3 * DAY)],
        "courier": [entry(None, None, status="labelled")],
    },
}  # fmt: skip


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_has_a_story(cause: Cause) -> None:
    assert list(parts(solve(STORIES[cause]))["a"]) == [cause]


@pytest.mark.parametrize(("minor", "cause"), [(1, "rounding"), (-99, "rounding"), (100, "amount_differs")])
def test_rounding_ends_below_one_yuan(minor: int, cause: str) -> None:
    book: Book = {"platform": P, "erp": [entry(10_000 - minor, T0 + DAY)]}
    assert parts(solve(book)) == {"a": {cause: minor}}


def test_every_cause_has_a_name_an_advice_and_a_kind() -> None:
    assert set(texts.CAUSES) == set(texts.ADVICE) == set(GROUPS) == set(Cause)
    assert set(texts.CONFLICTS) == set(texts.CONFLICT_ADVICE) == set(Conflict)


def test_a_ledger_that_names_no_shop_is_matched_by_number() -> None:
    book: Book = {"platform": P, "erp": [entry(10_000, T0 + DAY, shop="")]}
    found = solve(book)
    assert parts(found) == {"a": {"balanced": 0}}
    assert found.orders["shop"].to_list() == ["s"]


def test_two_shops_may_use_one_number() -> None:
    book: Book = {
        "platform": [entry(100, T0), entry(300, T0, shop="t")],
        "erp": [entry(100, T0 + 1), entry(200, T0 + 1, shop="t")],
    }
    found = solve(book, rounding_minor=0)
    assert found.parts.rows() == [("s", "a", "balanced", 0), ("t", "a", "amount_differs", 100)]


@pytest.mark.parametrize(
    ("conflict", "book"),
    {
        "reviewed_late": {"platform": P, "erp": [entry(10_000, T0 + DAY, reviewed_at=T0 + 31 * MINUTE)]},
        "reviewed_before_paid": {"platform": P, "erp": [entry(10_000, T0 + DAY, reviewed_at=T0 - 31 * MINUTE)]},
        "shipped_before_paid": {"platform": P, "erp": [entry(10_000, T0 - 1)]},
        "lost": {"platform": P, "erp": [entry(10_000, T0 + DAY)], "courier": [entry(None, T0 + DAY, status="lost")]},
        "no_scan": {
            "platform": P,
            "erp": [entry(10_000, AS_OF - 48 * HOUR - 1)],
            "courier": [entry(None, None, status="labelled")],
        },
        "scanned_not_shipped": {
            "platform": P,
            "erp": [entry(10_000, None)],
            "courier": [entry(None, T0 + DAY, status="collected")],
        },
    }.items(),
)
def test_each_conflict_has_a_story(conflict: str, book: Book) -> None:
    assert solve(book).conflicts["conflict"].to_list() == [conflict]


def test_what_is_paid_on_delivery_is_rightly_reviewed_and_shipped_before() -> None:
    paid = [entry(10_000, T0 + 3 * DAY, status="deferred")]
    book: Book = {"platform": paid, "erp": [entry(10_000, T0 + DAY, reviewed_at=T0)]}
    assert (parts(solve(book)), solve(book).conflicts.height) == ({"a": {"balanced": 0}}, 0)


@pytest.mark.parametrize("minutes", [-30, 0, 30])
def test_half_an_hour_between_payment_and_review_is_in_order(minutes: int) -> None:
    book: Book = {"platform": P, "erp": [entry(10_000, T0 + DAY, reviewed_at=T0 + minutes * MINUTE)]}
    assert solve(book).conflicts.height == 0


def test_a_parcel_on_time_or_a_shop_without_courier_is_no_conflict() -> None:
    fresh: Book = {"platform": P, "erp": [entry(1, AS_OF - HOUR)], "courier": [entry(None, None, status="labelled")]}
    assert solve(fresh).conflicts.height == 0
    assert solve({"platform": P, "erp": [entry(10_000, T0 + DAY)]}).conflicts.height == 0


@pytest.mark.parametrize(
    ("platform", "courier"),
    [
        ([entry(10_000, T0, confirmed_at=T0 + 3 * DAY)], []),
        (P, [entry(None, None, status="delivered")]),
        (P, [entry(None, None, status="returned")]),
    ],
    ids=["confirmed by the buyer", "delivered by the courier's word", "came back"],
)
def test_nobody_looks_in_the_warehouse_for_what_has_arrived(platform: list[Row], courier: list[Row]) -> None:
    gone, other = [entry(10_000, T0 + DAY)], entry(None, T0 + DAY, order_no="other", status="collected")
    book: Book = {"platform": platform, "erp": gone, "courier": [*courier, other]}
    assert "no_scan" not in solve(book).conflicts["conflict"].to_list()
    back: Book = book | {"refunds": [entry(10_000, T0 + 4 * DAY)]}
    assert parts(solve(back))["a"] == {"refunded_after_shipping": -10_000}


# -- fees


def with_fees(rows: list[tuple[str, str, int]], paid: dict[str, int]) -> Reconciliation:
    """`rows`: order, column, amount."""
    line = {no: number for number, no in enumerate(paid, 2)}
    known = ledgers({"platform": [entry(amount, T0, order_no=no, row_no=line[no]) for no, amount in paid.items()]})
    fees = pl.DataFrame([(line[no], *fee) for no, *fee in rows], schema=FEES, orient="row")
    return reconcile(Ledgers(known.entries, fees), PERIOD, as_of=AS_OF)


def test_three_platforms_words_are_one_cost() -> None:
    rows = [("a", "达人佣金", 100), ("b", "推广服务费", 200), ("c", "分销返点", 300), ("c", "技术服务费", 7)]
    found = with_fees(rows, {"a": 10_000, "b": 10_000, "c": 10_000})
    (channel,) = found.channels.to_dicts()
    assert (channel["channel_cost_minor"], channel["platform_fee_minor"]) == (600, 7)
    assert channel["net_minor"] == 30_000 - 607
    assert found.unknown_fees == []


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([None, *(PERIOD.start + day * DAY for day in (-1, 0, 14, 15, 29, 30))]),
        st.integers(0, 9_999),
        st.sampled_from(["", "CNY", "USD"]),
        st.integers(-99, 999),
    ),
    min_size=1,
    max_size=8,
)


@given(ROWS)
def test_the_channels_of_two_halves_sum_to_those_of_the_whole(rows: list[Any]) -> None:
    paid, out = [], []
    for row_no, (no, at, amount, currency, _) in enumerate(rows, 2):
        paid.append(entry(amount, at, order_no=no, currency=currency, row_no=row_no, ref=str(row_no)))
        out.append(entry(amount, PERIOD.start + 29 * DAY, order_no=no))
    fees = pl.DataFrame([(n, "达人佣金", row[-1]) for n, row in enumerate(rows, 2)], schema=FEES, orient="row")
    books = Ledgers(ledgers({"platform": paid, "erp": out}).entries, fees)
    halves = [days(date(2026, 11, first), date(2026, 11, last), PERIOD.zone) for first, last in ((1, 15), (16, 30))]
    sums = [
        reconcile(books, period, as_of=AS_OF).channels.select("paid_minor", "channel_cost_minor", "net_minor").sum()
        for period in (*halves, PERIOD)
    ]
    assert (pl.concat(sums[:2]).sum()).equals(sums[2])
    home = [row for row in rows if row[3] != "USD" and row[1] and PERIOD.start <= row[1] < PERIOD.end]
    assert sums[2].row(0)[:2] == (sum(row[2] for row in home), sum(row[4] for row in home))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_the_line_to_confirm_a_fee_can_be_pasted_whatever_the_heading(heading: str) -> None:
    line = Suggestion(heading, 1, 1, None, None, None).line
    assert tomllib.loads(line) == {heading: "none"}


def test_an_unknown_fee_that_follows_the_amount_is_suggested_never_counted() -> None:
    paid = {f"o{n}": 5_000 + 731 * n for n in range(12)}
    found = with_fees([(no, "直播坑位费", amount // 40) for no, amount in paid.items()], paid)
    (fee,) = found.unknown_fees
    assert (fee.suggested, fee.line) == (Fee.CHANNEL_COST, '"直播坑位费" = "channel_cost"')
    assert found.channels["channel_cost_minor"].to_list() == [0]
    assert found.findings["finding"].to_list() == ["unknown_fee"]


@pytest.mark.parametrize(
    ("why", "fee"),
    {
        "too large": lambda n, amount: amount // 10,
        "the same for all": lambda n, amount: 100,
        "falls with the amount": lambda n, amount: 400 - 9 * n,
        "by chance": lambda n, amount: (7 * n * n + 3 * n) % 13 + 1,
    }.items(),
)
def test_what_does_not_look_like_a_channel_s_cost_is_told_without_a_suggestion(why: str, fee: Any) -> None:
    paid = {f"o{n}": 50_000 + 731 * n for n in range(30)}
    found = with_fees([(no, "x", fee(n, paid[no])) for n, no in enumerate(paid)], paid)
    assert [fee.suggested for fee in found.unknown_fees] == [None], why


def test_the_dictionary_is_the_users_to_write() -> None:
    own = dictionary({"fees": {" 直播坑位费：": "channel_cost", "达人佣金": "none"}})
    assert (own[plain("直播坑位费")], own[plain("达人佣金")]) == (Fee.CHANNEL_COST, Fee.NONE)
    with pytest.raises(UserMistake, match="channel_cost"):
        dictionary({"fees": {"x": "cost"}})


# -- periods


def test_a_day_is_the_business_s_own() -> None:
    day = month("2026-11-01", "Asia/Shanghai")
    assert day.end - day.start == DAY
    assert (pl.Series([day.start]).cast(INSTANT).dt.to_string("%F %T")).to_list() == ["2026-10-31 16:00:00"]
    assert whole(day.start, day.end - 1, day.zone) == day
    assert [span.name for span in months(days(day.first.replace(month=9), day.last, day.zone))] == [
        "2026-11",
        "2026-10",
        "2026-09",
    ]


def test_a_day_of_changing_clocks_is_as_long_as_it_is() -> None:
    day = month("2026-10-25", "Europe/Berlin")
    assert day.end - day.start == 25 * HOUR


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-00", "november", "2026-11-31", ""])
def test_a_period_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserMistake, match="write a month like"):
        month(text, "UTC")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_whole_is_told_in_words(language: str) -> None:
    tr = translator(language)
    found = solve(STORIES["lost_parcel"])
    assert texts.tiles(found, 1, tr)[3][1] == "−100.00"
    assert texts.tiles(found, 1, tr)[4][1::2] == ("100.00", "plain"), "the remark is of what nobody need look at"
    assert texts.causes(found, tr).height == 1
    assert texts.channels(found, tr).height == 1


@given(st.integers(-(10**15), 10**15), st.sampled_from([0, 2, 3]))
def test_an_amount_is_shown_exactly(minor: int, decimals: int) -> None:
    said = texts.amount(minor, decimals).replace(",", "").replace("−", "-")
    assert int(said.replace(".", "")) == minor
    assert len(said.partition(".")[2]) == decimals
