"""`orderhub rules check`: what it says, in which language, and with which exit code."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orderhub_core.entry import cli
from orderhub_core.entry.demo import setting
from orderhub_core.rules import rulebook

GOOD = """
[words.warehouse]
"杭州仓" = "hangzhou"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou"
[[groups.rules]]
name = "onesies"
when = "渠道 = 抖音 且 品类 = 连体衣"
then = "assign 杭州仓"
"""
DOUBTFUL = GOOD + '[[groups.rules]]\nname = "never"\nwhen = "total < 5 and total > 5"\nthen = "tag a"\n'
NOTED = GOOD.replace('otherwise = "assign hangzhou"', "")
WRONG = GOOD.replace("抖音", "抖因").replace("assign 杭州仓", "asign 杭州仓")


def run(tmp_path: Path, text: str, *options: str) -> tuple[int, str]:
    path = tmp_path / "book.toml"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(cli.build("rules"), ["rules", "check", str(path), *options])
    return result.exit_code, result.output


@pytest.mark.parametrize(("text", "code"), [(GOOD, 0), (NOTED, 0), (DOUBTFUL, 1), (WRONG, 2)])
@pytest.mark.parametrize("options", [(), ("--lang", "zh"), ("--json",)])
def test_the_exit_code_tells_whether_the_book_can_be_used_and_does_what_it_says(tmp_path, text, code, options):
    assert run(tmp_path, text, *options)[0] == code


def test_rules_are_read_aloud_in_the_language_asked_for(tmp_path: Path):
    _, english = run(tmp_path, GOOD)
    assert "onesies: channel = douyin and category = 连体衣 -> assign hangzhou\n" in english
    assert english.endswith("no findings\n")
    _, chinese = run(tmp_path, GOOD, "--lang", "zh")
    assert "onesies: 渠道 = 抖音 且 品类 = 连体衣 → 分仓 杭州仓\n" in chinese
    assert "否则: 分仓 杭州仓\n" in chinese


def test_doubts_name_the_rule_and_the_conditions(tmp_path: Path):
    _, told = run(tmp_path, DOUBTFUL, "--lang", "zh")
    assert "警告：routing、never：它永远不会成立：订单金额 < 5 与 订单金额 > 5 互相矛盾\n" in told


def test_all_mistakes_are_told_with_a_mark_under_the_word(tmp_path: Path):
    _, told = run(tmp_path, WRONG)
    assert told.count("^^^^") == 2
    assert "the nearest is 抖音" in told
    assert "there is no action asign; the nearest is assign" in told


def test_the_file_is_named_that_is_wrong(tmp_path: Path):
    for text, language, told in [
        ("not toml", "en", "book.toml: one mistake\nthis is not TOML: "),
        (WRONG, "zh", "book.toml：2 处错误\n"),
    ]:
        assert told in run(tmp_path, text, "--lang", language)[1]


def test_the_answer_as_json_holds_lines_mistakes_and_findings(tmp_path: Path):
    good = json.loads(run(tmp_path, GOOD, "--json")[1].splitlines()[-1])
    assert good["rules"] == [
        {
            "group": "routing",
            "rule": "onesies",
            "line": "channel = douyin and category = 连体衣 -> assign hangzhou",
            "note": "",
        }
    ]
    assert good["mistakes"] == good["findings"] == []
    (finding,) = json.loads(run(tmp_path, DOUBTFUL, "--json")[1].splitlines()[-1])["findings"]
    assert (finding["code"], finding["level"], finding["rule"]) == ("never_both", "warning", "never")
    wrong = json.loads(run(tmp_path, WRONG, "--json", "--lang", "zh")[1].splitlines()[-1])
    assert [(one["code"], one["marked"], one["column"], one["suggestion"]) for one in wrong["mistakes"]] == [
        ("unknown_value", "抖因", 6, "抖音"),
        ("unknown_verb", "asign", 1, "assign"),
    ]
    assert wrong["mistakes"][0]["place"] == ["routing", "onesies", "when"]
    assert wrong["rules"] == []


def test_the_demos_own_book_is_without_fault():
    result = CliRunner().invoke(cli.build("rules"), ["rules", "check", str(setting.RULEBOOK)])
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "no findings")


BOTH = (
    GOOD.replace('"onesies"', '"onesies"\nnote = "他们的连体衣"')
    + """# a comment
[[groups.rules]]
name = "big"
when = { type = "leaf", field = "total", op = ">=", values = [29900] }
then = [{ verb = "assign_warehouse", argument = "hangzhou" }]
"""
)


@pytest.mark.parametrize(
    ("language", "when"),
    [
        ("en", ["channel = douyin and category = 连体衣", "total >= 299"]),
        ("zh", ["渠道 = 抖音 且 品类 = 连体衣", "订单金额 >= 299"]),
    ],
)
def test_a_book_is_written_again_in_one_language(tmp_path, language, when):
    code, told = run(tmp_path, BOTH, "--write", str(tmp_path / "new.toml"), "--lang", language)
    assert (code, told.splitlines()[-1].endswith("new.toml")) == (0, True)
    text = (tmp_path / "new.toml").read_text(encoding="utf-8")
    (group,) = tomllib.loads(text)["groups"]
    assert [rule["when"] for rule in group["rules"]] == when
    assert rulebook.read(text).book == rulebook.read(BOTH).book
    assert run(tmp_path, text, "--write", str(tmp_path / "book.toml"), "--lang", language)[0] == 0
    assert (tmp_path / "book.toml").read_text(encoding="utf-8") == text, "what is canonical stays as it is"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.toml", "new.toml"]


def test_a_book_with_mistakes_is_not_written_and_a_folder_is_the_users_mistake(tmp_path, monkeypatch, capsys):
    assert run(tmp_path, WRONG, "--write", str(tmp_path / "new.toml"))[0] == 2
    assert not (tmp_path / "new.toml").exists()
    run(tmp_path, GOOD)
    monkeypatch.setattr(
        "sys.argv", ["orderhub", "rules", "check", str(tmp_path / "book.toml"), "--write", str(tmp_path)]
    )
    assert cli.main() == 2
    assert "cannot be written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["book.toml"]


def test_a_file_that_is_not_there_is_the_users_mistake(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["orderhub", "rules", "check", str(tmp_path / "none.toml")])
    assert cli.main() == 2
    assert "none.toml cannot be read" in capsys.readouterr().err


TWO_WRONG = """version = "v1"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzou"
[[groups.rules]]
name = "full"
when = "load(guanzhou) > 90 or 负荷(mars) > 80 or load(hangzhou) > 70"
then = "assign guangzhou"
"""
WAREHOUSES = '[[warehouses]]\nid = "hangzhou"\nconnector = ""\n[[warehouses]]\nid = "guangzhou"\nconnector = ""\n'


def test_every_unknown_name_is_told_at_once_and_what_nobody_measures(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("ORDERHUB_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    code, told = run(tmp_path, TWO_WRONG)
    assert (code, "names of warehouses, bases and notifiers are not looked at" in told) == (0, True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orderhub.toml").write_text(WAREHOUSES, encoding="utf-8")
    code, told = run(tmp_path, TWO_WRONG)
    assert code == 2
    for name, near in {"guanzhou": "; 'guangzhou'?", "mars": "they have", "hangzou": "; 'hangzhou'?"}.items():
        assert any(f"'{name}', which the settings do not have" in line and near in line for line in told.splitlines())
    assert "note: rule 'full' asks for the load of 'hangzhou', which has no orders_per_day" in told
    (tmp_path / "data" / "orderhub.toml").write_text(
        WAREHOUSES.replace('connector = ""', 'connector = ""\norders_per_day = 9'), encoding="utf-8"
    )
    assert "orders_per_day" not in run(tmp_path, TWO_WRONG)[1]


def test_one_mistake_hides_no_unknown_name_of_the_other_rules(tmp_path: Path):
    (tmp_path / "orderhub.toml").write_text(WAREHOUSES, encoding="utf-8")
    broken = TWO_WRONG.replace('version = "v1"', 'version = "v1"\nzoned = "x"')
    assert broken != TWO_WRONG
    code, told = run(tmp_path, broken, "--data", str(tmp_path))
    assert code == 2 and "one mistake" in told and "'guangzhou'?" in told and "they have" in told
    assert "note: rule 'full' asks for the load of 'hangzhou'" in told
    answer = json.loads(run(tmp_path, broken, "--data", str(tmp_path), "--json")[1].splitlines()[-1])
    assert len(answer["mistakes"]) == 1 and len(answer["refused"]) == 3
    words = broken + '[words.warehouse]\n"杭州仓" = 3\n'
    told = run(tmp_path, words, "--data", str(tmp_path))[1]
    assert "2 mistakes" in told and "'guangzhou'?" not in told, "a name may be one of the words that cannot be read"


WORDED = """version = "v1"
[words.warehouse]
"杭州仓" = "hangzhou"
[[groups]]
name = "routing"
match = "first"
otherwise = "分仓 杭洲仓"
[[groups.rules]]
name = "far"
when = "total > 900"
then = "assign chengdu"
"""


def test_the_words_of_the_book_are_among_the_names_that_may_be_meant_and_other_cities_are_not(tmp_path: Path):
    (tmp_path / "orderhub.toml").write_text(WAREHOUSES, encoding="utf-8")
    told = run(tmp_path, WORDED, "--data", str(tmp_path))[1]
    assert "'杭洲仓', which the settings do not have; '杭州仓'?" in told
    assert "'chengdu', which the settings do not have; they have hangzhou, guangzhou, 杭州仓" in told


CARRIERS = """version = "v1"
[words.carrier]
"丹鸟" = "danniao"
[[groups]]
name = "couriers"
match = "first"
otherwise = "carrier 顺风"
[[groups.rules]]
name = "heavy"
when = "total > 900"
then = "carrier 丹鸟"
[[groups.rules]]
name = "light"
when = "total > 90"
then = "carrier 中通快递"
"""


def test_a_carrier_that_is_no_carriers_name_is_told_with_the_one_that_may_be_meant(tmp_path: Path):
    code, told = run(tmp_path, CARRIERS, "--data", str(tmp_path))
    notes = [line for line in told.splitlines() if "carrier" in line and line.startswith("note")]
    assert code == 0 and len(notes) == 1, told
    assert "'顺风'" in notes[0] and notes[0].endswith("; '顺丰'?")


def test_places_are_held_against_the_settings_of_a_hub(tmp_path: Path):
    (tmp_path / "orderhub.toml").write_text('[[warehouses]]\nid = "hangzhuo"\nconnector = ""\n', encoding="utf-8")
    code, told = run(tmp_path, GOOD, "--data", str(tmp_path))
    assert code == 2 and "names the warehouse 'hangzhou', which the settings do not have; 'hangzhuo'?" in told
    (tmp_path / "orderhub.toml").write_text('[[warehouses]]\nid = "hangzhou"\nconnector = ""\n', encoding="utf-8")
    assert run(tmp_path, GOOD, "--data", str(tmp_path))[0] == 0


def test_nobody_hears_that_all_is_well_where_names_were_not_looked_at_or_are_wrong(tmp_path: Path):
    code, told = run(tmp_path, GOOD, "--data", str(tmp_path))
    assert (code, "are not looked at: no settings here" in told) == (0, True)
    code, told = run(tmp_path, GOOD, "--data", str(tmp_path / "nowhere"))
    assert code != 0 and "no findings" not in told
    (tmp_path / "orderhub.toml").write_text('[[warehouses]]\nid = "hangzhuo"\nconnector = ""\n', encoding="utf-8")
    code, told = run(tmp_path, GOOD, "--data", str(tmp_path))
    assert (code, "no findings" in told) == (2, False)
