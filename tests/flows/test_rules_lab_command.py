"""`orderhub rules replay` and `rules sweep`: on files without a hub, and on a hub's own orders."""

from __future__ import annotations

import datetime as dt
import json

import polars as pl
import pytest
from commands import orderhub

NOON = dt.datetime(2026, 11, 11, 4, tzinfo=dt.UTC)
ORDERS = pl.DataFrame(
    {
        "order_no": [f"A{n}" for n in range(1, 7)],
        "province": ["广东省", "浙江省"] * 3,
        "total_minor": [10_000 * n for n in range(1, 7)],
        "currency": ["CNY"] * 6,
        "paid_at": [NOON + dt.timedelta(hours=n) for n in range(6)],
        "promised_at": [NOON + dt.timedelta(days=2)] * 6,
    }
)
LINES = pl.DataFrame(
    {
        "order_no": ["A1", "A2", "A3", "A4", "A5", "A6", "A6"],
        "line_no": [1, 1, 1, 1, 1, 1, 1001],
        "sku": ["S"] * 6 + ["POUCH"],
        "category": ["杯子"] * 7,
        "quantity": [1] * 7,
        "price_minor": [1] * 6 + [0],
        "gift_of": pl.Series([None] * 6 + [1], dtype=pl.Int32),
    }
)
OLD = 'version = "1"\n[[groups]]\nname = "routing"\nmatch = "first"\notherwise = "assign hangzhou"\n'
NEW = f"""{OLD.replace('"1"', '"2"')}
[[groups.rules]]
name = "south"
when = "province = 广东"
then = "assign guangzhou"
[[groups.rules]]
name = "never"
when = "province = 西藏"
then = "assign chengdu"
[[groups]]
name = "gifts"
match = "all"
[[groups.rules]]
name = "pouch"
when = "total >= 500"
then = "gift POUCH"
[[groups]]
name = "care"
match = "all"
[[groups.rules]]
name = "dear"
when = "total >= 600"
then = "hold review"
"""
FILES = ("--orders", "orders.parquet", "--lines", "lines.parquet")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "old.toml").write_text(OLD, encoding="utf-8")
    (tmp_path / "new.toml").write_text(NEW, encoding="utf-8")
    ORDERS.write_parquet(tmp_path / "orders.parquet")
    LINES.write_parquet(tmp_path / "lines.parquet")
    return tmp_path


def run(folder, *command):
    made = orderhub(*command, folder=folder)
    assert "Traceback" not in made.stderr
    return made


def told(folder, *command):
    return json.loads(run(folder, *command, "--json").stdout.splitlines()[-1])


def test_a_replay_on_files_says_who_moves_and_what_is_won(folder):
    found = told(folder, "rules", "replay", "new.toml", "--against", "old.toml", *FILES)
    moves = [
        (row["from"], row["to"], row["orders"], row["amount_minor"]) for row in found["matrix"]["assign_warehouse"]
    ]
    assert moves == [("hangzhou", "guangzhou", 3, 90_000), ("hangzhou", "hangzhou", 3, 120_000)]
    figures = found["figures"]
    assert (figures["orders"], figures["changed"], figures["moved"]) == (6, 4, 3)
    assert (figures["gifts_won"], figures["pieces"], figures["held"], figures["at_risk"]) == (2, [0, 2], [0, 1], [0, 1])
    assert (figures["hours_over"], figures["freight_minor"]) == (None, None)
    rules = {row["rule"]: (row["acts"], row["worth"], row["finding"]) for row in found["rules"]}
    assert rules["south"] == (3, 3, "") and rules["never"] == (0, 0, "never_hit") and rules["pouch"] == (2, 2, "")
    cliffs = {row["rule"]: (row["just_in"], row["just_out"]) for row in found["cliffs"]}
    assert cliffs == {"pouch": (1, 0), "dear": (1, 0)}


def test_a_period_limits_and_prices_narrow_and_widen_it(folder):
    tables = {
        "weights": "sku,weight_g\nS,400\n",
        "zones": "warehouse,province,zone\nhangzhou,浙江省,1\nguangzhou,广东省,1\nhangzhou,广东省,2\n",
        "tariffs": "warehouse,zone,from_g,base_minor,step_g,step_minor\n"
        "hangzhou,1,0,500,0,0\nhangzhou,2,0,900,0,0\nguangzhou,1,0,600,0,0\n",
    }
    (folder / "prices").mkdir()
    for name, content in tables.items():
        (folder / "prices" / f"{name}.csv").write_text(content, encoding="utf-8")
    found = told(
        folder, "rules", "replay", "new.toml", "--against", "old.toml", *FILES, "--from", "2026-11-11T13:00",
        "--to", "2026-11-11T16:00+08:00", "--capacity", "guangzhou=0", "--freight", "prices",
    )  # fmt: skip
    assert found["figures"]["orders"] == 3
    assert found["figures"]["hours_over"] == [0, 1]
    # Two orders from Zhejiang at 5.00; the one from Guangdong costs 9.00 from Hangzhou and 6.00 from Guangzhou.
    assert found["figures"]["freight_minor"] == [1_900, 1_600]


def test_words_and_exit_codes(folder):
    made = run(folder, "rules", "replay", "new.toml", *FILES, "--lang", "zh")
    assert made.returncode == 1
    assert "换仓订单: 6" in made.stdout and "没有订单符合" in made.stdout
    same = run(folder, "rules", "replay", "old.toml", "--against", "old.toml", *FILES)
    assert (same.returncode, same.stdout.splitlines()[0]) == (0, "1 → 1, orders: 6")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("replay", "none.toml", *FILES), "none.toml cannot be read"),
        (("replay", "new.toml", *FILES, "--capacity", "hangzhou"), "write a warehouse and orders an hour"),
        (("replay", "new.toml", *FILES, "--freight", "."), "there is no weights.csv, zones.csv or tariffs.csv"),
        (("replay", "new.toml", *FILES, "--from", "yesterday"), "--from 'yesterday': write a time like"),
        (("sweep", *FILES), "name the rulebook by --rules"),
    ],
)
def test_mistakes_are_one_sentence(folder, command, said):
    made = run(folder, "rules", *command)
    assert made.returncode == 2
    assert said in made.stderr


def test_a_sweep_lists_the_orders_that_miss_a_gift_with_the_reason(folder):
    made = run(folder, "rules", "sweep", "--rules", "new.toml", *FILES)
    assert made.returncode == 1
    assert made.stdout.splitlines()[0] == "1 orders miss 1 pieces of gifts by version 2"
    assert "A5" in made.stdout and "total 500 >= 500" in made.stdout and "A6" not in made.stdout
    found = told(folder, "rules", "sweep", "--rules", "new.toml", *FILES)
    (row,) = found["missed"]
    assert "When rules began to decide is not known here" in made.stdout and found["older"] == []
    assert (row["order_no"], row["sku"], row["due"], row["given"], row["rules"]) == ("A5", "POUCH", 1, 0, "pouch")
    assert run(folder, "rules", "sweep", "--rules", "old.toml", *FILES).returncode == 0


def test_what_the_lab_leaves_out_is_named_where_its_figures_stand(folder):
    assert told(folder, "rules", "replay", "new.toml", *FILES)["left_out"] == []
    more = (
        '[[groups]]\nname = "apart"\nmatch = "first"\notherwise = "split stock"\n'
        '[[parcels]]\nname = "couriers"\nmatch = "first"\notherwise = "carrier zto"\n'
        '[[parcels.rules]]\nname = "two"\nwhen = "parcels >= 2"\nthen = "carrier sf"\n'
    )
    (folder / "more.toml").write_text(NEW + more, encoding="utf-8")
    parcels, place = told(folder, "rules", "replay", "more.toml", *FILES)["left_out"]
    assert parcels.startswith("Rules on parcels are not tried here, and no figure has what they say: two.")
    assert "their number and their freight are not known" in place
    said = run(folder, "rules", "replay", "more.toml", *FILES).stdout
    assert parcels in said and place in said


def test_a_hub_replays_its_own_orders_against_what_decides_now(folder):
    ORDERS.select(
        "order_no", "province", status=pl.lit("paid"), placed_at=pl.lit("2026-11-11 09:00"),
        paid_at=pl.col("paid_at").dt.convert_time_zone("Asia/Shanghai").dt.strftime("%Y-%m-%d %H:%M"),
        total=pl.col("total_minor") / 100, sku=pl.lit("S"), quantity=1, price=1.0,
    ).write_csv(folder / "export.csv")  # fmt: skip
    home = ("--data", folder / "hub")
    run(folder, "db", "init", *home)
    run(folder, "rules", "publish", "old.toml", "--by", "ann", *home)
    assert run(folder, "import", "export.csv", "--mapping", "generic", *home).returncode == 0
    found = told(folder, "rules", "replay", "new.toml", *home)
    assert (found["before"], found["after"], found["figures"]["moved"]) == ("1", "2", 3)
    # The hub itself has added no gift yet, and could not have known the draft's rule.
    swept = told(folder, "rules", "sweep", "--rules", "new.toml", *home)
    assert (swept["missed"], [row["order_no"] for row in swept["older"]]) == ([], ["A5", "A6"])
    made = run(folder, "rules", "sweep", "--rules", "new.toml", *home)
    assert made.returncode == 0
    assert "2 orders are older than the rule; it would have given them 2 pieces" in made.stdout
    run(folder, "rules", "save", "new.toml", "--by", "ann", *home)
    again = told(folder, "rules", "replay", "2", "--against", "1", "--from", "2026-11-11T16:00", *home)
    assert again["figures"]["orders"] == 2
    gone = run(folder, "rules", "replay", "3", *home)
    assert gone.returncode == 2 and "'3' is neither a version that is kept nor a file" in gone.stderr
