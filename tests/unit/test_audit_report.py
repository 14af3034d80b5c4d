"""Who is blamed and why, the report as JSON, and the command line over real files."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from orderhub_core.audit import texts
from orderhub_core.audit.blame import CAUSES
from orderhub_core.audit.report import Report, audit
from orderhub_core.audit.verdicts import CONSISTENT, VERDICTS
from orderhub_core.audit.words import STAGES
from orderhub_core.entry.commands.audit import app
from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT
from orderhub_core.i18n import translator

NOW = 1_790_000_000_000_000
HOUR = 3_600_000_000


def one(**said: tuple[str, float | None]) -> Report:
    """An audit, as of NOW, of one order: per touchpoint its word and how many hours ago it was updated."""
    frames = {
        name: pl.DataFrame(
            {"order_no": ["1"], "status": [word], "at": [None if age is None else int(NOW - age * HOUR)]}
        )
        for name, (word, age) in said.items()
    }
    return audit(
        {name: frame.cast({"at": pl.Int64}).cast({"at": INSTANT}) for name, frame in frames.items()}, as_of=NOW
    )


def told(report: Report) -> tuple[str, str, str]:
    row = report.findings.row(0, named=True)
    return row["verdict"], row["probably_wrong"], row["cause"]


def test_one_behind_two_who_agree_has_lost_an_event():
    assert told(one(page=("已签收", 5), crm=("客户已收", 5), wms=("已锁库", 60))) == ("conflict", "wms", "lost_event")


def test_one_behind_young_news_is_late():
    assert told(one(page=("已签收", 0.1), crm=("客户已收", 0.2), wms=("已锁库", 60))) == ("lagging", "wms", "late_poll")


def test_one_updated_last_to_an_earlier_stage_went_backwards():
    assert told(one(page=("已签收", 5), crm=("客户已收", 6), wms=("已锁库", 2))) == (
        "conflict",
        "wms",
        "illegal_regression",
    )


def test_a_page_that_says_shipped_while_the_others_still_work_on_it_is_ahead_of_the_truth():
    assert told(one(page=("已发货", 9), crm=("配货中", 3), wms=("已打单", 2))) == (
        "conflict",
        "page",
        "forged_progress",
    )


def test_two_alone_with_times_blame_the_older_one_that_is_behind():
    assert told(one(page=("已签收", 3), wms=("已锁库", 9))) == ("conflict", "wms", "lost_event")


@pytest.mark.parametrize(
    "said",
    [
        {"page": ("delivered", None), "wms": ("paid", None)},  # no times
        {"page": ("delivered", 9), "wms": ("paid", 3)},  # a regression or a lie: two cannot tell
        {"page": ("cancelled", 9), "wms": ("delivered", 3)},  # neither follows from the other
        {"page": ("paid", None), "crm": ("shipped", None), "wms": ("delivered", None)},  # three stories
    ],
)
def test_nobody_is_named_where_nothing_tells(said):
    assert told(one(**said)) == ("conflict", "", "unknown")


def test_a_majority_is_named_without_times_but_no_cause_is():
    assert told(one(page=("shipped", None), crm=("shipped", None), wms=("paid", None))) == (
        "conflict",
        "wms",
        "unknown",
    )


def test_unknown_words_gaps_and_doubles_name_their_touchpoint():
    assert told(one(page=("hocus", 1), crm=("paid", 1), wms=("paid", 1))) == ("unknown_word", "page", "mapping_error")
    assert told(one(page=("", 1), crm=("paid", 1), wms=("paid", 1))) == ("not_comparable", "page", "unknown")
    paid = pl.DataFrame({"order_no": ["1"], "status": ["paid"]})
    doubled = audit({"a": paid, "b": pl.concat([paid, paid]), "c": paid})
    assert told(doubled) == ("duplicate", "b", "duplicate")
    assert told(audit({"a": paid, "b": paid, "c": paid.clear()})) == ("missing", "c", "missing_row")
    assert told(audit({"a": paid, "b": paid.clear(), "c": paid.clear()})) == ("missing", "", "missing_row")


def test_the_json_says_what_the_frames_say():
    frames = {
        name: pl.DataFrame({"order_no": ["1", "2", "3", "4"], "status": words})
        for name, words in {
            "page": ["delivered", "shipped", None, "paid"],
            "crm": ["delivered", "paid", "paid", "paid"],
            "wms": ["delivered", "shipped", "paid", "待发货"],
        }.items()
    }
    report = audit(frames, sample=2, seed=7)
    text = report.to_json()
    assert "\n" not in text
    document = json.loads(text)
    assert document["population"] == {
        "orders": 4,
        "consistent": 2,
        "rate": 0.5,
        "by_verdict": {**dict.fromkeys(VERDICTS, 0), "equal": 1, "compatible": 1, "not_comparable": 1, "conflict": 1},
    }
    sample = document["sample"]
    assert (sample["size"], sample["seed"]) == (2, 7)
    assert sample["rate"] == sample["consistent"] / 2
    assert sample["interval"]["level"] == 0.95
    assert sample["interval"]["low"] <= sample["rate"] <= sample["interval"]["high"]
    assert document["findings_total"] == 2
    assert document["findings"][0] == {
        "order_no": "2",
        "verdict": "conflict",
        "field": "status",
        "values": {"page": "shipped", "crm": "paid", "wms": "shipped"},
        "probably_wrong": "crm",
        "cause": "unknown",
    }
    assert document["findings"][1]["values"]["page"] is None
    assert json.loads(report.to_json(limit=1))["findings"] == document["findings"][:1]
    assert json.loads(report.to_json(limit=0))["findings"] == []
    assert set(report.sheet()["order_no"]) == set(report.sample["order_no"])


def test_an_empty_population_has_no_rate():
    empty = pl.DataFrame(schema={"order_no": pl.String, "status": pl.String})
    document = json.loads(audit({"a": empty, "b": empty}, as_of=NOW).to_json())
    assert document["population"]["rate"] is None
    assert document["sample"]["rate"] is None
    assert document["sample"]["interval"] == {"low": 0.0, "high": 1.0, "level": 0.95}
    assert document["findings"] == []


def test_everything_people_read_has_a_text_and_a_chinese_one():
    english = {*texts.VERDICTS.values(), *texts.CAUSES.values(), *texts.JUDGEMENTS.values()}
    assert set(texts.VERDICTS) == set(VERDICTS)
    assert set(texts.CAUSES) == set(CAUSES)
    for text in {*english, *(stage.replace("_", " ") for stage in STAGES)}:
        assert translator("zh")(text) != text


# --- command line ---------------------------------------------------------------------------------------------------


@pytest.fixture
def exports(tmp_path: Path) -> list[str]:
    files = {
        "page": "order_no,status\n1,delivered\n2,shipped\n3,\n4,shipped\n",
        "crm": "order_no,status\n1,delivered\n2,processing\n3,shipped\n",
        "wms": "order_no,status\n1,Delivered\n2,shipped\n3,shipped\n4,shipped\n",
    }
    arguments = []
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        arguments += ["--touchpoint", f"{name}={tmp_path / name}.csv"]
    return arguments


def test_files_are_compared_and_the_last_line_is_the_report(exports):
    result = CliRunner().invoke(
        app, ["files", *exports, "--sample", "3", "--seed", "7", "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0
    document = json.loads(result.stdout.strip().splitlines()[-1])
    assert document["population"]["consistent"] == 1
    assert {row["order_no"]: row["verdict"] for row in document["findings"]} == {
        "2": "conflict",
        "3": "not_comparable",
        "4": "missing",
    }


def test_people_get_sentences_and_a_limit(exports):
    result = CliRunner().invoke(app, ["files", *exports, "--limit", "1"], catch_exceptions=False)
    assert "page, crm, wms: orders 4, of which consistent 1 (25.00%)" in result.stdout
    assert "and 2 more" in result.stdout


@pytest.mark.parametrize(("bound", "code"), [("0.2", 0), ("0.3", 1)])
def test_the_exit_code_warns_only_when_asked(exports, bound, code):
    assert CliRunner().invoke(app, ["files", *exports, "--fail-under", bound]).exit_code == code


def test_words_of_ones_own(exports, tmp_path):
    (tmp_path / "words.toml").write_text('[words.crm]\nprocessing = ["shipped"]\n', encoding="utf-8")
    arguments = ["files", *exports, "--words", str(tmp_path / "words.toml"), "--json"]
    document = json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout)
    assert sum(document["population"]["by_verdict"][verdict] for verdict in CONSISTENT) == 2


def test_times_in_the_files_excuse_young_news(tmp_path):
    for name, word, clock in (("page", "已签收", "11:55"), ("crm", "客户已收", "11:50"), ("wms", "已打包", "08:00")):
        text = f"订单号,状态,更新时间\n7001,{word},2026-11-11 {clock}:00\n"
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    files = [part for name in ("page", "crm", "wms") for part in ("--touchpoint", f"{name}={tmp_path / name}.csv")]
    runs = {
        at: json.loads(
            CliRunner().invoke(app, ["files", *files, "--as-of", at, "--json"], catch_exceptions=False).stdout
        )
        for at in ("2026-11-11T12:00:00+08:00", "2026-11-11T13:00:00+08:00")
    }
    assert [run["findings"][0]["verdict"] for run in runs.values()] == ["lagging", "conflict"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--touchpoint", "page.csv", "--touchpoint", "b=b.csv"], "NAME=FILE"),
        (["--touchpoint", "a=x.csv", "--touchpoint", "a=y.csv"], "name of its own"),
        (["--touchpoint", "a=PAGE"], "2 to 16"),
        (["--touchpoint", "a=PAGE", "--touchpoint", "b=PAGE", "--as-of", "noon"], "write a time like"),
        (["--touchpoint", "a=PAGE", "--touchpoint", "b=PAGE", "--as-of", "2026-11-11T12:00:00"], "time zone"),
        (["--touchpoint", "a=PAGE", "--touchpoint", "b=PAGE", "--words", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments, hint, exports):
    page = exports[1].partition("=")[2]
    result = CliRunner().invoke(app, ["files", *(part.replace("PAGE", page) for part in arguments)])
    assert isinstance(result.exception, UserMistake)
    assert hint in str(result.exception)


def test_rows_without_an_order_number_are_left_out_and_told(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("order_no,status\n1,paid\n,paid\n", encoding="utf-8")
    files = [part for name in ("a", "b") for part in ("--touchpoint", f"{name}={tmp_path / name}.csv")]
    result = CliRunner().invoke(app, ["files", *files, "--json"], catch_exceptions=False)
    assert json.loads(result.stdout)["population"]["orders"] == 1
    assert "without an order number" in result.stderr


def test_extra_columns_are_compared_and_a_persons_are_neither_compared_nor_shown(tmp_path):
    texts_of = {
        "page": "order_no,status,实付金额,收货人\n1,delivered,12.50,王小明\n"
        '2,delivered,"¥1,250.00",王小明\n3,delivered,12.50,\n',
        "crm": "订单号,状态,支付金额,收件人\n1,已签收,12.5,李雷\n2,已签收,1250,李雷\n3,已签收,12.51,李雷\n",
    }
    files = []
    for name, text in texts_of.items():
        (tmp_path / f"{name}.csv").write_bytes(text.encode("gb18030"))
        files += ["--touchpoint", f"{name}={tmp_path / name}.csv"]
    result = CliRunner().invoke(app, ["files", *files, "--json"], catch_exceptions=False)
    document = json.loads(result.stdout.splitlines()[-1])
    assert [(row["order_no"], row["field"], row["verdict"]) for row in document["findings"]] == [
        ("3", "paid", "conflict")
    ]
    assert document["findings"][0]["values"] == {"page": "12.50", "crm": "12.51"}
    assert document["population"]["consistent"] == 2
    assert "王小明" not in result.output and "收货人" in result.stderr


def test_a_preset_compares_only_what_its_touchpoints_carry(tmp_path):
    (tmp_path / "a.csv").write_text("order_no,status,paid,tracking_no\n1,卖家已发货,1,SF1\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("order_no,status,paid,tracking_no\n1,已揽件,2,SF1\n", encoding="utf-8")
    files = ["--touchpoint", f"taobao={tmp_path}/a.csv", "--touchpoint", f"courier={tmp_path}/b.csv", "--json"]
    free = json.loads(CliRunner().invoke(app, ["files", *files], catch_exceptions=False).stdout)
    bound = json.loads(CliRunner().invoke(app, ["files", *files, "--preset", "supply"], catch_exceptions=False).stdout)
    assert list(free["fields"]) == ["status", "paid", "tracking_no"]
    assert list(bound["fields"]) == ["status", "tracking_no"]
    wrong = CliRunner().invoke(app, ["files", *files, "--preset", "service"])
    assert isinstance(wrong.exception, UserMistake) and "page, crm, wms" in str(wrong.exception)


@pytest.mark.parametrize(
    "content", [b"", b"%PDF-1.4\n1 0 obj\n", b"\x89PNG\r\n\x1a\n\0\0", b"PK\x03\x04nonsense", b"<html>"]
)
def test_a_file_of_another_kind_is_one_clear_sentence(exports, tmp_path, content):
    (tmp_path / "odd").write_bytes(content)
    result = CliRunner().invoke(app, ["files", *exports, "--touchpoint", f"odd={tmp_path / 'odd'}"])
    assert isinstance(result.exception, UserMistake)
    assert "odd: " in str(result.exception) and "\n" not in str(result.exception)


def test_an_order_that_stands_twice_and_is_torn_is_two_findings(tmp_path):
    (tmp_path / "a.csv").write_text("order_no,status\n1,paid\n1,paid\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("order_no,status\n1,delivered\n", encoding="utf-8")
    files = ["--touchpoint", f"a={tmp_path}/a.csv", "--touchpoint", f"b={tmp_path}/b.csv", "--json"]
    document = json.loads(CliRunner().invoke(app, ["files", *files], catch_exceptions=False).stdout)
    assert [row["verdict"] for row in document["findings"]] == ["conflict", "duplicate"]
    assert document["findings"][1]["probably_wrong"] == "a"
    assert document["population"]["by_verdict"]["conflict"] == document["population"]["orders"] == 1


def test_the_self_test_is_a_command_with_its_seed_and_bars():
    result = CliRunner().invoke(app, ["selftest", "--seed", "5", "--orders", "6000", "--json"], catch_exceptions=False)
    document = json.loads(result.stdout.splitlines()[-1])
    assert result.exit_code == 0 and document["passed"] and document["seed"] == 5
    assert {one["kind"] for one in document["outcomes"]} >= {"lost_event", "forged_progress", "wrong_zone"}
    shown = CliRunner().invoke(app, ["selftest", "--orders", "6000"], catch_exceptions=False).stdout
    assert "Seed 7" in shown and "bars 0.99 each: met" in shown
