"""The nine questions of IBM's Optimization Explainer, asked of `orderhub rules explain` as a user would."""

import datetime as dt
import json
import re

import polars as pl
import pytest
from commands import orderhub

BOOK = """
version = "7"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign nearest"
[[groups.rules]]
name = "onesies"
when = "category = 连体衣"
then = "assign chengdu"
[[groups]]
name = "more"
match = "all"
[[groups.rules]]
name = "may-part"
when = "total >= 500"
then = "split warehouse; carrier SF"
[[groups.rules]]
name = "dear"
when = "total >= 2000"
then = "hold review; approve lead; split never"
[[groups.rules]]
name = "pouch"
when = "total >= 500"
then = "gift POUCH"
"""
NOON = dt.datetime(2026, 11, 11, 4, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
ORDERS = pl.DataFrame(
    {
        # Near Hangzhou. EARLIER takes the hoodies of Hangzhou; PART needs what no warehouse has whole.
        "order_no": ["PART", "EARLIER", "NEAR", "FAR", "DEAR", "SENT", "BARE", "NONE"],
        "total_minor": [60_000, 30_000, 10_000, 10_000, 300_000, 10_000, 10_000, 10_000],
        "placed_at": [NOON - 60 * SECOND] * 8,
        "paid_at": [NOON, NOON - SECOND, NOON + SECOND, NOON + 2 * SECOND, NOON + 3 * SECOND, NOON, None, NOON],
        "promised_at": [NOON + 3600 * SECOND] * 8,
        "shipped_at": [None] * 5 + [NOON + 60 * SECOND, None, None],
        "payment": ["paid"] * 6 + ["unpaid", "paid"],
        "carrier": ["ZTO"] * 8,
        "province": ["浙江省"] * 8,
        "latitude": [30.2] * 8,
        "longitude": [120.2] * 8,
    },
    schema_overrides={"shipped_at": pl.Datetime("us", "UTC")},
)
LINES = pl.DataFrame(
    [
        ("PART", 1, "HOOD", "卫衣", 2), ("PART", 2, "MASK", "面膜", 1), ("EARLIER", 1, "HOOD", "卫衣", 1),
        ("NEAR", 1, "MASK", "面膜", 1), ("FAR", 1, "BODY", "连体衣", 1), ("DEAR", 1, "MASK", "面膜", 1),
        ("SENT", 1, "MASK", "面膜", 1), ("BARE", 1, "MASK", "面膜", 1), ("NONE", 1, "GONE", "面膜", 1),
    ],
    schema={"order_no": pl.String, "line_no": pl.Int64, "sku": pl.String, "category": pl.String, "quantity": pl.Int64},
    orient="row",
)  # fmt: skip
STOCK = """warehouse,sku,on_hand,safety
hangzhou,HOOD,2,0
hangzhou,MASK,9,1
hangzhou,POUCH,9,
chengdu,HOOD,5,
chengdu,BODY,5,
chengdu,POUCH,5,
"""
WAREHOUSES = "warehouse,latitude,longitude\nhangzhou,30.3,120.1\nchengdu,30.6,104.0\n"
FREIGHT = {
    "weights.csv": "sku,weight_g\nHOOD,600\nMASK,100\nBODY,300\n",
    "zones.csv": "warehouse,province,zone\nhangzhou,浙江省,near\nchengdu,浙江省,far\n",
    "tariffs.csv": "warehouse,zone,from_g,base_minor,step_g,step_minor\n"
    "hangzhou,near,0,500,0,0\nchengdu,far,0,900,0,0\nchengdu,far,1000,900,1000,400\n",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "r.toml").write_text(BOOK, encoding="utf-8")
    ORDERS.write_parquet(tmp_path / "orders.parquet")
    LINES.write_parquet(tmp_path / "lines.parquet")
    (tmp_path / "stock.csv").write_text(STOCK, encoding="utf-8")
    (tmp_path / "warehouses.csv").write_text(WAREHOUSES, encoding="utf-8")
    for name, text in FREIGHT.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


ALL = ("--stock", "stock.csv", "--warehouses", "warehouses.csv", "--freight", ".")


def run(folder, number, *options):
    paths = ["--rules", "r.toml", "--orders", "orders.parquet", "--lines", "lines.parquet"]
    return orderhub("rules", "explain", number, *paths, *options, folder=folder)


def asked(folder, number, *options):
    done = run(folder, number, "--questions", *options, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])["questions"]
    return {each["question"]: each["answer"] for each in told}, {each["question"]: each["figures"] for each in told}


def test_all_nine_questions_are_answered_of_an_order_that_goes_in_two_parcels(folder):
    told, figures = asked(folder, "PART", *ALL)
    assert list(told) == ["split", "shipping_cost", "further", "stock", "total_cost", "order_date", "ship_date",
                          "upgraded", "not_shipped"]  # fmt: skip
    # One hoodie of Hangzhou's two went to the order that was paid a second before.
    assert "hangzhou: 1 of HOOD left, 2 asked" in told["split"] and "may-part: total 600 >= 500" in told["split"]
    went = {(each["line_no"], each["warehouse"]) for each in figures["split"]}
    assert went == {(1, "chengdu"), (2, "hangzhou"), (1000, "chengdu")}  # the gift goes with its parent
    assert told["shipping_cost"] == "hangzhou, parcel 1: 5.00; chengdu, parcel 2: 13.00"
    assert "hangzhou: 1 of HOOD left, 2 asked" in told["further"]
    assert "hangzhou: HOOD 1 on hand, 0 of them kept back" in told["stock"]
    assert "hangzhou: MASK 9 on hand, 1 of them kept back" in told["stock"]
    assert told["total_cost"].startswith("18.00 in 2 parcel(s); whole from one warehouse: hangzhou 5.00; chengdu 13.00")
    assert told["order_date"] == "placed 2026-11-11 11:59:00+08:00; paid 2026-11-11 12:00:00+08:00"
    assert told["ship_date"] == "promised until 2026-11-11 13:00:00+08:00"
    assert told["upgraded"] == "SF, by the rule may-part: total 600 >= 500"
    assert told["not_shipped"] == "Nothing keeps it back; its warehouse has not shipped it yet."


@pytest.mark.parametrize(
    ("number", "question", "answer"),
    [
        ("NEAR", "split", "It is not split: it goes in 1 parcel(s)."),
        ("NEAR", "further", "It does not: hangzhou is the nearest."),
        ("FAR", "further", "A rule sends it to chengdu: onesies: some line: category = 连体衣"),
        ("FAR", "upgraded", "No rule chooses the carrier; the order's own is ZTO."),
        ("DEAR", "split", "It is not split: dear: total 3000 >= 2000"),
        ("DEAR", "not_shipped", "held (review, blocks allocate, push, ship) by dear: total 3000 >= 2000"),
        ("DEAR", "not_shipped", "dear asks for the approval of lead"),
        ("SENT", "not_shipped", "It is shipped."),
        ("SENT", "ship_date", "shipped 2026-11-11 12:01:00+08:00"),
        ("BARE", "not_shipped", "it is not paid"),
        ("NONE", "not_shipped", "no warehouse has it: hangzhou: 0 of GONE left, 1 asked; chengdu: 0 of GONE left"),
        ("NONE", "shipping_cost", "Nothing goes yet, so nothing is paid."),
    ],
)
def test_each_question_has_the_answer_of_its_order(folder, number, question, answer):
    assert answer in asked(folder, number, *ALL)[0][question]


def test_what_nobody_has_said_is_asked_for(folder):
    told, _ = asked(folder, "FAR")
    assert told["stock"] == "Nobody has said what was there: give --stock."
    assert told["shipping_cost"].startswith("Nobody has said what parcels cost: give --freight")
    assert told["further"].startswith("A rule sends it to chengdu")


SPREAD = """warehouse,sku,on_hand
hangzhou,MASK,9
hangzhou,POUCH,9
chengdu,HOOD,5
attic,BIB,5
"""
WHOLE = STOCK.replace("HOOD,2,0", "HOOD,9,0") + "hangzhou,BIB,5,\n"


@pytest.mark.parametrize(
    ("way", "stock", "answer", "in_chinese"),
    [
        ("warehouse at most 2", STOCK + "hangzhou,BIB,5,\nattic,BIB,5,\n", ", and rules allow 2 at most: may-part: ",
         "，而规则最多允许 2 个：may-part"),
        ("warehouse at most 2", STOCK, "It goes in 2 parcel(s), because no warehouse has it whole (hangzhou: 1 of HOOD"
         " left, 2 asked; chengdu: 0 of MASK left, 1 asked), and rules allow it: may-part: ", "may-part"),
        ("warehouse at most 2", SPREAD, ", and rules allow 2 parcels at most: may-part: ",
         "，而规则最多允许 2 个包裹：may-part"),
        ("sku at most 2", WHOLE, "A rule puts each sku into parcels of its own, 2 at most: may-part: ",
         "规则要求按SKU各自成包，最多 2 个：may-part"),
    ],
)  # fmt: skip
def test_how_many_parcels_a_rule_allows_is_told(folder, way, stock, answer, in_chinese):
    (folder / "r.toml").write_text(BOOK.replace("split warehouse", f"split {way}"), encoding="utf-8")
    (folder / "stock.csv").write_text(stock, encoding="utf-8")
    if stock != STOCK:
        bib = pl.DataFrame([("PART", 3, "BIB", "围兜", 1)], schema=LINES.schema, orient="row")
        pl.concat([LINES, bib]).write_parquet(folder / "lines.parquet")
    told, figures = asked(folder, "PART", *ALL)
    assert answer in told["split"]
    assert len({each["parcel"] for each in figures["split"]}) == (0 if stock == SPREAD else 2)
    assert in_chinese in run(folder, "PART", "--questions", *ALL, "--lang", "zh").stdout


ENGLISH = re.compile(r"[A-Za-z][A-Za-z_]{2,}")
NAMES = {"hangzhou", "chengdu", "onesies", "may", "part", "dear", "more", "routing", "HOOD", "MASK", "BODY", "GONE",
         "POUCH", "lead", "pouch", "SKU", "ZTO"}  # fmt: skip
"""Of the rulebook and its data: nobody translates them."""


@pytest.mark.parametrize("number", ["PART", "EARLIER", "NEAR", "FAR", "DEAR", "SENT", "BARE", "NONE"])
def test_every_word_of_the_answers_is_chinese_but_for_names(folder, number):
    (folder / "r.toml").write_text(BOOK.replace("split warehouse", "split category"), encoding="utf-8")
    told = run(folder, number, "--questions", *ALL, "--lang", "zh").stdout
    answers = told[told.index("1. 为什么拆单？") :]
    # Of what is missing, the options' own names are told.
    assert {*ENGLISH.findall(re.sub(r"--\w+|latitude|longitude", "", answers))} - NAMES == set()
    if number == "DEAR":
        assert "被 dear 挂起（人工审核，拦住 选库存、下发仓库、发货）：订单金额 >= 2000 [订单金额 3000]" in answers
    if number == "PART":
        assert "规则要求按品类各自成包：may-part：订单金额 >= 500 [订单金额 600]" in answers


def test_they_are_told_in_chinese(folder):
    told = run(folder, "PART", "--questions", *ALL, "--lang", "zh").stdout
    assert "1. 为什么拆单？" in told and "9. 为什么还没发货？" in told and "hangzhou：HOOD 剩 1 件，需 2 件" in told


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("stock.csv", "warehouse,sku,on_hand\nhangzhou,HOOD,many\n", "stock.csv, line 2: on_hand is 'many'"),
        ("stock.csv", "warehouse,sku\n", "stock.csv: there is no column 'on_hand'"),
        ("warehouses.csv", "warehouse,latitude\nhangzhou,north\n", "warehouses.csv, line 2: latitude is 'north'"),
        ("warehouses.csv", "warehouse,enabled\nhangzhou,perhaps\n", "line 2: enabled is 'perhaps'"),
    ],
)
def test_files_that_do_not_fit_end_in_one_sentence(folder, name, text, told):
    (folder / name).write_text(text, encoding="utf-8")
    done = run(folder, "PART", *ALL)
    assert (done.returncode, told in done.stderr, len(done.stderr.splitlines())) == (2, True, 1), done.stderr
