"""Gifts with quotas: in all, a day, for each buyer; checked against plain counting."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core import i18n
from orderhub_core.rules import speeds
from orderhub_core.rules.ledger import breaks
from orderhub_core.rules.quotas import CLAIMS, QUOTAS, USED, Granted, grant, used_after
from orderhub_core.rules.shortages import findings, refusals

ZONE = "Asia/Shanghai"
START = datetime(2026, 3, 1, 15, 50, tzinfo=UTC)
RULES = ("bib", "socks")


class Claim(NamedTuple):
    order: int
    turn: int
    at: datetime | None
    rule: str
    quantity: int
    buyer: str | None


class Quota(NamedTuple):
    rule: str
    total: int | None = None
    per_day: int | None = None
    per_buyer: int | None = None


def frame(claims: list[Claim]) -> pl.DataFrame:
    return pl.DataFrame(claims, schema=CLAIMS, orient="row")


def granted(
    claims: list[Claim],
    quotas: list[Quota],
    used: pl.DataFrame | None = None,
    run: speeds.Run = speeds.plain,
) -> Granted:
    before = pl.DataFrame(schema=USED) if used is None else used
    return grant(frame(claims), pl.DataFrame(quotas, schema=QUOTAS, orient="row"), before, zone=ZONE, run=run)


def counted(claims: list[Claim], quotas: list[Quota]) -> dict[tuple[int, str], bool]:
    """By adding up what each has had before."""
    limits = {rule: least([quota for quota in quotas if quota.rule == rule]) for rule in RULES}
    had: Counter[tuple[str, object]] = Counter()
    answers = {}
    paid = [(claim.turn, claim.at, claim.order, claim) for claim in claims if claim.at is not None]
    for _, at, _, claim in sorted(paid):
        quota = limits[claim.rule]
        day = at.astimezone(ZoneInfo(ZONE)).date()
        whose = ("buyer", claim.buyer) if claim.buyer else ("order", claim.order)
        shares = [("all", quota.total), (day, quota.per_day), (whose, quota.per_buyer)]
        fits = all(limit is None or had[claim.rule, key] + claim.quantity <= limit for key, limit in shares)
        answers[claim.order, claim.rule] = fits
        for key, _ in shares:
            had[claim.rule, key] += claim.quantity * fits
    return answers


def least(quotas: list[Quota]) -> Quota:
    """Of several for one rule."""
    each = zip(*(quota[1:] for quota in quotas), strict=True)
    told = [min((limit for limit in limits if limit is not None), default=None) for limits in each]
    return Quota("", *told)


LIMIT = st.none() | st.integers(1, 6)
CLAIM = st.builds(
    Claim,
    st.integers(1, 30),
    st.just(0),
    st.none() | st.integers(0, 20).map(lambda minutes: START + timedelta(minutes=minutes)),
    st.sampled_from(RULES),
    st.integers(1, 3),
    st.sampled_from(["ann", "bo", "cy", None]),
)
CLAIMS_OF_ORDERS = st.lists(CLAIM, max_size=16, unique_by=lambda claim: claim.order)
SOME_QUOTAS = st.lists(st.builds(Quota, st.sampled_from(RULES), LIMIT, LIMIT, LIMIT), max_size=3)


@given(CLAIMS_OF_ORDERS, SOME_QUOTAS)
@settings(deadline=None, max_examples=100)
def test_a_gift_is_granted_while_each_of_its_quotas_lasts(claims: list[Claim], quotas: list[Quota]) -> None:
    outcome = granted(claims, quotas)
    told = {(order, rule): yes for order, rule, _, yes in outcome.grants.rows()}
    assert told == counted(claims, quotas)
    refused = {(row[0], row[1]) for row in outcome.refusals.rows()}
    assert refused == {claim for claim, yes in told.items() if not yes}
    assert all(left < asked for *_, left, asked, _ in outcome.refusals.rows())
    assert breaks(outcome.ledger).is_empty()


@given(CLAIMS_OF_ORDERS, SOME_QUOTAS, st.integers(0, 16))
@settings(deadline=None, max_examples=60)
def test_batches_go_on_from_what_was_granted(claims: list[Claim], quotas: list[Quota], cut: int) -> None:
    stream = sorted(claims, key=lambda claim: (claim.at or START, claim.order))
    first = granted(stream[:cut], quotas)
    second = granted(stream[cut:], quotas, used_after(pl.DataFrame(schema=USED), first.ledger))
    for whole, *parts in zip(granted(claims, quotas)[:3], first[:3], second[:3], strict=True):
        assert whole.equals(pl.concat(parts))


def test_machine_code_grants_as_plain_python_does() -> None:
    claims = [Claim(number, 0, START, "bib", 1 + number % 2, f"b{number % 3}") for number in range(1, 20)]
    quotas = [Quota("bib", total=12, per_buyer=5)]
    for one, other in zip(granted(claims, quotas), granted(claims, quotas, run=speeds.compiled()), strict=True):
        assert one.equals(other)


def test_a_refusal_names_every_quota_that_was_short() -> None:
    claims = [Claim(1, 0, START, "bib", 2, "ann"), Claim(2, 0, START + timedelta(minutes=1), "bib", 2, "ann")]
    outcome = granted(claims, [Quota("bib", total=3, per_buyer=2)])
    told = refusals(outcome.refusals, i18n.translator("en")).rows()
    assert told == [
        (2, "bib", "of 3 in all 1 are left, 2 asked; of 2 for this buyer 0 are left, 2 asked"),
    ]


def test_each_of_many_orders_is_told_why_its_gift_was_refused() -> None:
    claims = [Claim(number, 0, START + timedelta(minutes=number), "bib", 2, "ann") for number in range(1, 6)]
    outcome = granted(claims, [Quota("bib", total=5)])
    told = refusals(outcome.refusals, i18n.translator("en")).rows()
    assert told == [(number, "bib", "of 5 in all 1 are left, 2 asked") for number in (3, 4, 5)]


def test_a_day_ends_at_midnight_where_the_shop_is() -> None:
    before, after = START + timedelta(minutes=9), START + timedelta(minutes=10)
    claims = [
        Claim(1, 0, before, "bib", 1, "ann"),
        Claim(2, 0, before, "bib", 1, "bo"),
        Claim(3, 0, after, "bib", 1, "cy"),
    ]
    outcome = granted(claims, [Quota("bib", per_day=1)])
    assert [yes for *_, yes in outcome.grants.rows()] == [True, False, True]
    assert outcome.ledger["subject"].to_list() == ["day 2026-03-01", "day 2026-03-02"]


def test_late_news_takes_what_is_left_when_it_comes() -> None:
    early, late = Claim(1, 1, START, "bib", 1, "ann"), Claim(2, 0, START + timedelta(minutes=5), "bib", 1, "bo")
    outcome = granted([early, late], [Quota("bib", total=1)])
    assert {order: yes for order, _, _, yes in outcome.grants.rows()} == {2: True, 1: False}


def test_who_has_not_paid_waits_and_uses_none_and_the_lesser_of_two_quotas_holds() -> None:
    claims = [Claim(number, 0, at, "bib", 1, None) for number, at in ((1, START), (2, None), (3, START))]
    outcome = granted(claims, [Quota("bib", total=9), Quota("bib", total=1, per_day=5)])
    assert [(order, yes) for order, _, _, yes in outcome.grants.rows()] == [(1, True), (3, False)]
    assert findings(outcome.findings, i18n.translator("en")) == [
        "Order 2 has no instant of payment, so it has no turn and waits.",
        "The quotas of bib are stated twice; of each the lesser counts. Send one row.",
    ]
