"""Verdicts against an oracle that knows sets and loops, not frames and bits."""

from __future__ import annotations

import gc
import random
import weakref
from itertools import combinations

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orderhub_core.audit.report import audit, look
from orderhub_core.audit.verdicts import VERDICTS
from orderhub_core.audit.words import EVERYWHERE, LATER, STAGES, Lexicon, Stage, default, lexicon
from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT

NOW = 1_790_000_000_000_000
MINUTE = 60_000_000
NAMES = ("page", "crm", "wms", "kiosk")
WORDS = [
    *("待付款", "待发货", "已发货", "已签收", "已取消", "退款中", "已退款", "Shipped", "delivered", "DELIVERED"),
    *("未支付", "已支付待审", "配货中", "已交付快递", "客户已收", "待审核", "已锁库", "已打包", "已揽收", "已拦截"),
    *("warp drive", "", "  ", "NULL", "-", None),
]

Row = tuple[str | None, int | None]
Order = dict[str, list[Row]]


def sightings(orders: dict[str, Order], names: tuple[str, ...]) -> dict[str, pl.DataFrame]:
    schema = {"order_no": pl.String, "status": pl.String, "at": pl.Int64}
    rows = {name: [(no, *row) for no, order in orders.items() for row in order.get(name, [])] for name in names}
    return {
        name: pl.DataFrame(found, schema=schema, orient="row").with_columns(pl.col("at").cast(INSTANT))
        for name, found in rows.items()
    }


def verdict_of(order: Order, names: tuple[str, ...] = NAMES[:3], **options: object) -> str:
    report = audit(sightings({"1": order}, names), **options)  # type: ignore[arg-type]
    return str(report.orders["verdict"][0])


# --- the oracle -----------------------------------------------------------------------------------------------------


def stages_later(mask: int) -> set[Stage]:
    return {stage for place, stage in enumerate(STAGES) if mask >> place & 1}


def meaning(words: Lexicon, name: str, text: str | None) -> tuple[str, set[Stage], set[Stage], bool]:
    """kind, principal stages, all stages at which it is right, unclear."""
    plain = " ".join((text or "").replace("_", " ").replace("-", " ").lower().split())
    if plain in words.blank:
        return "blank", set(), set(), False
    word = words.tables.get(name, {}).get(plain) or words.tables[EVERYWHERE].get(plain)
    if word is None:
        return "strange", set(), set(), False
    return "known", set(word.means), {*word.means, *word.still}, word.unclear


def expected(order: Order, names: tuple[str, ...], words: Lexicon, as_of: int | None, lag: dict[str, int]) -> str:
    kinds, means, right, ats, unclear = {}, {}, {}, {}, False
    for name in names:
        if order.get(name):
            text, at = max(
                order[name], key=lambda row: (row[1] is not None, row[1] or 0, row[0] is not None, row[0] or "")
            )
            kinds[name], principal, stages, vague = meaning(words, name, text)
            ats[name] = at
            if kinds[name] == "known":
                means[name], right[name], unclear = principal, stages, unclear or vague
    story = set.intersection(*right.values()) if right else set()
    lacking = {name for name in names if name not in kinds and not (words_absent(words, name) & story)}
    excused = {name for name in names if name not in kinds and name not in lacking}
    comparable = len(right) + len(excused) >= 2

    def young(at: int | None, allowed_s: int) -> bool:
        return as_of is not None and at is not None and abs(as_of - at) <= allowed_s * 1_000_000

    def behind(one: str, other: str) -> bool:
        later = set().union(*(stages_later(LATER[stage]) for stage in means[one]))
        return bool(later & means[other]) and young(ats[other], lag[one])

    apart = [(a, b) for a, b in combinations(right, 2) if not right[a] & right[b]]
    mends = bool(apart) and all(behind(a, b) or behind(b, a) for a, b in apart)

    def unheard(name: str) -> bool:
        """May it not have heard yet? Nothing is said beyond what it need not know, and its first two stages, young."""
        need_not = words_absent(words, name)
        begins = next(place for place, stage in enumerate(STAGES) if stage not in need_not)
        fresh = {
            other: right[other] & set(STAGES[begins : begins + 2]) and young(ats[other], lag[name]) for other in right
        }
        return set(kinds) == set(right) and any(fresh.values()) and all(fresh[o] or right[o] & need_not for o in right)

    newborn = bool(lacking) and all(unheard(name) for name in lacking)
    if len(right) + len(excused) >= 2 and not story and not mends:
        return "conflict"
    if any(len(rows) > 1 for rows in order.values()):
        return "duplicate"
    if lacking and not newborn:
        return "missing"
    if "strange" in kinds.values():
        return "unknown_word"
    if "blank" in kinds.values() or not (comparable or newborn):
        return "not_comparable"
    if (comparable and not story and mends) or newborn:
        return "lagging"
    same = len(right) >= 2 and len({frozenset(stages) for stages in means.values()}) == 1
    return "equal" if same and not unclear and not excused else "compatible"


def words_absent(words: Lexicon, name: str) -> set[Stage]:
    return stages_later(words.absent.get(name, 0))


rows = st.tuples(
    st.sampled_from(WORDS), st.sampled_from([None, *(NOW - m * MINUTE for m in (-90, -5, 0, 7, 29, 31, 900))])
)
shown = st.lists(rows, max_size=2).map(lambda found: found[:1] if len(found) == 2 and found[0] == found[1] else found)
once = st.lists(rows, min_size=1, max_size=1)
orders = st.dictionaries(st.sampled_from(NAMES), st.one_of(once, once, once, shown), min_size=1)


@settings(max_examples=50, deadline=None)
@given(
    book=st.lists(orders, min_size=1, max_size=24),
    count=st.integers(2, 4),
    as_of=st.sampled_from([None, NOW]),
    lag=st.lists(st.sampled_from([0, 600, 1800]), min_size=4, max_size=4),
    absent=st.booleans(),
)
@example(book=[{name: [("待付款", None)] for name in NAMES[:2]}], count=3, as_of=None, lag=[0] * 4, absent=True)
def test_verdicts_are_what_sets_and_loops_say(book, count, as_of, lag, absent):
    names = NAMES[:count]
    numbered = {str(n): {name: rows for name, rows in order.items() if name in names} for n, order in enumerate(book)}
    numbered = {no: order for no, order in numbered.items() if any(order.values())}
    words, allowed = lexicon({}, absent=absent), dict(zip(names, lag, strict=False))
    report = audit(sightings(numbered, names), as_of=as_of, words=words, allowed_lag_s=allowed)
    found = dict(report.orders.select("order_no", pl.col("verdict").cast(pl.String)).iter_rows())
    assert found == {no: expected(order, names, words, as_of, allowed) for no, order in numbered.items()}


@settings(max_examples=20, deadline=None)
@given(book=st.lists(orders, min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_the_order_of_rows_and_of_touchpoints_changes_nothing(book, seed):
    frames = sightings({str(n): order for n, order in enumerate(book)}, NAMES)
    dice = random.Random(seed)
    names = dice.sample(NAMES, len(NAMES))
    again = audit({name: frames[name].sample(fraction=1, shuffle=True, seed=seed) for name in names}, as_of=NOW)
    once = audit(frames, as_of=NOW)
    columns = ["order_no", "verdict", "probably_wrong", "cause"]
    assert again.findings.select(columns).equals(once.findings.select(columns))
    assert again.orders.sort("order_no").equals(once.orders.sort("order_no"))


@pytest.mark.parametrize("nothing", [None, "", "   ", "null", "NULL", "None", "N/A", "-", "无", "never heard of"])
def test_nothing_and_unknown_words_are_never_consistent(nothing):
    everywhere: Order = {name: [(nothing, NOW)] for name in NAMES[:3]}
    assert verdict_of(everywhere, as_of=NOW) in ("not_comparable", "unknown_word")
    assert verdict_of({**everywhere, "page": [("delivered", NOW)], "crm": [("delivered", NOW)]}) in (
        "not_comparable",
        "unknown_word",
    )


def test_one_touchpoint_alone_is_not_comparable_even_when_the_others_need_not_know():
    assert verdict_of({"page": [("待付款", None)]}, ("page", "kiosk")) == "missing"
    assert verdict_of({"page": [("待付款", None)], "kiosk": [(None, None)]}, ("page", "kiosk")) == "not_comparable"


def test_an_ambiguous_word_is_never_better_than_compatible():
    assert verdict_of({name: [("已揽收", None)] for name in NAMES[:3]}) == "compatible"
    assert verdict_of({name: [("已签收", None)] for name in NAMES[:3]}) == "equal"


def test_three_words_that_agree_in_pairs_but_in_no_single_stage_are_a_conflict():
    words = lexicon({"words": {"*": {"ab": ["paid", "locked"], "bc": ["locked", "packed"], "ca": ["packed", "paid"]}}})
    order: Order = {"page": [("ab", None)], "crm": [("bc", None)], "wms": [("ca", None)]}
    assert verdict_of(order, words=words) == "conflict"
    assert verdict_of({name: order[name] for name in ("page", "crm")}, ("page", "crm"), words=words) == "compatible"


def test_a_lag_ends_at_the_allowed_age_and_without_times_never_begins():
    def order(age: int | None) -> Order:
        at = None if age is None else NOW - age
        return {"page": [("已签收", at)], "crm": [("客户已收", at)], "wms": [("已锁库", NOW - 900 * MINUTE)]}

    assert verdict_of(order(30 * MINUTE), as_of=NOW) == "lagging"
    assert verdict_of(order(30 * MINUTE + 1), as_of=NOW) == "conflict"
    assert verdict_of(order(30 * MINUTE + 1), as_of=NOW, allowed_lag_s={"wms": 1801}) == "lagging"
    assert verdict_of(order(None), as_of=NOW) == "conflict"
    assert verdict_of(order(0)) == "conflict"


def test_what_cannot_follow_is_no_lag_however_young():
    assert (
        verdict_of({"page": [("已取消", NOW)], "crm": [("客户已收", NOW)], "wms": [("已揽收", NOW)]}, as_of=NOW)
        == "conflict"
    )


def test_orders_that_no_touchpoint_shows_are_in_the_population_and_missing():
    population = pl.DataFrame({"shop": ["", ""], "order_no": ["1", "2"]})
    frames = sightings({"1": {name: [("delivered", NOW)] for name in NAMES[:2]}}, NAMES[:2])
    report = audit(frames, population=population)
    assert report.by_verdict()["missing"] == 1
    assert report.population_share().rate == 0.5


def test_one_number_in_two_shops_is_two_orders():
    frame = pl.DataFrame({"shop": ["a", "b"], "order_no": ["1", "1"], "status": ["delivered", "paid"]})
    assert audit({"page": frame, "crm": frame}).by_verdict()["equal"] == 2


@pytest.mark.parametrize("count", [0, 1, 17])
def test_too_few_or_too_many_touchpoints_are_told(count):
    frame = pl.DataFrame({"order_no": ["1"], "status": ["paid"]})
    with pytest.raises(UserMistake, match="2 to 16"):
        audit({f"t{n}": frame for n in range(count)})


def test_sixteen_touchpoints_work():
    frame = pl.DataFrame({"order_no": ["1", "2"], "status": ["paid", "delivered"]})
    frames = {f"t{n}": frame for n in range(15)} | {"last": frame.with_columns(status=pl.lit("paid"))}
    report = audit(frames)
    assert report.by_verdict() == {**dict.fromkeys(VERDICTS, 0), "equal": 1, "conflict": 1}
    assert report.findings["probably_wrong"].to_list() == ["last"]


# --- words ----------------------------------------------------------------------------------------------------------


def test_every_word_of_the_tables_means_something_and_reaches_no_earlier_stage():
    for touchpoint, words in default().tables.items():
        for text, word in words.items():
            assert word.means, (touchpoint, text)
            assert not set(word.means) & set(word.still), (touchpoint, text)
    path = STAGES[: STAGES.index(Stage.COMPLETED) + 1]
    for place, stage in enumerate(path):
        assert not stages_later(LATER[stage]) & set(path[: place + 1])


@pytest.mark.parametrize("spelling", ["IN_TRANSIT", "in-transit", " In Transit ", "ｉｎ ｔｒａｎｓｉｔ"])
def test_spellings_of_one_word_are_one_word(spelling):
    assert verdict_of({"page": [(spelling, None)], "crm": [("in_transit", None)]}, ("page", "crm")) == "equal"


def test_a_mapping_adds_words_and_touchpoints_and_wins():
    words = lexicon({"words": {"kiosk": {"Bye!": ["delivered"], "delivered": ["completed"]}}})
    order: Order = {"kiosk": [("bye!", None)], "crm": [("客户已收", None)]}
    assert verdict_of(order, ("kiosk", "crm"), words=words) == "compatible"
    assert verdict_of(order, ("kiosk", "crm")) == "unknown_word"
    assert (
        verdict_of({"kiosk": [("delivered", None)], "page": [("已完成", None)]}, ("kiosk", "page"), words=words)
        == "equal"
    )


@pytest.mark.parametrize("wrong", [{"x": ["shiped"]}, {"x": []}, {"x": 3}, {"x": {"mean": ["paid"]}}])
def test_a_bad_word_table_is_told_with_the_stages_there_are(wrong):
    with pytest.raises(UserMistake, match="out_for_delivery"):
        lexicon({"words": {"*": wrong}})


def test_words_met_again_are_looked_up_once_and_what_is_long_past_is_forgotten():
    words = lexicon({})

    def looked_up(first: str) -> object:
        frame = pl.DataFrame({"order_no": ["1", "2"], "status": [first, "paid"]})
        return look({"page": frame, "crm": frame}, words=words).meanings.codes[0]

    once = looked_up("shipped")
    assert looked_up("shipped") is once
    forgotten = weakref.ref(once)
    del once
    for number in range(100):
        looked_up(f"word {number}")
    gc.collect()
    assert forgotten() is None
