"""`orderhub rules example` on files: the planted rule comes back, what is told of it is what a plain count says, and
what cannot be told apart or read is owned up to in one sentence."""

import datetime as dt
import json

import polars as pl
import pytest
from commands import orderhub

from orderhub_core.rules import rulebook
from orderhub_core.rules.language.parsing import parse_condition
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.tree import Every, Leaf, Op

CHANNELS = ("douyin", "taobao", "jd")
PROVINCES = ("浙江省", "广东省", "江苏省", "四川省", "北京市")
COUNT = 600
NOON = dt.datetime(2026, 11, 11, 4, tzinfo=dt.UTC)
ORDERS = pl.DataFrame(
    {
        "order_no": [f"A{n}" for n in range(COUNT)],
        "shop": [f"s{n % 4}" for n in range(COUNT)],
        "platform": [CHANNELS[n * 7 % 3] for n in range(COUNT)],
        "province": [PROVINCES[n * 11 % 13 % 5] for n in range(COUNT)],
        "total_minor": [(n * 7919 % 600) * 100 + 50 for n in range(COUNT)],
        "paid_at": [NOON + dt.timedelta(minutes=n * 37 % 10_000) for n in range(COUNT)],
    }
)
LINES = pl.DataFrame(
    {
        "order_no": [f"A{n}" for n in range(COUNT)],
        "shop": [f"s{n % 4}" for n in range(COUNT)],
        "line_no": [1] * COUNT,
        "category": [("面膜", "连体衣", "杯子")[n * 5 % 7 % 3] for n in range(COUNT)],
        "quantity": [1 + n % 2 for n in range(COUNT)],
    }
)
DOUYIN, DEAR = pl.col("platform") == "douyin", pl.col("total_minor") >= 30_000
PLANTED = Every((Leaf("channel", Op.IS, ("douyin",)), Leaf("total", Op.AT_LEAST, (30_000,))))
BOOK = """
version = "7"
[words.channel]
"抖店" = "douyin"
[[groups]]
name = "routing"
match = "first"
[[groups.rules]]
name = "douyin-only"
when = "channel = douyin"
then = "assign hangzhou"
[[groups.rules]]
name = "cheap"
when = "total < 1"
then = "assign chengdu"
"""


def numbers(condition, count, *, by="total_minor", descending=False):
    return ORDERS.filter(condition).sort(by, descending=descending)["order_no"].head(count).to_list()


SHOULD = numbers(DOUYIN & DEAR, 6) + numbers(DOUYIN & DEAR, 3, descending=True)
SHOULD_NOT = numbers(DOUYIN & ~DEAR, 5, descending=True) + numbers(~DOUYIN & DEAR, 6) + numbers(~DOUYIN & ~DEAR, 3)


@pytest.fixture
def files(tmp_path):
    def write(orders=ORDERS, lines=LINES, book=BOOK):
        (tmp_path / "r.toml").write_text(book, encoding="utf-8")
        orders.write_parquet(tmp_path / "orders.parquet")
        lines.write_parquet(tmp_path / "lines.parquet")
        return tmp_path

    return write


def run(folder, *options, should=SHOULD, should_not=SHOULD_NOT, lines=True):
    asked = ["--should", ",".join(should), "--should-not", ",".join(should_not), *options]
    files = ["--orders", "orders.parquet", *(["--lines", "lines.parquet"] if lines else [])]
    return orderhub("rules", "example", *files, *asked, folder=folder)


def answer(done):
    return json.loads(done.stdout.splitlines()[-1])


def refused(done):
    """The one sentence of a mistake."""
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and not done.stdout
    return done.stderr


def test_a_planted_rule_comes_back_with_what_a_plain_count_says_of_it(files):
    done = run(files(), "--rules", "r.toml", "--json")
    assert done.returncode == 0, done.stderr
    told = answer(done)
    first = told["candidates"][0]
    assert parse_condition(first["line"], of_book(rulebook.read(BOOK).book)).when == PLANTED
    takes = set(ORDERS.filter(DOUYIN & DEAR)["order_no"])
    assert (told["orders"], told["separates"], told["alike"]) == (COUNT, True, [])
    assert (told["should"], told["should_not"]) == (SHOULD, SHOULD_NOT)
    assert (first["taken"], first["counter_examples"]) == (len(takes), len(takes - set(SHOULD)))
    assert (first["missed"], first["wrongly"], first["undecided"]) == ([], [], [])
    assert len(first["nearest"]) == 5 and set(first["nearest"]) <= takes - set(SHOULD)
    of_douyin = ORDERS.filter(DOUYIN).height
    assert first["overlaps"] == [{"group": "routing", "rule": "douyin-only", "orders": of_douyin, "both": len(takes)}]
    for other in told["candidates"][1:]:
        assert other["undecided"] and not set(other["undecided"]) & {*SHOULD, *SHOULD_NOT}


def test_it_is_told_in_either_language_and_in_the_words_of_the_book(files):
    folder = files()
    english = run(folder, "--best", "2").stdout.splitlines()
    assert english[0] == "1. channel = douyin and total >= 300"
    assert "   takes 100 of 600 orders" in english and "   all marked orders are right" in english
    assert [line[:2] for line in english if not line.startswith(" ")] == ["1.", "2."]
    chinese = run(folder, "--rules", "r.toml", "--lang", "zh").stdout
    assert chinese.startswith("1. 渠道 = 抖店 且 订单金额 >= 300\n")
    assert "与 routing / douyin-only 重叠：它的 200 单中有 100 单" in chinese


def test_lines_are_asked_where_they_are_given(files):
    cups = LINES.filter(pl.col("category") == "杯子")["order_no"].to_list()
    others = [number for number in ORDERS["order_no"] if number not in set(cups)]
    told = answer(run(files(), "--json", should=cups[:15], should_not=others[:25]))
    assert told["candidates"][0]["line"] == "category = 杯子"
    assert told["candidates"][0]["taken"] == len(cups)
    blind = answer(run(files(), "--json", should=cups[:15], should_not=others[:25], lines=False))
    assert not [each for each in blind["candidates"] if "category" in each["line"]]


def test_an_amount_that_is_no_number_is_missing(files):
    amounts = pl.when(DEAR).then(pl.col("total_minor") / 100).otherwise(float("nan"))
    done = run(files(ORDERS.with_columns(total=amounts).drop("total_minor")), "--json")
    assert done.returncode == 0, done.stderr
    assert answer(done)["candidates"][0]["line"] == "channel = douyin and total is known"


def test_the_numbers_may_stand_in_a_file(files):
    folder = files()
    (folder / "wanted.txt").write_text("\ufeff" + "\r\n".join([*SHOULD[3:], "", SHOULD[0]]), encoding="utf-8")
    told = answer(run(folder, "--should-file", "wanted.txt", "--json", should=SHOULD[:3]))
    assert told["should"] == SHOULD
    assert answer(run(folder, "--should-file", "wanted.txt", "--json", should=()))["should"] == [*SHOULD[3:], SHOULD[0]]
    assert "--should-file none.txt cannot be read" in refused(run(folder, "--should-file", "none.txt"))
    (folder / "wanted.txt").write_bytes("订单".encode("gb18030"))
    assert "wanted.txt is not UTF-8 text" in refused(run(folder, "--should-file", "wanted.txt"))


def test_marks_that_no_rule_tells_apart_are_owned_up_to_with_exit_code_1(files):
    twin = ORDERS[[0, 0]].with_columns(order_no=pl.Series(["T1", "T2"]))
    folder = files(pl.concat([ORDERS, twin]))
    done = run(folder, should=["T1"], should_not=["T2", "A5"], lines=False)
    assert done.returncode == 1, done.stderr
    assert "none of these rules tells the marked orders apart" in done.stdout
    assert "! T1 and T2 are marked differently, and nothing that is known tells them apart" in done.stdout
    told = run(folder, "--json", should=["T1"], should_not=["T2", "A5"], lines=False)
    assert told.returncode == 1
    found = answer(told)
    assert not found["separates"] and {"should": "T1", "should_not": "T2", "differ_in": []} in found["alike"]
    assert all(each["missed"] == ["T1"] or "T2" in each["wrongly"] for each in found["candidates"])


def test_where_nothing_is_known_of_the_wanted_orders_there_is_no_rule(files):
    bare = pl.DataFrame({"order_no": ["A1", "A2"], "province": [None, "浙江省"]})
    done = run(files(bare), should=["A1"], should_not=["A2"], lines=False)
    assert done.returncode in (0, 1) and "province is missing" in done.stdout
    nothing = pl.DataFrame({"order_no": ["A1", "A2"], "province": [None, None], "total_minor": [None, None]})
    done = run(files(nothing), "--lang", "zh", should=["A1"], should_not=["A2"], lines=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("没有规则可给")


def test_an_order_of_several_shops_is_named_with_its_shop_and_told_so(files):
    other = ORDERS.with_columns(shop=pl.lit("x9"), province=pl.lit("海南省"))
    folder = files(pl.concat([ORDERS, other]))
    assert "2 shops have an order A300: write it with its shop, SHOP/A300" in refused(run(folder))
    named = [f"x9/{number}" for number in SHOULD]
    told = answer(run(folder, "--json", should=named, should_not=[f"s{int(n[1:]) % 4}/{n}" for n in SHOULD_NOT]))
    assert told["should"] == named
    assert told["candidates"][0]["taken"] == COUNT  # all of this shop, or of its province
    marked = [name for each in told["candidates"] for name in (*each["nearest"], *each["undecided"])]
    assert marked and all("/" in name for name in marked)
    own = answer(run(folder, "--shop", "x9", "--json"))
    assert own["should"] == named and own["should_not"] == [f"x9/{number}" for number in SHOULD_NOT]
    assert "no order A300" in refused(run(folder, "--shop", "nowhere"))


@pytest.mark.parametrize(
    ("marks", "options", "told"),
    [
        ({"should": ()}, (), "should take: name some by --should or --should-file"),
        ({"should_not": (" ", "")}, (), "should not take: name some by --should-not"),
        ({"should": ("A1", "B1", "B2", "B3", "B4")}, (), "there is no order B1, B2, B3 and 1 more in orders.parquet"),
        ({"should": ("A1", "A2"), "should_not": ("A3", "A2")}, (), "order A2 is marked both ways"),
        ({"should": [f"A{n}" for n in range(70)], "should_not": ["A99"]}, (), "71 orders are marked: 60 at most"),
        ({}, ("--best", "0"), "--best 0: ask for one candidate at least"),
        ({}, ("--rules", "none.toml"), "rulebook none.toml cannot be read"),
        ({}, ("--orders", "none.parquet"), "none.parquet cannot be read"),
        ({}, ("--lines", "r.toml"), "r.toml is no Parquet file"),
    ],
)
def test_mistakes_end_in_one_sentence(files, marks, options, told):
    assert told in refused(run(files(), *options, **marks))


@pytest.mark.parametrize(
    ("orders", "lines", "told"),
    [
        (ORDERS.with_columns(total_minor=pl.lit("x")), LINES, "'total_minor' of the orders holds String, not whole"),
        (ORDERS.with_columns(paid_at=pl.col("paid_at").dt.replace_time_zone(None)), LINES, "'paid_at' of the orders"),
        (ORDERS.with_columns(shop=1), LINES, "the column 'shop' holds String, and that of orders Int32"),
        (ORDERS, LINES.with_columns(category=1), "'category' of the lines holds Int32, not text"),
        (ORDERS.drop("order_no"), LINES, "no column 'order_no'"),
        (
            ORDERS.drop("province").with_columns(省份=pl.lit("a"), 收货省份=pl.lit("b")),
            LINES,
            "means the same as another",
        ),
        (ORDERS.with_columns(total_minor=pl.lit(2**63, pl.UInt64)), LINES, "'total_minor' holds a number that is too"),
        (
            ORDERS.rename({"total_minor": "total"}).with_columns(total=pl.lit(1e30)),
            LINES,
            "'total' holds a number that is too",
        ),
        (ORDERS.drop("shop"), LINES.drop("shop"), "--shop s1: orders.parquet has no column 'shop'"),
    ],
)
def test_files_that_do_not_fit_end_in_one_sentence(files, orders, lines, told):
    options = () if "shop" in orders else ("--shop", "s1")
    assert told in refused(run(files(orders, lines), *options))


def test_signals_are_asked_as_of_the_payment(files):
    stormy = BOOK.replace("total < 1", "storm")
    folder = files(book=stormy)
    assert "give them by --signals" in refused(run(folder, "--rules", "r.toml"))
    until = NOON + dt.timedelta(minutes=2_000)
    report = {"signal": ["storm"], "of": ["province"], "subject": ["浙江省"], "number": [1], "since": [NOON]}
    pl.DataFrame({**report, "until": [until]}).write_parquet(folder / "signals.parquet")
    asked = ("--rules", "r.toml", "--signals", "signals.parquet")
    stormed = (pl.col("province") == "浙江省") & (pl.col("paid_at") < until)
    (overlap,) = [each for each in answer(run(folder, *asked, "--json"))["candidates"][0]["overlaps"]
                  if each["rule"] == "cheap"]  # fmt: skip
    assert overlap["orders"] == ORDERS.filter(stormed).height > 0
    assert overlap["both"] == ORDERS.filter(stormed & DOUYIN & DEAR).height > 0
    files(ORDERS.drop("paid_at"), book=stormy)
    assert "no column 'paid_at'" in refused(run(folder, *asked))


def test_what_the_buyers_of_a_file_paid_before_is_asked_for_too(files):
    named = ORDERS.with_columns(buyer=pl.Series([f"b{n * 7 % 150}" for n in range(COUNT)]))
    earlier = pl.col("paid_at").rank("min").over("shop", "buyer") - 1
    known = named.with_columns(earlier=earlier).sort("paid_at")
    wanted, others = (known.filter(rule)["order_no"].to_list() for rule in (earlier == 0, earlier > 0))
    told = answer(run(files(named), "--json", should=wanted[:10] + wanted[-10:], should_not=others[:15] + others[-15:]))
    assert told["candidates"][0]["line"] in ("buyer_first", "buyer_first = yes", "buyer_orders = 0", "buyer_orders < 1")
    assert told["candidates"][0]["taken"] == len(wanted)
