"""Every command that has `--lang` tells all it tells in Chinese: no English word is left that is not data."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from orderhub_core import hub
from orderhub_core.entry import cli
from orderhub_core.model import RawMessage
from orderhub_core.store import homes

EXPORT = (
    "order_no,status,placed_at,paid_at,total\nB1,paid,2026-01-01 10:00:00,2026-01-01 10:05:00,12.50\n"
    "B2,shipped,2026-01-01 10:00:00,,2.50\n"
)
PAGES = {
    "page": "订单号,状态,更新时间,实付金额\nA1,已发货,2026-01-01 10:00:00,1.00\nA2,待付款,2026-01-01 10:00:00,\n,,,\n"
    ",已发货,2026-01-01 10:00:00,1.00\n",
    "wms": "order_no,status,updated_at,paid,note,colour\nA1,已出库,2026-01-01T10:00:00+08:00,2.00,x,red\n"
    "A3,已出库,yesterday,1.00,x,red\n",
}
DATA = (
    r"`[^`]*`", r"--[a-z-]+", r"\{\".*\}", r"\S*/\S*", r"\S*\d\S*",
    r"\b(crm|page|wms|service|supply|stranger|other|order|push|ops|colour|red|yesterday|note|ann|yuan)\b",
    r"\b(douyin-main|douyin-outlet|hangzhou|guangzhou|chengdu|taobao-flag|pdd-value|mini-program|SF|ZTO|YTO|JD|STO|EMS)\b",
    r"\b(UTC|MB|SKU|TOML|CSV|JSON|Parquet|ERP)\b",
)  # fmt: skip
"""Options, paths, numbers and times; and the names that this file gives, or the pretend world."""
REASONS = (
    "no shop or touchpoint named 'stranger' in the settings",
    "no shop or touchpoint named 'other' in the settings",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hub that has orders, parked messages and conflicts, a pretend world, and files."""
    folder = tmp_path_factory.mktemp("spoken")
    (folder / "export.csv").write_text(EXPORT, encoding="utf-8")
    for name, text in PAGES.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    home = homes.Home(folder / "d")
    homes.init(home)
    opened = hub.Hub(home)
    opened.receive([RawMessage("stranger", f"m{n}", "order", b"{}") for n in range(4)])
    opened.receive([RawMessage("other", "m9", "push", b"{}"), RawMessage("stranger", "m0", "order", b'{"other": 1}')])
    opened.drain()
    opened.close()
    for line in ("import {f}/export.csv --mapping generic --data {f}/d", "demo --orders 400 --out {f}/world"):
        assert run(line, folder).exit_code == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of one's own."""
    shutil.copytree(made, tmp_path / "f")
    return tmp_path / "f"


def run(line: str, folder: Path) -> Result:
    """Over the hub, or after `world:` over the pretend world."""
    hub.connect.cache_clear()
    command = line.removeprefix("world: ")
    world = "" if command == line else str(folder / "world")
    env = {"ORDERHUB_DATA": str(folder / "d"), "ORDERHUB_DATABASE_URL": "", "ORDERHUB_SNAPSHOT": world}
    arguments = command.format(f=folder).split()
    return CliRunner().invoke(cli.build(arguments[0]), arguments, env=env, catch_exceptions=False)


def english(text: str) -> set[str]:
    """What is left when all data is taken away."""
    for reason in REASONS:
        text = text.replace(reason, "")
    for data in DATA:
        text = re.sub(data, "", text)
    return set(re.findall(r"[A-Za-z]{2,}", text))


FILES = "--touchpoint page={f}/page.csv --touchpoint wms={f}/wms.csv"
SPOKEN = [
    ("inbox status", "待处理消息 0 条；已搁置 5 条"),
    ("inbox parked", "已搁置的消息 5 条\n"),
    ("inbox parked --limit 2", "已搁置的消息 5 条；以下是最早的 2 条\n"),
    ("inbox parked --dismissed", "没有设为不再处理的消息\n"),
    ("inbox dismiss 1 --reason 测试", "已将 1 条设为不再处理；用 `orderhub inbox parked --dismissed` 查看\n"),
    ("inbox conflicts", "与先到的同编号消息矛盾的消息 1 条\n"),
    ("inbox conflicts --source other", "没有冲突消息\n"),
    ("inbox replay", "重新处理 5 条，仍搁置 5 条\n"),
    (f"audit files {FILES}", "page、wms：共 3 单，其中一致 0 单（0.00%）\n"),
    ("world: audit orders", "随机种子 0"),
    ("world: audit index --limit 5", "可信度指数 "),
    ("audit selftest --orders 2000", "有未知或缺失却判为一致：0\n"),
    ("diagnose", "诊断截至 "),
    ("world: diagnose", "诊断截至 "),
    ("simulate --orders 300 --runs 2", "订单 300 单，推演 2 次（随机种子 7），启用临时仓\n"),
    ("signals list", "没有上报\n"),
    ("signals report storm yes --of province=广东省 --by ann --comment 台风", "暴雨 是（省份 广东省），自 "),
    ("signals report livestream_audience 100000 --by ann --to 2099-01-01", "直播间在线人数 100,000，自 "),
    ("log verify", "日志完整：共 4 条\n"),
    ("log show B1", "已付款  未付款 → 已付款（发生于 2026-01-01 10:05:00+08:00，来源 "),
]


@pytest.mark.parametrize(("line", "sentence"), SPOKEN, ids=[line for line, _ in SPOKEN])
def test_all_of_it_is_told_in_chinese(folder: Path, line: str, sentence: str) -> None:
    told = run(f"{line} --lang zh", folder).output
    assert sentence in told
    assert english(told) == set(), told


def test_the_same_in_english_would_be_noticed(folder: Path) -> None:
    """Of the check above: it finds the words of sentences."""
    silent = [line for line, _ in SPOKEN if not english(run(line, folder).output)]
    assert silent == []


def test_a_dismissal_is_told_with_who_when_and_why(folder: Path) -> None:
    run("inbox dismiss 2 --reason 测试 --by ann", folder)
    told = run("inbox parked --dismissed --lang zh", folder).output
    assert re.search(r"ann 于 \S+ \S+ 设为不再处理：测试", told)
    assert english(told) == set()


def test_what_touchpoints_show_is_told_by_field_with_the_cause(folder: Path) -> None:
    told = run(f"audit files {FILES} --lang zh", folder).output
    assert "A1  实付金额  page：1.00、wms：2.00  冲突。" in told
    assert "wms.csv：1 个更新时间无法识别，按未知处理，首个在第 3 行" in told
    assert "page.csv：1 行没有订单号而未计入，首个在第 5 行" in told


def test_json_is_the_same_in_both_languages(folder: Path) -> None:
    for line in ("inbox parked", "world: audit orders", "world: audit index", "world: diagnose", "log show B1"):
        english, chinese = (run(f"{line} --json --lang {lang}", folder).stdout for lang in ("en", "zh"))
        assert english.splitlines()[-1].startswith(("{", "["))
        assert strip_ages(english) == strip_ages(chinese)


def strip_ages(text: str) -> str:
    return re.sub(r'"age_s":[0-9.]+', "", text)
