"""What a spot audit draws, and what its judgements prove, against plain counting."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from xml.etree import ElementTree

import msgspec
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orderhub_core import i18n
from orderhub_core.audit import sampling, stopping, trend
from orderhub_core.audit.reconcile import sheets
from orderhub_core.audit.spot import book, export, prospect, result, sheet, tables, texts
from orderhub_core.audit.spot.sheet import Card, Looked, Sheet, Shown, Spec, Stratum
from orderhub_core.charts import paper
from orderhub_core.errors import UserMistake
from orderhub_core.frames import EVENTS, INSTANT, ORDERS
from orderhub_core.i18n import by_id
from orderhub_core.names import Names
from orderhub_core.settings import Settings, WarehouseSettings

EN, ZH = i18n.translator("en"), i18n.translator("zh")
ZONE = "Asia/Shanghai"
NOW = 1_790_000_000_000_000
SAID = {"shop": pl.String, "order_no": pl.String, "consistent": pl.Boolean, "reviewer": pl.String, "note": pl.String}


def orders(count: int) -> pl.DataFrame:
    placed = [datetime.fromtimestamp(NOW / 1e6, UTC) - timedelta(hours=n) for n in range(count)]
    rows = pl.DataFrame(
        {
            "shop": ["a" if n % 4 else "b" for n in range(count)],
            "order_no": [f"n{n}" for n in range(count)],
            "warehouse": [None if n % 5 else "w" for n in range(count)],
            "placed_at": placed,
        },
        schema_overrides={"warehouse": pl.String, "placed_at": INSTANT},
    )
    return pl.concat([pl.DataFrame(schema=ORDERS), rows], how="diagonal")


def simple(size: int, population: int = 5_000, claim: float = 0.9) -> Sheet:
    cards = tuple(Card("a", f"n{n}") for n in range(size))
    shown = tuple(Shown(name, "a", card.order_no, "shipped", NOW) for name in ("page", "crm") for card in cards)
    looked = tuple(Looked(name, "live", NOW) for name in ("page", "crm"))
    spec = Spec(size=size, claim=claim)
    strata = (Stratum((), population, size),)
    return Sheet("spot-2026-W38-s7-n10-simple", NOW, spec, population, cards, strata, looked, shown)


def reviews(*said: tuple[int, str, bool]) -> pl.DataFrame:
    rows = [("a", f"n{n}", good, who, "") for n, who, good in said]
    frame = pl.DataFrame(rows, schema=SAID, orient="row")
    return frame.with_columns(at=pl.lit(datetime(2026, 9, 21, 12, tzinfo=UTC)).cast(INSTANT))


def folio(of: Sheet) -> book.Book:
    return book.book(of, pl.LazyFrame(schema=ORDERS), pl.LazyFrame(schema=EVENTS))


def test_the_same_question_in_the_same_week_is_the_same_audit():
    monday, sunday, next_week = (int(datetime(2026, 9, day, 4, tzinfo=UTC).timestamp() * 1e6) for day in (21, 27, 28))
    names = [sheet.audit_id(Spec(by=("age", "channel")), at, ZONE) for at in (monday, sunday, next_week)]
    assert names[0] == names[1] == "spot-2026-W39-s7-n100-c99-by-channel-age"
    assert names[2] == "spot-2026-W40-s7-n100-c99-by-channel-age"
    assert all(map(sheet.known, names))


def test_another_claim_is_another_audit():
    names = {sheet.audit_id(Spec(claim=claim), NOW, ZONE) for claim in (0.9, 0.99, 0.995, 0.999)}
    assert len(names) == 4 and all(map(sheet.known, names))


@pytest.mark.parametrize("by", [(), ("channel",)])
def test_the_next_week_draws_other_orders(by):
    """Else the weeks would be one sample, looked at again and again."""
    week = 7 * 86_400_000_000
    table = orders(2_000).with_columns(pl.col("placed_at").dt.offset_by("-60d"))
    one, other = (
        {card.order_no for card in sheet.drawn(table, Spec(by=by), now, ZONE).cards} for now in (NOW, NOW + week)
    )
    assert len(one & other) <= 15  # of 100 from 2,000 five are expected to come again


def test_orders_placed_after_the_opening_are_no_part_of_it():
    drawn = sheet.drawn(orders(200), Spec(size=50), NOW - 100 * 3_600_000_000, ZONE)
    assert drawn.population == 100
    assert {int(card.order_no[1:]) for card in drawn.cards} <= set(range(100, 200))


@given(st.integers(0, 999), st.sampled_from([(), ("channel",), ("warehouse", "age"), sheet.STRATA]))
def test_a_draw_is_repeatable_whole_and_without_doubles(seed: int, by: tuple[str, ...]):
    table = orders(150)
    one, other = (sheet.drawn(rows, Spec(size=40, seed=seed, by=by), NOW, ZONE) for rows in (table, table.reverse()))
    assert one == other
    keys = {(card.shop, card.order_no) for card in one.cards}
    assert len(keys) == len(one.cards) == 40 == sum(stratum.drawn for stratum in one.strata)
    assert sum(stratum.orders for stratum in one.strata) == one.population == 150


@pytest.mark.parametrize("wrong", [Spec(size=0), Spec(size=5_000), Spec(seed=-1), Spec(by=("city",)), Spec(claim=1.0)])
def test_what_cannot_be_asked_is_said(wrong: Spec):
    with pytest.raises(UserMistake):
        sheet.check(wrong)


def test_an_empty_field_of_the_form_is_the_default():
    assert sheet.spec(None, None, [], None) == Spec()
    assert sheet.spec(30.0, 5, ["age", "channel"], 99.5) == Spec(30, 5, ("channel", "age"), 0.995)


def test_a_whole_sample_has_the_exact_interval_and_half_of_one_the_one_that_may_be_looked_at():
    of = simple(10)
    whole = result.result(of, folio(of).sample, reviews(*((n, "ann", n != 3) for n in range(10))))
    assert (whole.judged, whole.consistent, whole.rate, whole.kind) == (10, 9, 0.9, "exact")
    assert whole.interval == sampling.interval(9, 10, population=5_000)
    said = reviews(*((n, "ann", n != 3) for n in range(5)))
    half = result.result(of, folio(of).sample, said)
    judged = pl.Series([n != 3 for n in range(5)])
    assert half.kind == "sequential"
    assert half.interval == stopping.standing(judged, 5_000, 0.9).interval != sampling.interval(4, 5, population=5_000)


def test_where_reviewers_differ_the_order_counts_against_the_rate():
    of = simple(10)
    found = result.result(of, folio(of).sample, reviews((0, "ann", True), (0, "bob", False), (1, "ann", True)))
    assert (found.judged, found.consistent, found.disputed) == (2, 1, 1)


def test_a_card_that_was_passed_over_ends_what_the_stopping_rule_counts():
    of = simple(10)
    said = result.spoken(of, reviews((0, "ann", True), (1, "ann", True), (3, "ann", True)))
    assert result.stands(of, said).judged == 2


def shown(of: Sheet, said: pl.DataFrame) -> tuple[book.Book, pl.DataFrame, result.Result, pl.DataFrame, str]:
    """What workbook and page of paper are made of."""
    made, past = folio(of), [result.Past(of, said)]
    return made, said, result.result(of, made.sample, said), result.weeks(past, of, ZONE), ZONE


def tile(of: Sheet, said: pl.DataFrame, name: str) -> tuple[str, str]:
    found = result.result(of, folio(of).sample, said)
    return next((value, note) for tile, value, note, _ in texts.tiles(found, of, EN) if tile == name)


def test_before_anything_is_judged_the_least_sample_that_can_prove_the_claim_is_shown():
    """Not that none could."""
    of = simple(10, claim=0.99)
    value, note = tile(of, reviews(), "To plan for")
    size = int(value)
    assert sampling.interval(size, size, population=5_000).low >= 0.99 > sampling.interval(size - 1, size - 1).low
    assert note == texts.AT_LEAST
    assert tile(of, reviews(*((n, "ann", False) for n in range(9))), "To plan for")[0] == "–"


def test_what_a_draw_can_prove_is_said_before_it():
    said, kind = prospect.best(Spec(), 10_000, False, EN)
    exact = sampling.interval(100, 100, population=10_000).low
    least = sampling.needed(0.99, population=10_000)
    assert (
        f"100 of 10,000 orders cannot prove 99%: even if none differs, they prove no more than {exact:.1%}"[:-3] in said
    )
    assert f"Draw at least {least}, " in said and kind == "warn"
    enough = Spec(size=least)
    said, kind = prospect.best(enough, 10_000, False, EN)
    assert said.startswith(f"{least} of 10,000 orders can prove 99%: if none differs, at least 99.0") and kind == "good"
    one_less = Spec(size=least - 1)
    said, kind = prospect.best(one_less, 10_000, False, EN)
    assert "no more than 98.9" in said and kind == "warn", "a bound is not rounded up to the claim"
    bold = Spec(size=2_000, claim=0.9999)
    assert "Nor could 2,000" in prospect.best(bold, 10**6, False, EN)[0]
    assert prospect.best(Spec(), 0, False, EN) == (prospect.NO_ORDERS, "info")
    few = prospect.prospect(Spec(size=500), 40)
    assert (few.drawn, few.best) == (40, 1.0), "who draws all orders knows all"


def test_orders_that_are_placed_later_are_none_to_draw_from():
    placed = pl.LazyFrame({"placed_at": [NOW - 1, NOW, NOW + 1]}).cast(INSTANT)
    assert prospect.population(placed, NOW) == 2


def test_the_two_cards_on_sizes_do_not_contradict_each_other_nor_what_is_proven():
    of = simple(100, population=10_000, claim=0.99)

    def both(misfits: int, claim: float = 0.99) -> tuple[tuple[str, str], tuple[str, str]]:
        asked = msgspec.structs.replace(of, spec=Spec(size=100, claim=claim))
        said = reviews(*((n, "ann", n >= misfits) for n in range(100)))
        return tile(asked, said, f"To prove {texts.claimed(asked.spec)}"), tile(asked, said, "To plan for")

    (size, proves), plans = both(1)
    assert int(size) == sampling.needed(0.99, 1, population=10_000)
    assert proves == "orders of a simple draw prove it if no more misfits come than the 1 so far"
    assert plans == ("–", "at the rate so far, 99.0%, no draw will prove it: only a rate above the claim does")
    refuted, plans = both(8)
    assert refuted[0] == plans[0] == "–" and refuted[1].startswith("what was judged refutes it: at most 9")
    proven, _ = both(1, claim=0.9)
    assert proven[0] == "100" and proven[1].startswith("what was judged proves it: at least 9")


def test_how_good_the_machine_is_stands_on_the_page_in_the_workbook_and_on_paper():
    """Of 10 orders that it calls consistent people call 3 otherwise: it found none of them."""
    of = simple(10)
    given = shown(of, reviews(*((n, "ann", n > 2) for n in range(10))))
    rows = {name: (value, bounds) for name, value, bounds in texts.measured(given[2], EN)}
    none = sampling.interval(0, 3)
    assert rows[texts.MEASURES["recall"]] == ("0.0%", f"{none.low:.1%} – {none.high:.1%}")
    assert rows[texts.MEASURES["precision"]] == ("–", "0.0% – 100.0%")
    assert rows[texts.MEASURES["kappa"]][0] == "0.00"
    app = {name: table for name, table, _ in tables.parts(*given, EN)}
    assert set(app["The machine, measured by people"]["Figure"]) == set(rows)
    paper_words, book_words = (text.replace(" ", "") for text in (words_on_paper(given), words_in_workbook(given)))
    for name, (value, bounds) in rows.items():
        for printed in (paper_words, book_words):
            assert all(word.replace(" ", "") in printed for word in (name, value, bounds))


def test_what_stands_on_paper_is_drawn_once_and_stands_below_what_is_above_it(monkeypatch):
    """How high the figures are decides how much is told of the touchpoints above them."""
    of = replace_looked(simple(10), *(Looked(f"touchpoint {n}", "failed", NOW, "no answer") for n in range(3)))
    given = shown(of, reviews((0, "ann", True)))
    asked: list[object] = []
    summary = export.summary
    monkeypatch.setattr(export, "summary", lambda *args: (asked.append(args), summary(*args))[1])
    drawn = paper.page(*given, EN)
    assert len(asked) == 1
    lines = [float(y) for y in heights(ElementTree.fromstring(drawn.svg()))]
    assert lines == sorted(lines) and lines[-1] <= drawn.y + 0.1


def heights(part: ElementTree.Element, down: float = 0.0) -> Iterator[float]:
    """Of the lines of text that begin at the left margin."""
    for each in part:
        if each.tag.endswith("}g"):
            yield from heights(each, float(each.attrib["transform"].split()[1].rstrip(")")))
        elif each.tag.endswith("}text") and each.attrib["x"] == str(float(paper.MARGIN)):
            yield down + float(each.attrib["y"])


def words_on_paper(given) -> str:
    return " ".join(ElementTree.fromstring(paper.page(*given, EN).svg()).itertext())


def words_in_workbook(given) -> str:
    with zipfile.ZipFile(BytesIO(export.workbook(*given, EN))) as made:
        return " ".join(ElementTree.fromstring(made.read("xl/sharedStrings.xml")).itertext())


def test_what_no_audit_can_draw_is_no_plan():
    """Of a million orders at the very claim all but two would have to be judged."""
    of = simple(100, population=1_000_000, claim=0.99)
    said = reviews(*((n, "ann", n != 3) for n in range(100)))
    assert tile(of, said, "To plan for") == (
        "–",
        "at the rate so far, 99.0%, no draw will prove it: only a rate above the claim does",
    )


def test_progress_counts_orders_whoever_judged_them():
    of = simple(10)
    said = reviews((0, "ann", True), (0, "bob", False), (3, "bob", True))
    turn = book.Turn(folio(of), said, [("a", "n1")], None, (), "ann", peek=False)
    assert texts.progress(turn, EN)[:2] == (2, 10)
    assert "R brings the result" in texts.progress(turn, EN)[2]
    none = book.Turn(folio(of), reviews(), [("a", "n1")], None, (), "ann", peek=False)
    assert texts.progress(none, EN) == (0, 10, "0 of 10 orders judged")


@pytest.mark.parametrize("by", [(), ("channel",)])
def test_whoever_has_judged_all_is_not_told_to_go_on(by):
    of = simple(10, claim=0.99)
    parts = (Stratum(("a",) * len(by), 5_000, 10),)
    of = msgspec.structs.replace(of, spec=Spec(size=10, claim=0.99, by=by), strata=parts)
    all_judged = reviews(*((n, "ann", True) for n in range(10)))
    over = "All cards are judged: the result tells what they prove."
    assert texts.standing(folio(of), all_judged, EN) == over
    assert texts.standing(folio(of), all_judged.head(9), EN) != over
    whole, _, found, weeks, *_ = shown(of, all_judged)
    told = {name: said for name, said, _ in export.summary(found, whole, weeks, EN)}
    assert told.get("Stopping early", over) == over


def test_below_a_card_the_machine_names_touchpoints_as_people_do():
    finding = {"verdict": "conflict", "probably_wrong": "page", "cause": "unknown"}
    judged = replace(folio(simple(1)), findings={("a", "n0"): finding})
    said = reviews((0, "ann", True))
    turn = book.Turn(judged, said, [], said.row(0, named=True), (), "ann", peek=False)
    told = " ".join(text for text, _ in texts.remarks(turn, EN, lambda kind, name: f"the {kind} {name}"))
    assert "Probably wrong: the touchpoint page" in told


def test_the_time_line_tells_what_a_rule_decided_in_the_readers_language():
    decided = ("rule.assign_warehouse", "hangzhou", '{"rule": "near", "version": "v1"}')
    assert told_of(decided, ZH) == ("已派仓：hangzhou（由规则决定）", "rules")
    shop = Settings(warehouses=(WarehouseSettings("hangzhou", "", name="杭州仓"),))
    assert told_of(decided, ZH, Names(shop, ZH)) == ("已派仓：杭州仓（由规则决定）", "规则")


@pytest.mark.parametrize(("kind", "detail", "english", "chinese"), [
    ("stock", '{"rule": "dear", "version": "v1"}', "out of stock", "缺货"),
    ("gift_stock", '{"rule": "dear", "version": "v1"}', "gift out of stock", "赠品缺货"),
    ("stock", '{"lacked": "nothing was taken: attic: closed (blackout)"}', "warehouse closed", "仓库停用"),
])  # fmt: skip
def test_the_time_line_tells_what_an_order_is_held_for_as_the_table_of_held_orders_does(kind, detail, english, chinese):
    assert told_of(("rule.hold", kind, detail), EN)[0] == f"Held back: {english} (decided by a rule)"
    assert told_of(("rule.hold", kind, detail), ZH)[0] == f"已挂起：{chinese}（由规则决定）"


def told_of(entry, tr, called=by_id) -> tuple[str, str]:
    event, after, rule = entry
    row = {"event": event, "outcome": "decided", "after": after, "source": "rules", "rule": rule}
    life = {("a", "n0"): [{**row, "occurred_at": datetime(2026, 9, 21, tzinfo=UTC)}]}
    turn = book.Turn(replace(folio(simple(10)), events=life), reviews(), [("a", "n0")], None, (), "ann", peek=False)
    ((_, what, who),) = texts.life(turn, ZONE, tr, called)[1]
    return what, who


def test_what_failed_can_be_read_again_and_then_it_is_said_when():
    of = simple(2)
    failed = replace_looked(of, Looked("wms", "failed", NOW, "no answer"))
    assert (texts.unread(of, EN), texts.unread(failed, EN)) == ("", "Read wms again")
    row = Shown("wms", "a", "n0", "shipped", NOW)
    mended = sheet.read_again(failed, [(Looked("wms", "live", NOW + 3_600_000_000), [row])])
    assert texts.unread(mended, EN) == "" and mended.shown == (*of.shown, row)
    assert [text for text, _ in texts.sources(mended, ZONE, EN)] == [
        "wms failed at first and was read again at 2026-09-21 23:13, later than the others."
    ]


def replace_looked(of: Sheet, *more: Looked) -> Sheet:
    return msgspec.structs.replace(of, looked=(*of.looked, *more))


def test_weeks_compare_audits_of_one_design_only():
    of = simple(10)
    aged = msgspec.structs.replace(of, spec=Spec(size=10, by=("age",)))
    past = [
        result.Past(of, reviews((0, "ann", True), (1, "ann", False))),
        result.Past(aged, reviews((0, "ann", True))),
    ]
    assert result.weeks(past, of, ZONE).select("judged", "consistent").rows() == [(2, 1)]
    assert result.weeks([], of, ZONE).is_empty() and result.weeks([], aged, ZONE).is_empty()


BIG, SMALL = 900, 100
"""Orders in two strata, of which as many are drawn."""


def stratified(good: tuple[int, int], week: int = 0) -> result.Past:
    """An audit of 20 cards in each stratum, of which so many are consistent."""
    cards = tuple(Card("a", f"n{n}", n // 20) for n in range(40))
    strata = (Stratum(("a",), BIG, 20), Stratum(("b",), SMALL, 20))
    spec = Spec(size=40, by=("channel",), claim=0.9)
    at = NOW + week * 7 * 86_400_000_000
    of = Sheet(f"spot-2026-W{38 + week}-s7-n40-by-channel", at, spec, BIG + SMALL, cards, strata)
    said = reviews(*((n, "ann", n % 20 < good[n // 20]) for n in range(40)))
    return result.Past(of, said.with_columns(pl.col("at") + timedelta(weeks=week)))


def test_a_stratum_with_cards_waiting_has_an_interval_that_may_be_looked_at():
    """Cards of the other stratum make no difference to it, and what comes after one that was passed over none."""
    past = stratified((19, 20))
    said = result.spoken(past.sheet, past.reviews.filter(pl.col("order_no") != "n25"))
    rows = result.by_stratum(past.sheet, said)
    exact = sampling.interval(19, 20, population=BIG)
    looked = stopping.standing(pl.Series([True] * 5), SMALL, 0.9).interval
    assert rows.select("judged", "low", "high").rows() == [(20, exact.low, exact.high), (19, looked.low, looked.high)]
    printed = tables.by_stratum(folio(with_touchpoints(past.sheet)), past.reviews.head(39), EN)
    looked = stopping.standing(pl.Series([True] * 19), SMALL, 0.9).interval
    assert printed["95 % interval"][1] == f"{looked.low:.1%} – {looked.high:.1%}"


def with_touchpoints(of: Sheet) -> Sheet:
    """Two that show the same."""
    names = ("page", "crm")
    shown = tuple(Shown(name, card.shop, card.order_no, "shipped", NOW) for name in names for card in of.cards)
    return msgspec.structs.replace(of, looked=tuple(Looked(name, "live", NOW) for name in names), shown=shown)


def test_a_part_of_a_stratified_draw_is_bounded_by_what_may_be_looked_at_in_each_stratum():
    """Both together miss in at most 5 of 100 audits, each by itself in at most 2.5."""
    past = stratified((18, 20))
    said = past.reviews.filter(pl.col("order_no") != "n39")
    sample = past.sheet.cards_frame().with_columns(verdict=pl.lit("equal"))
    series = [True] * 18 + [False] * 2, [True] * 19
    large, small = (
        stopping.standing(pl.Series(judged), size, 0.9, 0.975).interval
        for judged, size in zip(series, (BIG, SMALL), strict=True)
    )
    found = result.result(past.sheet, sample, said)
    assert found.interval.low == pytest.approx(0.9 * large.low + 0.1 * small.low)
    assert found.interval.high == pytest.approx(0.9 * large.high + 0.1 * small.high)
    whole = result.result(past.sheet, sample, past.reviews)
    assert (found.kind, whole.kind) == ("stratified part", "stratified")
    none = result.result(past.sheet, sample, reviews())
    assert (none.rate, none.interval.low, none.interval.high) == (None, 0, 1)


def test_while_cards_wait_only_agreement_has_an_interval_and_one_that_may_be_looked_at():
    """The machine calls all orders consistent; on one people say otherwise, on another they differ."""
    of = simple(10)
    said = reviews(*((n, "ann", n != 1) for n in range(6)), (3, "bob", False))
    measured = {name: (value, bounds) for name, value, bounds in texts.measured(shown(of, said)[2], EN)}
    worst, best = (
        stopping.standing(pl.Series([n not in wrong for n in range(6)]), 5_000, 0.9).interval
        for wrong in ((1, 3), (1,))
    )
    assert measured.pop(texts.MEASURES["agreed"]) == ("80.0%", f"{worst.low:.1%} – {best.high:.1%}")
    assert set(measured.values()) == {("–", "once all cards are judged")}


def test_a_part_of_a_stratified_draw_says_nothing_of_the_machine_yet():
    past = stratified((20, 20))
    sample = past.sheet.cards_frame().with_columns(verdict=pl.lit("equal"))
    part, whole = (result.result(past.sheet, sample, rows) for rows in (past.reviews.head(30), past.reviews))
    assert {bounds for _, _, bounds in texts.measured(part, EN)} == {"once all cards are judged"}
    assert texts.measured(whole, EN)[0][1:] == ("100.0%", f"{sampling.interval(40, 40).low:.1%} – 100.0%")


def test_weeks_of_a_stratified_design_are_weighted():
    """By the orders that a card stands for: a small warehouse's misfits count little."""
    past = [stratified((20, 10)), stratified((10, 20), week=2)]
    weeks = result.weeks(past, past[0].sheet, ZONE)
    assert weeks["judged"].to_list() == [40, 0, 40]
    assert weeks["rate"].to_list() == [pytest.approx(0.95), None, pytest.approx(0.55)]
    told = weeks.filter(pl.col("judged") > 0)
    assert (told["low"] < told["rate"]).all() and (told["rate"] < told["high"]).all()
    assert (told["surely_low"] <= told["low"]).all() and (told["high"] <= told["surely_high"]).all()
    sample = past[0].sheet.cards_frame().with_columns(verdict=pl.lit("equal"))
    alone = result.result(past[0].sheet, sample, past[0].reviews)
    assert (weeks["low"][0], weeks["high"][0]) == (alone.interval.low, alone.interval.high)


def test_audits_of_one_week_are_taken_together_by_what_was_judged():
    one, other = stratified((20, 20)), stratified((10, 10))
    weeks = result.weeks([one, other], one.sheet, ZONE)
    assert weeks.select("judged", "rate").rows() == [(80, pytest.approx(0.75))]


def test_a_stratified_change_is_one_only_where_the_intervals_do_not_meet():
    def told(*weeks: tuple[int, int]) -> str:
        past = [stratified(good, week) for week, good in enumerate(weeks)]
        return texts.trend(result.weeks(past, past[0].sheet, ZONE), EN)

    assert told((20, 20)) == texts.FIRST_WEEK
    assert told((20, 19), (19, 20)).startswith("No significant change: 95.5% in the week of 2026-09-28, 99.5% before.")
    assert told((20, 20), (20, 20), (3, 20)).startswith("Worse: 23.5% in the week of 2026-10-05, 100.0% before")
    assert told((2, 2), (20, 20)).startswith("Better")


def test_an_order_counts_once_a_week_and_in_the_week_of_its_audit():
    """A draw of 20 by the same seed holds the draw of 10; a judgement given late belongs to the old week."""
    small, large = simple(10), simple(20)
    said = reviews(*((n, "ann", n != 0) for n in range(10)))
    late = said.with_columns(at=pl.lit(datetime(2026, 11, 20, tzinfo=UTC)).cast(INSTANT))
    past = [result.Past(small, late), result.Past(large, reviews(*((n, "bob", True) for n in range(20))))]
    rows = result.weeks(past, small, ZONE).select("week", "judged", "consistent").rows()
    assert rows == [(datetime(2026, 9, 21).date(), 20, 19)]


def test_the_trend_says_no_more_than_it_knows():
    def told(*weeks: tuple[int, int]) -> str:
        days = [datetime(2026, 9, 7).date() + timedelta(weeks=n) for n in range(len(weeks))]
        rows = {"week": days, "judged": [n for n, _ in weeks], "consistent": [good for _, good in weeks]}
        return texts.trend(trend.rates(pl.DataFrame(rows)), EN)

    assert told((100, 97)) == texts.FIRST_WEEK
    assert told((100, 97), (100, 95)).startswith(
        "No significant change: 95.0% in the week of 2026-09-14, 97.0% before. Samples"
    )
    assert told((100, 99), (100, 60)).startswith("Worse: 60.0%")


def test_the_confusion_table_and_the_list_of_disagreements_tell_of_the_same_orders():
    of = simple(10)
    said = reviews((0, "ann", True), (1, "ann", False), (2, "ann", True), (2, "bob", False))
    table = tables.confusion(folio(of), said, EN)
    assert table.rows() == [("consistent", 1, 1, 1), ("not consistent", 0, 0, 0)]
    assert tables.disagreements(folio(of), said, ZONE, EN)["Order number"].to_list() == ["n1", "n2"]
    assert tables.reviewers(said, EN)["Orders in common"].to_list() == [1]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=200))
def test_wrapping_loses_no_letter_and_keeps_the_width(said: str):
    lines = list(paper.wrapped(said, 10, 300))
    assert "".join(lines).replace(" ", "") == said.replace(" ", "")
    assert all(len(line) * 10 * 0.56 <= 300 + 1e-6 for line in lines)


@given(st.text(st.sampled_from("a<&\"'字\x00\x08\t\x0b\x0c\x1b\x1f\x7f\x85\ufdd0\ufffd\ufffe\uffff\U0001fffe")))
def test_whatever_letters_a_stranger_wrote_paper_and_workbook_are_made(said: str):
    page = paper.Page()
    page.text(said)
    written = "".join(ElementTree.fromstring(page.svg()).itertext())
    assert set(said) - set(written) <= set("\x00\x08\t\x0b\x0c\x1b\x1f\ufffe\uffff")
    with zipfile.ZipFile(BytesIO(sheets.xlsx({"x": pl.DataFrame({"note": [said]})}))) as made:
        for name in made.namelist():
            ElementTree.fromstring(made.read(name))


def test_a_note_with_a_control_letter_is_printed():
    of = simple(10)
    noted = reviews((0, "ann", False)).with_columns(note=pl.lit("see\x0b\x1f\ufffe here"))
    assert paper.pdf(*shown(of, noted), EN).startswith(b"%PDF")


@pytest.mark.parametrize("tr", [EN, ZH], ids=["en", "zh"])
def test_however_much_there_is_to_say_it_is_one_page(tr):
    of = simple(400)
    said = reviews(*((n, who, (n + len(who)) % 2 == 0) for n in range(400) for who in ("ann", "bo")))
    noted = said.with_columns(note=pl.lit("很长的说明，" * 30))
    made = paper.page(*shown(of, noted), tr)
    assert made.left >= 0


@pytest.mark.parametrize("tr", [EN, ZH], ids=["en", "zh"])
@given(
    failed=st.integers(0, 16),
    letters=st.sampled_from(["no answer from the other side ", "连接不上，"]),
    often=st.integers(0, 40),
    past=st.integers(0, 30),
    wrong=st.integers(0, 200),
)
@example(failed=16, letters="连接不上，", often=40, past=30, wrong=200)
@example(failed=0, letters="", often=0, past=30, wrong=200)
@settings(max_examples=20, deadline=None)
def test_neither_touchpoints_nor_reasons_nor_weeks_need_a_second_page(tr, failed, letters, often, past, wrong):
    of = simple(200)
    of = replace_looked(of, *(Looked(f"touchpoint {n}", "failed", NOW, letters * often) for n in range(failed)))
    said = reviews(*((n, "ann", n >= wrong) for n in range(200))).with_columns(note=pl.lit(letters * often))
    began = datetime(2026, 9, 21).date() - timedelta(weeks=past)
    rows = {
        "week": [began + timedelta(weeks=n) for n in range(past)],
        "judged": [100] * past,
        "consistent": [97] * past,
    }
    weeks = trend.rates(pl.DataFrame(rows, schema={"week": pl.Date, "judged": pl.Int64, "consistent": pl.Int64}))
    book_, reviews_, found, _, zone = shown(of, said)
    made = paper.page(book_, reviews_, found, weeks, zone, tr)
    text = "".join(ElementTree.fromstring(made.svg()).itertext())
    assert made.left >= 0
    assert tr("Machine and people") in text and tr("Cohen's kappa, machine and people")[:20] in text
    if failed == 16 and often == 40:
        assert tr("and {n} more: see the workbook").split("{n}")[0] in text
