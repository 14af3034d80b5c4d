"""Combined packing: pairs and groups against looking at every two orders by hand, and what must never happen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.frames import INSTANT
from orderhub_core.packing import evidence
from orderhub_core.packing.combine import WORDS, around, combine
from orderhub_core.packing.evidence import ORDERS

NOON = datetime(2026, 11, 11, 4, tzinfo=UTC)
digests = st.sampled_from([None, "p", "q"])
rarely = st.sampled_from([None, False, False, False, False, True])
orders = st.lists(
    st.fixed_dictionaries(
        {
            "channel": st.sampled_from(["douyin", "weixin"]),
            "minutes": st.sampled_from([0, 2, 10, 11, 120, 121, 1441, 4320, 4321]),
            "warehouse": st.sampled_from([None, "hz", "hz", "gz"]),
            "place": st.sampled_from([None, "浙江 杭州", "浙江 杭州", "北京"]),
            "phone": digests, "receiver": digests, "address": digests, "buyer": digests,
            "skus": st.sampled_from(["A", "B", "C", None]),
            "sealed": rarely, "refund": rarely, "presale": rarely, "gone": rarely,
        }
    ),
    max_size=6,
)  # fmt: skip
said = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from(["apart", "together"])), max_size=3)


def made(told, words=()):
    return combine(*framed(told, words))


def framed(told, words=()):
    rows = [
        {**one, "order_no": f"O{n}", "paid_at": NOON + timedelta(minutes=one.get("minutes", 0))}
        for n, one in enumerate(told)
    ]
    frame = pl.DataFrame([{name: row.get(name) for name in ORDERS} for row in rows], schema=ORDERS, orient="row")
    spoken = [(f"O{a}", f"O{b}", say, "li", "asked them") for a, b, say in words]
    return frame, pl.DataFrame(spoken, schema=WORDS, orient="row")


def by_hand(told, words):
    """{(a, b): (verdict, score)} of all pairs that share a key, and the groups as sets."""
    last = {}
    for a, b, say in words:
        if a != b and max(a, b) < len(told):
            last[min(a, b), max(a, b)] = say
    found = {}
    for (a, one), (b, other) in combinations(enumerate(told), 2):
        same = lambda *names: all(one[n] is not None and one[n] == other[n] for n in names)  # noqa: B023, E731
        differ = lambda name: None not in (one[name], other[name]) and one[name] != other[name]  # noqa: B023, E731
        gap = abs(one["minutes"] - other["minutes"])
        linked = same("phone") or same("address") or same("place", "receiver") or same("channel", "buyer")
        if not (linked and gap <= 72 * 60) and (a, b) not in last:
            continue
        strong = [same("phone"), same("receiver"), same("address"), same("channel", "buyer")]
        score = sum(points for points, holds in zip((10, 6, 9, 8), strong, strict=True) if holds)
        score += -6 * differ("phone") - 4 * differ("receiver") - 8 * differ("address")
        score += -3 * (differ("buyer") and same("channel"))
        score += 3 if gap <= 10 else 1 if gap <= 120 else -3 if gap > 1440 else 0
        score += -4 * same("skus")
        forbidden = any(each[name] for each in (one, other) for name in ("sealed", "refund", "presale", "gone"))
        forbidden = forbidden or differ("warehouse") or differ("place") or last.get((a, b)) == "apart"
        sure = score >= 15 and sum(strong) >= 2 and not differ("address") and not same("skus")
        verdict = "forbidden" if forbidden else "merge" if sure or last.get((a, b)) == "together" else (
            "ask" if score >= 8 else "apart")  # fmt: skip
        found[a, b] = verdict, score
    groups = [{n} for n in range(len(told))]
    merges = sorted((-score, pair) for pair, (verdict, score) in found.items() if verdict == "merge")
    for _, (a, b) in merges:
        ours, theirs = (next(group for group in groups if n in group) for n in (a, b))
        across = [found.get((min(x, y), max(x, y)), ("",))[0] for x in ours for y in theirs]
        if ours is not theirs and set(across) == {"merge"}:
            groups.remove(theirs)
            ours |= theirs
    return found, sorted(sorted(group) for group in groups if len(group) > 1)


@settings(max_examples=400)
@given(orders, said)
def test_pairs_and_groups_are_those_of_looking_at_every_two_orders(told, words):
    result = made(told, words)
    pairs, groups = by_hand(told, words)
    rows = result.pairs.select("order_no", "other", "verdict", "score").rows()
    assert {(int(a[1:]), int(b[1:])): (verdict, score) for a, b, verdict, score in rows} == pairs
    own = result.groups.group_by("group").agg("order_no")["order_no"]
    assert sorted(sorted(int(name[1:]) for name in names) for names in own) == groups


def one(**told):
    usual = {
        "channel": "douyin",
        "warehouse": "hz",
        "place": "浙江 杭州",
        "phone": "p",
        "receiver": "r",
        "address": "a",
    }
    return usual | told


def verdict(*told, words=()):
    (found,) = made(told, words).pairs["verdict"].to_list()
    return found


def test_main_and_box_of_two_channels_go_in_one_parcel():
    """Two minutes apart, in Douyin and the mini-program: no hash over SKU, time and channel could see it."""
    told = made([one(skus="A+S"), one(channel="weixin", skus="BOX", minutes=2)])
    assert told.groups["order_no"].to_list() == ["O0", "O1"]
    row = told.pairs.row(0, named=True)
    names = ("phone_same", "receiver_same", "address_same", "minutes", "score")
    assert [row[name] for name in names] == [10, 6, 9, 3, 28]


@pytest.mark.parametrize("key", ["phone", "receiver", "address", "buyer"])
def test_one_digest_alone_never_merges(key):
    alone = dict.fromkeys(["phone", "receiver", "address", "buyer"]) | {key: "x"}
    assert verdict(one(**alone), one(**alone)) in ("ask", "apart")


@pytest.mark.parametrize("guard", ["sealed", "refund", "presale", "gone"])
def test_a_guard_is_stronger_than_all_evidence_and_than_a_persons_word(guard):
    told = made([one(), one(**{guard: True})], [(0, 1, "together")])
    assert told.groups.is_empty() and told.pairs.select("guard", "guarded").row(0) == (guard, "O1")


def test_two_addresses_and_the_same_goods_are_asked_about_however_much_speaks_for_it():
    assert verdict(one(buyer="b"), one(buyer="b", address="other")) == "ask"
    assert verdict(one(buyer="b", skus="A"), one(buyer="b", skus="A")) == "ask"
    assert verdict(one(buyer="b", skus="A"), one(buyer="b", skus="A"), words=[(0, 1, "together")]) == "merge"


def test_what_a_person_has_parted_stays_apart_until_somebody_says_otherwise():
    assert verdict(one(), one(), words=[(0, 1, "apart")]) == "forbidden"
    assert verdict(one(), one(), words=[(0, 1, "apart"), (1, 0, "together")]) == "merge"


def test_orders_are_not_chained():
    """The first goes with the second and the second with the third, but the first and the third are strangers."""
    told = made([one(phone="p", receiver=None, address="a", buyer="x"), one(phone="p", address="a", receiver="r"),
                 one(phone="q", address="a", receiver="r")])  # fmt: skip
    assert told.pairs["verdict"].to_list() == ["merge", "apart", "ask"]
    assert told.groups["order_no"].to_list() == ["O0", "O1"]


def test_a_digest_that_a_crowd_shares_tells_nothing():
    crowd = [one(phone=f"p{n}", receiver=f"r{n}", address="forwarder", minutes=n) for n in range(evidence.CROWD + 2)]
    told = made(crowd)
    assert told.pairs.is_empty() and told.crowds.rows() == [("address", evidence.CROWD + 2)]


def test_the_work_grows_with_what_is_shared_and_not_with_the_square():
    dice, count = np.random.default_rng(3), 30_000
    person = dice.integers(0, count // 2, count)
    name = lambda prefix: pl.Series([f"{prefix}{each}" for each in person])  # noqa: E731
    frame = pl.DataFrame({"order_no": [str(n) for n in range(count)], "phone": name("p"), "receiver": name("r"),
                          "address": name("a")})  # fmt: skip
    at = pl.Series(dice.integers(0, 30 * 86_400, count) * 1_000_000 + 1_794_000_000_000_000).cast(INSTANT)
    whole = frame.with_columns(paid_at=at).match_to_schema(ORDERS, missing_columns="insert")
    found, _ = evidence.pairs(whole)
    assert found.height < 4 * count
    result = combine(whole, WORDS.to_frame())
    assert set(result.pairs["verdict"]) <= {"merge", "ask", "apart"} and result.groups.height > 1_000


@given(st.data())
@settings(max_examples=150)
def test_of_a_few_it_says_what_it_says_of_them_among_all(monkeypatch_crowd, data):
    """Also where a key is too common, and of those whom a person has joined."""
    few = st.sampled_from([None, "p", "q", "r", "s"])
    told = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "channel": st.sampled_from(["douyin", "weixin"]),
                    "minutes": st.sampled_from([0, 2, 121, 4321, 9000]),
                    "place": st.sampled_from([None, "浙江 杭州"]), "phone": few, "receiver": few, "address": few,
                    "buyer": few, "skus": st.sampled_from(["A", "B", None]), "sealed": rarely,
                }
            ),
            min_size=1, max_size=14,
        )
    )  # fmt: skip
    words = data.draw(
        st.lists(st.tuples(*[st.integers(0, 13)] * 2, st.sampled_from(["apart", "together"])), max_size=3)
    )
    seeds = {f"O{n}" for n in data.draw(st.sets(st.integers(0, len(told) - 1), min_size=1, max_size=2))}
    every, spoken = framed(told, words)
    some = around(every, spoken, seeds)
    assert seeds <= set(some["order_no"])

    def of_seeds(found):
        groups = found.groups.group_by("group", maintain_order=True).agg("order_no").rows()
        named = pl.col("order_no").is_in(list(seeds)) | pl.col("other").is_in(list(seeds))
        return [group for group in groups if seeds.intersection(group[1])], found.pairs.filter(named).rows()

    assert of_seeds(combine(some, spoken)) == of_seeds(combine(every, spoken))


@pytest.fixture(scope="module")
def monkeypatch_crowd():
    """Three make a crowd."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "CROWD", 2)
        yield


def test_a_few_are_a_few():
    strangers = [{"channel": "douyin", "phone": f"p{n // 2}", "address": f"a{n // 2}"} for n in range(20)]
    every, spoken = framed(strangers, [(1, 7, "together")])
    assert set(around(every, spoken, {"O0"})["order_no"]) == {"O0", "O1", "O6", "O7"}
