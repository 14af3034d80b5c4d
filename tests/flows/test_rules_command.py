"""`orderhub rules eval` and `explain` on files: what is written, and what is said of files that do not fit."""

import datetime as dt
import json

import polars as pl
import pytest
from commands import orderhub

BOOK = """
version = "7"
[words.warehouse]
"杭州仓" = "hangzhou"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign guangzhou"
[[groups.rules]]
name = "onesies"
when = "渠道 = 抖音 且 品类 = 连体衣"
then = "分仓 杭州仓"
[[groups.rules]]
name = "big"
when = "total >= 500"
then = "assign chengdu"
[[groups]]
name = "gifts"
match = "all"
[[groups.rules]]
name = "pouch"
when = "total >= 299"
then = "gift POUCH x 2"
"""
NOON = dt.datetime(2026, 11, 11, 4, tzinfo=dt.UTC)
ORDERS = pl.DataFrame(
    {
        "order_no": ["A1", "A2", "A3"],
        "platform": ["douyin", "taobao", None],
        "total_minor": [30_000, 60_000, 100],
        "paid_at": [NOON, NOON, None],
    }
)
LINES = pl.DataFrame(
    {"order_no": ["A1", "A1", "A2", "A9"], "line_no": [1, 2, 1, 1], "category": ["面膜", "连体衣", "杯子", "杯子"]}
)


@pytest.fixture
def files(tmp_path):
    def write(orders=ORDERS, lines=LINES, book=BOOK):
        (tmp_path / "r.toml").write_text(book, encoding="utf-8")
        orders.write_parquet(tmp_path / "orders.parquet")
        lines.write_parquet(tmp_path / "lines.parquet")
        return tmp_path

    return write


def run(folder, *command, lines=("--lines", "lines.parquet")):
    paths = ["--rules", "r.toml", "--orders", "orders.parquet", *lines]
    return orderhub("rules", *command, *paths, folder=folder)


def test_decisions_of_the_orders_of_a_file(files):
    folder = files()
    done = run(folder, "eval", "--out", "decisions.parquet", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["orders"], told["decisions"], told["undecided"], told["stray_lines"]) == (3, 5, 0, 1)
    made = pl.read_parquet(folder / "decisions.parquet")
    assert made.select("order_no", "rule", "action", "argument", "quantity", "parent").rows() == [
        ("A1", "onesies", "assign_warehouse", "hangzhou", 1, None),
        ("A1", "pouch", "add_gift", "POUCH", 2, 1),
        ("A2", "big", "assign_warehouse", "chengdu", 1, None),
        ("A2", "pouch", "add_gift", "POUCH", 2, 1),
        ("A3", "otherwise", "assign_warehouse", "guangzhou", 1, None),
    ]
    assert made["reason"][0] == "channel = douyin; some line: category = 连体衣 (category: 连体衣, 面膜)"


def test_how_many_parcels_a_rule_allows_stands_in_its_decisions(files):
    folder = files(book=BOOK.replace("gift POUCH x 2", "拆单 按品类 最多 3"))
    assert run(folder, "eval", "--out", "decisions.parquet").returncode == 0
    made = pl.read_parquet(folder / "decisions.parquet").filter(pl.col("action") == "split")
    assert made.select("order_no", "argument").rows() == [("A1", "category at most 3"), ("A2", "category at most 3")]
    told = run(folder, "explain", "A1", "--lang", "zh").stdout
    assert "拆单 按品类 最多 3" in told
    wrong = run(files(book=BOOK.replace("gift POUCH x 2", "split category at most 11")), "eval", "--out", "d.parquet")
    assert (wrong.returncode, "a rule may allow 2 to 10 parcels" in wrong.stderr) == (2, True)


def test_columns_may_be_called_as_rules_call_them_and_hold_what_people_write(files):
    renamed = ORDERS.select("order_no", pl.col("platform").alias("渠道"), total=pl.col("total_minor") / 100)
    done = run(files(renamed), "eval", "--out", "decisions.parquet", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["decisions"] == 5


@pytest.mark.parametrize(
    ("orders", "lines", "told"),
    [
        (ORDERS.drop("order_no"), LINES, "no column 'order_no'"),
        (ORDERS.drop("total_minor"), LINES, "the orders have no column 'total_minor': rule 'big' asks for total"),
        (ORDERS.with_columns(total_minor=pl.lit("x")), LINES, "'total_minor' of the orders holds String, not whole"),
        (ORDERS.with_columns(order_no=1), LINES, "'order_no' holds Int32, not text"),
        (pl.concat([ORDERS, ORDERS[:1]]), LINES, "several times: A1"),
        (ORDERS.with_columns(order_no=pl.lit("")), LINES, "3 rows have no order_no"),
        (ORDERS, LINES.drop("order_no"), "lines.parquet: there is no column 'order_no'"),
        (ORDERS, LINES.drop("category"), "the lines have no column 'category': rule 'onesies'"),
        (ORDERS, LINES.with_columns(order_no=1), "'order_no' holds Int32, and that of orders String"),
        (ORDERS, LINES.drop("line_no"), "no column 'line_no'"),
    ],
)
def test_files_that_do_not_fit_end_in_one_sentence(files, orders, lines, told):
    done = run(files(orders, lines), "eval", "--out", "decisions.parquet")
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_all_that_files_lack_is_told_at_once_in_the_language_asked_for(files):
    folder = files(ORDERS.drop("total_minor"), LINES.drop("category", "line_no"))
    told = run(folder, "eval", "--out", "decisions.parquet").stderr
    assert [name for name in ("total_minor", "category", "line_no") if told.count(f"no column '{name}'") != 1] == []
    told = run(folder, "eval", "--out", "decisions.parquet", "--lang", "zh").stderr
    assert "订单表里没有 'total_minor' 列：规则 'big' 要用到 total（订单金额）；" in told
    assert "明细表里没有 'line_no' 列：赠品要跟着订单的某一行明细" in told


def test_files_that_are_none_end_in_one_sentence(files):
    folder = files()
    (folder / "lines.parquet").write_text("no parquet")
    assert "lines.parquet is no Parquet file" in run(folder, "eval", "--out", "x").stderr
    (folder / "orders.parquet").unlink()
    assert "orders.parquet cannot be read" in run(folder, "eval", "--out", "x").stderr
    files(book='version = "1"\n[[groups]]\nname = "g"\nmatch = "first"\notherwise = "assgn x"')
    assert run(folder, "eval", "--out", "x").returncode == 2


def test_without_lines_the_rules_that_read_them_are_named(files):
    folder = files(book=BOOK.replace("total >= 500", "line_count > 1"))
    told = "rules that read lines: 2, and no lines were given by --lines: onesies, big"
    assert told in run(folder, "eval", "--out", "x.parquet", lines=()).stdout
    assert told not in run(folder, "eval", "--out", "x.parquet").stdout
    assert "2 条规则要看商品明细" in run(folder, "explain", "A1", "--lang", "zh", lines=()).stdout
    made = json.loads(run(folder, "eval", "--out", "x.parquet", "--json", lines=()).stdout)
    assert made["rules_without_lines"] == ["onesies", "big"]


def test_one_order_is_explained_in_either_language(files):
    folder = files()
    english = run(folder, "explain", "A1").stdout
    assert "onesies → assign hangzhou" in english
    assert "✓ some line (category = 连体衣) [category 连体衣, 面膜]" in english
    assert "big → assign chengdu: lacks ✗ total >= 500 [total 300]" in english
    assert english.index("otherwise → assign guangzhou: passed over") < english.index("big → "), "the nearest first"
    chinese = run(folder, "explain", "A1", "--lang", "zh").stdout
    assert "onesies → 分仓 杭州仓" in chinese
    assert "✗ 订单金额 >= 500 [订单金额 300]" in chinese
    told = json.loads(run(folder, "explain", "A3", "--json").stdout)
    assert [rule["outcome"] for rule in told["rules"]] == ["unknown", "fails", "acts", "fails"]
    assert run(folder, "explain", "A7").returncode == 2


def test_a_limited_gift_is_given_to_who_paid_first_and_the_other_is_told_why(files):
    limited = BOOK.replace("gift POUCH x 2", "gift POUCH x 2 limit 3; gift CARD per 1")
    lines = LINES.with_columns(quantity=pl.lit(2))
    orders = ORDERS.with_columns(paid_at=pl.Series([NOON, NOON - dt.timedelta(seconds=1), None]))
    folder = files(orders, lines, limited)
    told = json.loads(run(folder, "eval", "--out", "decisions.parquet", "--json").stdout.splitlines()[-1])
    assert told["refused"] == [{"rule": "gifts / pouch / POUCH", "quota": "total", "orders": 1}]
    made = pl.read_parquet(folder / "decisions.parquet").filter(pl.col("action") == "add_gift")
    assert made.select("order_no", "argument", "quantity").rows() == [
        ("A1", "CARD", 4),
        ("A2", "POUCH", 2),
        ("A2", "CARD", 2),
    ]
    assert "gifts / pouch / POUCH: refused, the limit was reached" in run(folder, "eval", "--out", "d.parquet").stdout
    told = run(folder, "explain", "A1").stdout
    assert "! gifts / pouch / POUCH: not given: of 3 in all 1 are left, 2 asked" in told
    assert "未赠送：总量 3 件，剩 1 件，需 2 件" in run(folder, "explain", "A1", "--lang", "zh").stdout
    whole = json.loads(run(folder, "explain", "A1", "--json").stdout.splitlines()[-1])
    assert [each["argument"] for each in whole["decisions"]] == ["hangzhou", "CARD"]
    assert whole["refused"] == [{"rule": "gifts / pouch / POUCH", "quota": "total", "left": 1, "asked": 2, "limit": 3}]
    assert json.loads(run(folder, "explain", "A2", "--json").stdout.splitlines()[-1])["refused"] == []


@pytest.mark.parametrize(
    ("clause", "told"),
    [
        ("limit 0", "0 is no such number; write a whole number from 1 to"),
        ("limit many", "many is no such number"),
        ("per 2 per 3", "per is said twice of one gift"),
        ("buyer 1", "nothing tells buyers apart here: orders need a column 'buyer'"),
        ("per 1", "the lines have no column 'quantity': rule 'pouch' gives POUCH for every 1 bought"),
    ],
)
def test_a_gift_that_cannot_be_counted_ends_in_a_sentence(files, clause, told):
    folder = files(book=BOOK.replace("gift POUCH x 2", f"gift POUCH {clause}"))
    done = run(folder, "eval", "--out", "decisions.parquet")
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr


OF_PARCELS = (
    BOOK
    + """[[groups]]
name = "parcels"
match = "all"
[[groups.rules]]
name = "apart"
when = "total >= 1"
then = "split WAY"
[[parcels]]
name = "couriers"
match = "first"
otherwise = "carrier zto"
[[parcels.rules]]
name = "masks"
when = "category = 面膜 and parcels >= 2"
then = "carrier sf"
"""
)


def test_rules_on_parcels_are_asked_of_the_parcels_that_lines_make(files):
    folder = files(book=OF_PARCELS.replace("WAY", "category"))
    done = run(folder, "eval", "--out", "decisions.parquet", "--json")
    made = pl.read_parquet(folder / "decisions.parquet").filter(pl.col("action") == "carrier")
    assert made.select("order_no", "parcel", "argument").rows() == [
        ("A1", 1, "sf"), ("A1", 2, "zto"), ("A2", 1, "zto"), ("A3", 1, "zto"),
    ]  # fmt: skip
    counted = {(row["rule"], row["argument"]): row["orders"] for row in json.loads(done.stdout)["by_rule"]}
    assert (counted["masks", "sf"], counted["otherwise", "zto"]) == (1, 3), "orders, not parcels"
    told = run(folder, "explain", "A1", "--lang", "zh", "--questions").stdout
    assert "couriers，第 1 个包裹\n  masks → " in told and "couriers，第 2 个包裹" in told and "!" not in told
    assert "第 1 个包裹：顺丰，由规则 masks 选定：" in told and "；第 2 个包裹：中通，" in told
    bare = OF_PARCELS.replace("WAY", "category").replace('otherwise = "carrier zto"\n', "")
    folder = files(book=bare.replace('then = "carrier sf"', 'then = "carrier sf; tag MASK"'))
    told = run(folder, "explain", "A1", "--lang", "zh", "--questions").stdout
    assert "第 1 个包裹：顺丰，由规则 masks 选定：" in told and "第 2 个包裹：" not in told
    decided = json.loads(run(folder, "explain", "A1", "--json").stdout)["decisions"]
    assert [(row["action"], row["parcel"]) for row in decided if row["parcel"]] == [("carrier", 1), ("tag", 1)]
    assert run(folder, "explain", "A2").returncode == 0, "of its one parcel nothing is said"
    odd = LINES.with_columns(line_no=pl.Series(["L1", "L2", "L1", "L1"]), gift_of=pl.lit("L1"))
    folder = files(lines=odd, book=OF_PARCELS.replace("WAY", "category").replace("gift POUCH x 2", "tag BIG"))
    assert run(folder, "eval", "--out", "decisions.parquet").returncode == 0
    made = pl.read_parquet(folder / "decisions.parquet").filter(pl.col("action") == "carrier")
    assert made.select("order_no", "parcel").rows() == [("A1", 1), ("A1", 2), ("A2", 1), ("A3", 1)]
    folder = files(book=OF_PARCELS.replace("WAY", "stock"))
    for asked in ("explain", "A1"), ("eval", "--out", "decisions.parquet"):
        told = run(folder, *asked).stdout
        assert "! split by warehouse or stock, which the hub settles live; here they stay whole: " in told
        assert "! rules on parcels are asked of them as of one parcel" in told


def test_splits_that_stay_whole_are_counted_also_without_rules_on_parcels(files):
    book, _, _ = OF_PARCELS.partition("[[parcels]]")
    folder = files(book=book.replace("WAY", "warehouse"))
    done = json.loads(run(folder, "eval", "--out", "decisions.parquet", "--json").stdout)
    assert done["left_whole"] == done["orders"] == 3
    told = run(folder, "explain", "A1").stdout
    assert "here they stay whole: 1" in told and "rules on parcels" not in told
    never = book + '[[groups.rules]]\nname = "one"\nwhen = "total >= 1"\nthen = "split never"\n'
    folder = files(book=never.replace("WAY", "warehouse"))
    assert json.loads(run(folder, "explain", "A1", "--json").stdout)["left_whole"] == 0
    folder = files(book=book.replace("WAY", "category"))
    assert "stay whole" not in run(folder, "explain", "A1").stdout
