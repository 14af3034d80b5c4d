"""The join: whatever the order, repetition or batching of news, the same order comes out, column by column."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from orderhub_core.fold import Head, Origin, Pseudonymous, fold
from orderhub_core.model import Case, Content, Event, Line, Observation, Parcel, Person
from orderhub_core.stated import PLAIN


def head():
    return Head(1, "shop", "douyin", "A1")


def origin(n=1):
    return Origin("shop", n, 1_000 + n)


def seen(at, total=None, warehouse="", parcels=(), lines=None, **facts):
    content = Content(total_minor=total, warehouse=warehouse, lines=lines) if total or warehouse or lines else None
    return Observation("A1", {Event[name].value: when for name, when in facts.items()}, at, content, parcels)


some = st.none() | st.integers(1, 3)
contents = st.builds(
    Content,
    currency=st.sampled_from(["", "CNY", "USD"]),
    total_minor=some,
    paid_minor=some,
    payment_method=st.sampled_from(["", "alipay", "wechat"]),
    warehouse=st.sampled_from(["", "hangzhou", "chengdu"]),
    promised_at=some,
    province=st.sampled_from(["", "浙江省"]),
    lines=st.none() | st.lists(st.builds(Line, st.integers(1, 2), st.sampled_from("AB")), max_size=2).map(tuple),
)
observations = st.builds(
    Observation,
    st.just("A1"),
    facts=st.dictionaries(st.sampled_from([event.value for event in Event]), st.integers(1, 6), max_size=4),
    at=st.integers(1, 4),
    content=st.none() | contents,
    parcels=st.lists(
        st.builds(Parcel, st.sampled_from(["T1", "T2"]), st.sampled_from(["", "sf", "zto"]), st.booleans()), max_size=2
    ).map(tuple),
    cases=st.lists(
        st.builds(Case, st.sampled_from(["", "C1", "C2"]), st.sampled_from(["", "1"]), st.none() | st.integers(0, 2)),
        max_size=2,
    ).map(tuple),
)
told = st.lists(st.tuples(observations, st.sampled_from([b"", b"x", b"y"])), max_size=6)


@given(told, st.randoms())
def test_order_and_repetition_of_news_never_matter(claims, dice):
    def joined(some_claims):
        one = head()
        for claim, person in some_claims:
            fold(one, claim, origin(), Pseudonymous("buyer" if person else "", person or None))
        return msgspec.structs.asdict(one)

    shuffled = claims + claims[: len(claims) // 2]
    dice.shuffle(shuffled)
    assert joined(shuffled) == joined(claims)


@given(told)
def test_saying_it_again_says_nothing_new(claims):
    one = head()
    for claim, _ in claims:
        fold(one, claim, origin())
    before = msgspec.structs.asdict(one)
    for claim, _ in claims:
        again = fold(one, claim, origin(2))
        assert (again.entries, again.changed, again.lines) == ([], False, None)
    assert msgspec.structs.asdict(one) == before


def test_the_newest_statement_wins_field_by_field():
    for claims in itertools.permutations([seen(1, 100, lines=(Line(1, "S"),)), seen(3, 300), seen(2, warehouse="w")]):
        one = head()
        for claim in claims:
            fold(one, claim, origin())
        assert (one.total_minor, one.warehouse, one.item_count, one.updated_at) == (300, "w", 1, 3)


def test_what_is_not_stated_still_holds():
    one = head()
    fold(one, seen(1, 100, lines=(Line(1, "S", quantity=2),)), origin())
    fold(one, Observation("A1", {}, 2, Content(province="浙江省")), origin())
    assert (one.total_minor, one.item_count, one.province) == (100, 2, "浙江省")


def test_a_change_is_logged_with_both_values():
    one = head()
    fold(one, seen(1, 100, PLACED=1), origin())
    (entry,) = fold(one, seen(2, 250), origin()).entries
    assert entry.event == "order.content"
    assert entry.detail == '{"total_minor":[100,250]}'


def test_a_newer_statement_of_the_same_is_kept_but_is_no_news():
    one = head()
    fold(one, seen(1, 100), origin())
    again = fold(one, seen(5, 100), origin())
    assert (again.entries, again.changed) == ([], True)
    fold(one, seen(3, 999), origin())
    assert one.total_minor == 100


def test_a_second_parcel_is_news_and_the_carrier_comes_later():
    one = head()
    fold(one, seen(1, parcels=(Parcel("T2"),)), origin())
    assert (one.tracking_no, one.carrier) == ("T2", None)
    (entry,) = fold(one, seen(2, parcels=(Parcel("T1", "sf"),)), origin()).entries
    assert "T1" in entry.detail
    fold(one, seen(3, parcels=(Parcel("T2", "zto", True),)), origin())
    assert (one.tracking_no, one.carrier) == ("T1", "sf")
    assert one.parcels == {"T1": ("sf", False), "T2": ("zto", True)}


def test_a_tracking_number_that_comes_later_lets_the_label_count():
    one = head()
    fold(one, seen(1, PLACED=1, PAID=2, LOCKED=3, LABELLED=4), origin())
    assert (one.fulfilment, one.contradictions) == ("locked", 1)
    fold(one, seen(5, parcels=(Parcel("SF1", "sf", True),)), origin())
    assert (one.fulfilment, one.contradictions, one.headline_at) == ("labelled", 0, 4)


def test_an_earlier_instant_of_a_known_fact_corrects_it():
    one = head()
    fold(one, seen(9, PLACED=1, PAID=9), origin())
    (entry,) = fold(one, seen(9, PAID=7), origin()).entries
    assert (one.paid_at, entry.outcome) == (7, "late")


def test_a_second_application_opens_the_case_again():
    one = head()
    for claim in (
        seen(1, PLACED=1, PAID=1, SHIPPED=1),
        seen(2, AFTER_SALE_APPLIED=2),
        seen(3, AFTER_SALE_CLOSED=3),
        seen(4, AFTER_SALE_APPLIED=4),
    ):
        fold(one, claim, origin())
    assert (one.after_sale, one.headline) == ("applied", "after_sale")


def test_an_order_of_which_only_a_parcel_is_known_has_no_time_of_its_own():
    for times in ((1, 2), (2, 1)):
        one = head()
        for at in times:
            fold(one, seen(at, parcels=(Parcel("T1"),)), origin())
        assert one.updated_at is None


def test_the_headline_dwells_from_the_event_that_brought_it():
    one = head()
    fold(one, seen(9, PLACED=1, PAID=2, SHIPPED=5, COLLECTED=6, MOVED=8), origin())
    assert (one.headline, one.headline_at) == ("in_transit", 6)


def test_a_rules_warehouse_is_not_moved_by_the_channel():
    one = head()
    fold(one, seen(1, warehouse="chengdu"), origin())
    fold(one, seen(2, warehouse="hangzhou"), origin())
    assert one.warehouse == "hangzhou"
    one.warehouse, one.warehouse_by = "guangzhou", "rule"
    fold(one, seen(3, warehouse="chengdu"), origin())
    assert one.warehouse == "guangzhou"


@given(told, st.randoms())
def test_what_is_remembered_of_the_last_content_is_only_a_short_cut(claims, dice):
    """The same claims, some of them again with a newer version, with the last content at hand and without."""
    claims = [
        (msgspec.structs.replace(claim, at=dice.randint(1, 9)), person)
        for claim, person in claims
        for _ in range(dice.randint(1, 3))
    ]
    one, other, last = head(), head(), None
    for claim, person in claims:
        # A receiver is a part of the content: of equal contents the hashes are equal, too.
        content = claim.content and msgspec.structs.replace(claim.content, person=Person(person.decode()))
        claim, hidden = msgspec.structs.replace(claim, content=content), Pseudonymous("", person or None)
        folded, plain = fold(one, claim, origin(), hidden, last), fold(other, claim, origin(), hidden)
        if content is not None:
            last = content if folded.whole else None
        # Without the last content at hand it cannot always be told whether all that stands is in this one.
        assert msgspec.structs.replace(folded, whole=plain.whole) == plain
        assert msgspec.structs.asdict(one) == msgspec.structs.asdict(other)


@given(observations, observations, st.integers(0, 3))
def test_a_claim_of_the_least_version_takes_nothing_from_who_has_a_newer_one(one, other, less):
    """Whichever comes first, and whatever else either of them states."""
    other = msgspec.structs.replace(other, at=one.at - less - 1, at_least=True)
    alone, last, first = head(), head(), head()
    fold(alone, one, origin())
    for claim in (one, other):
        fold(last, claim, origin())
    for claim in (other, one):
        fold(first, claim, origin())
    for field in (*PLAIN, "warehouse", "lines_digest", "item_count"):
        stated = getattr(alone, field)
        if one.content is not None and stated != getattr(head(), field):
            assert getattr(last, field) == getattr(first, field) == stated, field


def test_of_two_claims_of_the_least_version_what_came_later_holds_and_repeated_says_nothing():
    one = head()
    least = [msgspec.structs.replace(seen(5, total), at_least=True) for total in (300, 100)]
    fold(one, least[0], origin(1))
    assert fold(one, least[1], origin(2)).entries[0].detail == '{"total_minor":[300,100]}'
    again = fold(one, least[1], origin(3))
    assert (one.total_minor, again.entries, again.changed) == (100, [], False)
