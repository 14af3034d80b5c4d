"""Rule by example as its page does it: orders are marked and found again, and the rule that tells them apart becomes a
draft; over a copy and over a living hub, with nothing, and with marks that no rule fits."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest
from small_boards import NOW, hub_of, page

from orderhub_core import hub, i18n, ui
from orderhub_core.charts import examples as charts
from orderhub_core.flows.ground import Ground
from orderhub_core.rules import rulebook
from orderhub_core.rules.lab import board as lab_board
from orderhub_core.rules.lab import example_texts as say
from orderhub_core.rules.lab import examples, texts
from orderhub_core.rules.lab.examples import Bench, Make
from orderhub_core.rules.language.parsing import parse_condition
from orderhub_core.rules.tree import ALWAYS, Rulebook
from orderhub_core.store import snapshot

NOTEBOOK = "rule_example"
EN, ZH = i18n.translator("en"), i18n.translator("zh")
BOOK = rulebook.read(lab_board.BOOK["zh"]).book
GIFT = {"group": "赠品", "name": "", "verb": "add_gift", "argument": "FREE-09 × 1"}


@pytest.fixture
def ground(copied: Path) -> Ground:
    lab = hub.connect().lab
    return lab.ground(lab.periods()[0])


@pytest.fixture
def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    rows = [
        f"A{n},paid,2026-11-{n} 08:00,2026-11-{n} 08:05,{100 * n},{'广东省' if n % 2 else '浙江省'},S{n},1,{100 * n}"
        for n in range(11, 19)
    ]
    with hub_of(rows, tmp_path, monkeypatch) as opened:
        yield opened


def bench(ground: Ground, book: Rulebook = BOOK, lang: str = "en") -> Bench:
    return Bench.of(ground.orders, lab_board.words(book, lang))


def answer(bench: Bench, orders: pl.DataFrame, lines: pl.DataFrame, do: str, numbers: str = "") -> dict[str, object]:
    """As the form sends it: rows of the table that is shown."""
    return {"rows": bench.listed(orders, lines), "do": do, "numbers": numbers}


def marked(ground: Ground, line: str, each: int = 6) -> dict[int, bool]:
    """Some orders for which a condition holds, and some for which it does not."""
    own = parse_condition(line, lab_board.words(BOOK, "en").speech)
    assert not own.mistakes
    taken = ground.held(own.when, "Asia/Shanghai")
    others = ground.orders.join(taken, on="order_id", how="anti", maintain_order="left")
    return dict.fromkeys(taken["order_id"].head(each), True) | dict.fromkeys(others["order_id"].head(2 * each), False)


def test_orders_are_marked_as_they_are_chosen_or_numbered_and_forgotten_again(ground: Ground) -> None:
    desk, (first, second, third, *_) = bench(ground), ground.orders["order_id"]
    rows = ground.orders.filter(pl.col("order_id").is_in([first, second]))
    marks = desk.marked({third: True}, answer(desk, rows, ground.lines, "no"))
    assert marks == {third: True, first: False, second: False}
    number = desk.called.names([first])[0]
    assert desk.marked(marks, answer(desk, rows.clear(), ground.lines, "yes", f" {number}，{number}\n")) == {
        third: True, second: False, first: True,
    }  # fmt: skip
    assert desk.marked(marks, answer(desk, rows, ground.lines, "forget")) == {third: True}


@pytest.mark.parametrize(
    ("numbers", "told"), [("", "Choose orders, or write their numbers."), ("4711", "no order 4711 in this period")]
)
def test_an_answer_that_marks_nothing_is_told(ground: Ground, numbers: str, told: str) -> None:
    assert told in bench(ground).lacks({"rows": [], "do": "yes", "numbers": numbers})


def test_orders_are_listed_by_a_condition_and_its_mistakes_told_in_the_readers_words(ground: Ground) -> None:
    words = lab_board.words(BOOK, "zh")
    rows, wrong = examples.only(ground, "省份 = 广东 且 订单金额 >= 300", words)
    plain = ground.orders.filter(pl.col("province").str.starts_with("广东"), pl.col("total_minor") >= 30_000)
    assert wrong == "" and 0 < rows.height == plain.height
    assert rows["paid_at"].to_list() == sorted(rows["paid_at"].to_list(), reverse=True)
    assert examples.only(ground, " ", words)[0].height == ground.orders.height
    rows, wrong = examples.only(ground, "省分 = 广东", words)
    assert rows.height == ground.orders.height and "省份" in wrong
    rows, wrong = examples.only(ground, "买家历史订单数 > 3", words)
    assert rows.height == ground.orders.height and wrong
    rows, wrong = examples.only(ground, "包裹数 > 1", words)
    assert rows.height == ground.orders.height and "parcels" in wrong


def test_the_rule_that_the_marks_mean_is_found_with_what_it_overlaps(ground: Ground) -> None:
    marks = marked(ground, "province = 广东 and total >= 300")
    found = examples.found(ground, marks, BOOK, lab_board.words(BOOK, "en"))
    best = found.chosen(None)
    assert best is not None and best.separates and found.notes == ()
    shown = examples.candidates(found, lab_board.words(BOOK, "en"))
    assert shown.height == len(found.findings.candidates) and shown.row(0)[1] == 0
    assert shown.row(0)[3] == shown.row(0)[2] - 6
    assert "分仓 / 华南" in shown.row(0)[4]
    assert found.chosen(ALWAYS) == best


def test_orders_worth_a_look_say_why_each_once(ground: Ground) -> None:
    desk = bench(ground)
    alike = ground.orders.filter(pl.col("province") == "广东省")["order_id"].head(4).to_list()
    rest = ground.orders.filter(pl.col("province") != "广东省")["order_id"].head(6).to_list()
    marks = dict.fromkeys(alike, True) | dict.fromkeys(rest, False) | {rest[0]: True}
    found = examples.found(ground, marks, BOOK, desk.words)
    best = found.chosen(None)
    assert best is not None
    told = examples.look(best, found, ground, desk)
    between = {number for one in found.findings.candidates for number in one.undecided}
    wanted = {*best.missed, *best.wrongly, *between, *best.nearest}
    assert between
    assert sorted(told["Order"]) == sorted(desk.called.names(sorted(wanted)))
    reasons = dict(told.select("Order", "Why").iter_rows())
    wrongs = {**dict.fromkeys(best.missed, "missed"), **dict.fromkeys(best.wrongly, "wrongly")}
    assert {number: reasons[desk.called.names([number])[0]] for number in wrongs} == {
        number: say.REASONS[why] for number, why in wrongs.items()
    }


def test_too_few_marks_and_those_of_another_period_are_told(ground: Ground) -> None:
    words, some = lab_board.words(BOOK, "en"), ground.orders["order_id"][0]
    only_one = examples.found(ground, {some: True, -7: False}, BOOK, words)
    assert only_one.chosen(None) is None
    assert [said for said, _ in only_one.notes] == [
        say.ELSEWHERE.format(n=1), say.NOT_YET.format(should=1, should_not=0),
    ]  # fmt: skip
    assert examples.candidates(only_one, words).is_empty()


def test_orders_that_say_the_same_and_are_marked_differently_are_owned_up_to(living: hub.Hub) -> None:
    ground = living.lab.ground(living.lab.periods()[0])
    desk, first = bench(ground), int(ground.orders["order_id"][0])
    copy = pl.lit(-1, pl.Int32).alias("order_id")
    twin = Ground(
        pl.concat(
            [ground.orders, ground.orders.head(1).with_columns(copy, order_no=pl.lit("TWIN"))], how="vertical_relaxed"
        ),
        pl.concat(
            [ground.lines, ground.lines.filter(pl.col("order_id") == first).with_columns(copy)], how="vertical_relaxed"
        ),
    )
    found = examples.found(twin, {first: True, -1: False}, BOOK, desk.words)
    best = found.chosen(None)
    assert best is not None and not best.separates
    told = [said for said, _ in examples.notes(found, bench(twin))]
    assert say.NONE_SEPARATES in told
    assert any("TWIN are marked differently, and nothing that is known tells them apart" in said for said in told)


def test_a_book_that_asks_what_a_copy_has_not_hides_only_the_overlaps(ground: Ground) -> None:
    book = rulebook.read(
        '[[groups]]\nname = "g"\nmatch = "all"\n[[groups.rules]]\nname = "new"\n'
        'when = "buyer_orders = 0"\nthen = "tag NEW"\n'
    ).book
    found = examples.found(ground, marked(ground, "total >= 300"), book, lab_board.words(book, "en"))
    assert found.findings.candidates and found.findings.candidates[0].overlaps == ()
    assert any("overlaps with the rules of this book is not known" in said for said, _ in found.notes)


def test_the_rule_becomes_a_draft_of_the_hub_to_begin_with_in_the_lab(living: hub.Hub) -> None:
    lab = living.lab
    lab.editions.save(lab_board.BOOK["zh"], by="ann")
    lab.editions.change("publish", "草稿-1", by="ann")
    ground = lab.ground(lab.periods()[0])
    found = examples.found(ground, marked(ground, "total >= 1500", 3), BOOK, lab_board.words(BOOK, "zh"))
    best = found.chosen(None)
    assert best is not None, found
    make = Make(lab, "草稿-1", lab.text("草稿-1"), best.condition, "zh")
    assert make.lacks(GIFT | {"verb": None}) == "请选动作。"
    asked = GIFT | {"version": "", "by": "bo", "comment": ""}
    assert make.lacks(asked | {"by": " "}) == "请写明确认人。"
    assert "草稿-1 是 ann 的" in make.lacks(asked)
    assert make.kept(asked).notes[-1][1] == "bad" and len(lab.kept()) == 1
    asked |= {"version": "v2", "comment": "照样例"}
    assert make.lacks(asked) == ""
    made = make.kept(asked)
    assert [tone for _, tone in made.notes] == ["good", "good", "info"]
    assert lab.text("v2") == made.text == rulebook.with_version(made.text, "v2")
    assert made.text.startswith(lab_board.BOOK["zh"].rstrip().replace('"草稿-1"', '"v2"')), "nothing else is changed"
    first = lab_board.starts(lab.states(), ZH)
    assert first["options"][first["value"]] == "v2"
    begun = examples.begins(first, made)
    assert begun["options"][begun["value"]] == "v2"
    rule = lab.book("v2").groups[-1].rules[-1]
    assert (rule.when, rule.then[0].argument) == (best.condition, "FREE-09")


def test_a_second_rule_comes_to_the_first_and_no_other_draft_is_replaced(living: hub.Hub) -> None:
    lab = living.lab
    lab.editions.save(lab_board.BOOK["zh"], by="ann")
    cheap, dear = (
        parse_condition(f"total {line}", lab_board.words(BOOK, "en").speech).when for line in ("< 5", ">= 9")
    )
    asked = GIFT | {"version": "v2", "by": "bo", "comment": ""}
    first = Make(lab, "草稿-1", lab.text("草稿-1"), cheap, "zh").kept(asked)
    over = Make(lab, "草稿-1", lab.text("草稿-1"), dear, "zh")
    assert over.lacks(asked) == "已经有版本 v2：请在上面选它接着做，或另起一个名称。"
    made = Make(lab, first.begun, lab.text("v2"), dear, "zh")
    assert made.lacks(asked | {"version": ""}) == ""
    made.kept(asked | {"version": ""})
    rules = lab.book("v2").groups[-1].rules
    assert [rule.when for rule in rules[-2:]] == [cheap, dear]


def test_a_copy_gives_the_draft_as_a_file(ground: Ground) -> None:
    best = examples.found(ground, marked(ground, "total >= 300"), BOOK, lab_board.words(BOOK, "zh")).chosen(None)
    assert best is not None
    made = Make(hub.connect().lab, "", lab_board.BOOK["zh"], best.condition, "en").kept(GIFT)
    assert [said for said, _ in made.notes][1:] == [say.READ_ONLY]
    book, mistakes = rulebook.read(made.text)
    assert mistakes == () and book.groups[-1].rules[-1].when == best.condition


def test_orders_of_the_lab_come_marked_by_their_numbers(ground: Ground) -> None:
    rows = ground.orders.tail(3)
    href = html.unescape(re.findall('href="(.*?)"', ui.link(*lab_board.as_examples(rows, EN)).text)[0])
    (numbers,) = parse_qs(urlsplit(href).query)["should"]
    assert examples.given(ground.orders, [*numbers.split("\n"), "4711"]) == dict.fromkeys(rows["order_id"], True)


def test_the_page_over_a_copy(board: ModuleType, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = hub.connect().lab
    orders = lab.ground(lab.periods()[0]).orders
    monkeypatch.setattr(ui, "asked", lambda name: ["4711", ""])  # nothing that is an order's
    outputs, names = board.app.run()
    words = page(outputs)
    assert names["marks"]() == {} and say.NOT_YET.format(should=0, should_not=0) in words
    monkeypatch.setattr(ui, "asked", lambda name: (orders["shop"] + "/" + orders["order_no"]).head(20).to_list())
    words = page(board.app.run()[0])
    assert "Marked orders" in words and "Make a draft" not in words


def test_chinese_leaves_no_english_behind(board: ModuleType, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "language", lambda: "zh")
    words = page(board.app.run()[0])
    assert "以例求规则" in words
    assert set(re.findall(r"[A-Za-z]{3,}", words)) <= {"English"}


def test_without_paid_orders_it_says_what_to_do(board: ModuleType, folder: Path) -> None:
    snapshot.write(folder, {}, snapshot.Meta(as_of=NOW))
    assert texts.NO_ORDERS in page(board.app.run()[0])


def test_no_hub_is_one_sentence(board: ModuleType, folder: Path) -> None:
    assert "The hub cannot be read" in page(board.app.run()[0])


@pytest.mark.parametrize(("lang", "word"), [("zh", "抖音"), ("en", "douyin")])
def test_orders_are_listed_and_drawn_by_the_word_of_their_channel(ground: Ground, lang: str, word: str) -> None:
    one = bench(ground, lang=lang)
    rows = ground.orders.filter(pl.col("platform").cast(pl.String) == "douyin").head(3)
    assert rows.height
    assert set(one.listed(rows, ground.lines)[one.words.tr("Channel")]) == {word}
    assert set(charts.orders(rows, one.words).data["platform"]) == {word}


def test_of_an_order_without_lines_no_goods_are_named(ground: Ground) -> None:
    rows = bench(ground).listed(ground.orders.head(3), ground.lines.clear())
    assert rows["Goods"].to_list() == [""] * 3
