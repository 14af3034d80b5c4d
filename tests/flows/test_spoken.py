"""Every command that has `--lang` tells all it tells in Chinese: no English word is left that is not data."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from orderhub_core import hub, i18n
from orderhub_core.entry import cli
from orderhub_core.entry.commands import rules_told
from orderhub_core.flows.reproduce import Reproduced
from orderhub_core.model import RawMessage
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.tree import Rulebook, Word
from orderhub_core.store import homes

EXPORT = (
    "order_no,status,placed_at,paid_at,total\nB1,paid,2026-01-01 10:00:00,2026-01-01 10:05:00,12.50\n"
    "B2,shipped,2026-01-01 10:00:00,,2.50\n"
)
REFUSED = (
    "order_no,status,placed_at,paid_at,total,colour\nB1,paid,2026-01-01 10:00:00,2026-01-01 10:05:00,12.50,red\n"
    "B3,paid,2026-01-01 10:00:00,yesterday,1,red\nB4,paid,2026-01-01 10:00:00,,x,red\n"
)
WRONG = (
    "订单号,status,placed_at,paid_at,total,quantity\nB1,paid,2026-01-01 10:00:00,yesterday,x,0\n"
    ",paid,2026-01-01 10:00:00,,1.234,1\nB3,怪,1970-01-01 10:00:00,,-3,两\nB4,已付款了,2026-01-01 10:00:00,,1,1\n"
    "B5,paid,2026-01-01 10:00:00,,1,1\nB5,shipped,2026-01-01 10:00:00,,1,1\nB6,paid,,,1,1\n"
    "B7,paid,2090-01-01 10:00:00,,1,1\nB8,paid,2026-01-01 10:00:00,,1,1\nB8,paid,2026-01-01 10:00:00,,2,1\n"
)
"""What a row can be refused for, several times over."""
PAID = (
    b'{"id": "c%d", "order_no": "C%d", "at": "2026-01-01T10:00:00Z", "facts": {"order.placed": "2026-01-01T10:00:00Z",'
    b' "payment.paid": "2026-01-01T10:00:00Z"}, "content": {"currency": "CNY", "total_minor": 25800,'
    b' "paid_minor": 25800, "lines": [{"line_no": 1, "sku": "H-1", "quantity": 2, "price_minor": 12900}]}}'
)
PAGES = {
    "page": "订单号,状态,更新时间,实付金额\nA1,已发货,2026-01-01 10:00:00,1.00\nA2,待付款,2026-01-01 10:00:00,\n,,,\n"
    ",已发货,2026-01-01 10:00:00,1.00\n",
    "wms": "order_no,status,updated_at,paid,note,colour\nA1,已出库,2026-01-01T10:00:00+08:00,2.00,x,red\n"
    "A3,已出库,yesterday,1.00,x,red\n",
}
BOOK = """
version = "{version}"
zone = "{zone}"
[[groups]]
name = "routing"
match = "first"
otherwise = "分仓 {house}"
[[groups.rules]]
name = "south"
when = "品类 = 连体衣 且 订单金额 >= {least}"
then = "分仓 guangzhou"
"""
BOOKS = {
    "v0.toml": {"version": "v0", "zone": "Asia/Tokyo", "house": "guangzhou", "least": "20"},
    "v1.toml": {"version": "v1", "zone": "Asia/Shanghai", "house": "hangzhou", "least": "20"},
    "v2.toml": {"version": "v2", "zone": "Asia/Shanghai", "house": "chengdu", "least": "30"},
    "v3.toml": {"version": "v3", "zone": "Asia/Shanghai", "house": "chengdu", "least": "30 且 订单金额 < 20"},
}
DATA = (
    r"\w+ = '[^']*'",
    r"`[^`]*`", r"--[a-z-]+", r"\{\".*\}", r"\S*/\S*", r"\S*\d\S*",
    r"\b(crm|page|wms|service|supply|stranger|other|order|push|ops|colour|red|yesterday|note|ann|yuan)\b",
    r"\b(douyin-main|douyin-outlet|hangzhou|guangzhou|chengdu|taobao-flag|pdd-value|mini-program|SF|ZTO|YTO|JD|STO|EMS)\b",
    r"\b(routing|south|everybody|sticker|spend|early-bird|first-hour|full-size-sample|masks-two-get-one|bob)\b",
    r"\b[a-z]+\.(db|csv|key|toml)\b", r"\bgeneric\b", r"imported(?=的文件)", r"\bchannel_cost\b", r"\[[a-z]+\]",
    r"\b(UTC|MB|CNY|SKU|TOML|CSV|JSON|Parquet|ERP)\b",
)  # fmt: skip
"""Options, paths, numbers and times; and the names that this file gives, or the pretend world."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hub that has orders, parked messages and conflicts, a pretend world, and files."""
    folder = tmp_path_factory.mktemp("spoken")
    (folder / "export.csv").write_text(EXPORT, encoding="utf-8")
    (folder / "refused.csv").write_text(REFUSED, encoding="utf-8")
    (folder / "wrong.csv").write_text(WRONG, encoding="utf-8")
    for name, text in PAGES.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    for name, words in BOOKS.items():
        (folder / name).write_text(BOOK.format(**words), encoding="utf-8")
    home = homes.Home(folder / "d")
    homes.init(home)
    (home.data / "orderhub.toml").write_text('[[shops]]\nid = "d"\nconnector = "direct"\nsecret_env = "NOT_SET"\n')
    opened = hub.Hub(home)
    opened.receive([RawMessage("stranger", f"m{n}", "order", b"{}") for n in range(4)])
    opened.receive([RawMessage("other", "m9", "push", b"{}"), RawMessage("stranger", "m0", "order", b'{"other": 1}')])
    opened.close()
    for line in (
        "rules publish {f}/v1.toml --by ann --comment 先试",
        "rules save {f}/v0.toml --by ann",
        "rules save {f}/v2.toml --by ann",
        "rules shadow v2 --by ann",
        "import {f}/export.csv --mapping generic",
        "demo --orders 400 --out {f}/world",
        "demo --orders 300 --campaign --out {f}/camp",
    ):
        assert run(line, folder).exit_code == 0
    opened = hub.Hub(home)
    opened.receive([RawMessage("d", f"c{n}", "event", PAID % (n, n)) for n in range(2)])
    opened.drain()
    opened.close()
    assert run("db backup {f}/kept", folder).exit_code == 0
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
    ("world: audit reconcile --limit 3", "差额原因：\n"),
    ("audit selftest --orders 2000", "有未知或缺失却判为一致：0\n"),
    ("diagnose", "诊断截至 "),
    ("world: diagnose", "诊断截至 "),
    ("simulate --orders 300 --runs 2", "订单 300 单，推演 2 次（随机种子 7），启用临时仓\n"),
    ("signals list", "没有上报\n"),
    ("signals report storm yes --of province=广东省 --by ann --comment 台风", "暴雨 是（省份 广东省），自 "),
    ("signals report livestream_audience 100000 --by ann --to 2099-01-01", "直播间在线人数 100,000，自 "),
    ("import {f}/export.csv --mapping generic", "export.csv：共 2 行；导入 0，更新 0，未变 2，拒收 0\n"),
    (
        "import {f}/refused.csv --mapping generic --on-error skip-failed",
        "refused.csv：共 3 行；导入 0，更新 0，未变 1，拒收 2\n",
    ),
    ("import {f}/refused.csv --mapping generic --on-error skip-failed --dry-run", "预计导入 0"),
    ("import {f}/wrong.csv --mapping generic --on-error skip-failed --dry-run", "已搁置：日期为 2090-01-01"),
    (
        "import {f}/wrong.csv --mapping generic --on-error skip-failed --dry-run",
        "不是时间，请写成 2026-01-31 18:05:00；",
    ),
    ("demo --orders 100 --out {f}/w", "订单 100 张，用时 "),
    ("demo --orders 100 --campaign --out {f}/c", "订单 100 张，另有 rules.toml\n"),
    ("db init", "中的中枢已就绪\n"),
    ("db check", "中枢完好\n订单 4 张，待处理消息 0 条，已搁置 5 条\n"),
    ("db snapshot", "快照已写入 "),
    ("db backup {f}/backups", "：订单 4 张，消息 "),
    ("db check --backup {f}/kept", " 完好：订单 4 张，消息 "),
    ("db restore {f}/kept --data {f}/new", "时的中枢：订单 4 张，消息 "),
    ("db restore {f}/kept --force", "；原有内容保存在 "),
    ("db rehearse {f}/kept --max-age-h 0", "若此刻丢失，最近 0 分钟的数据要重新来过"),
    ("db expire", "超过 30 天的正文，已清除 0 条，"),
    ("db expire --dry-run", "超过 30 天的正文，将清除 0 条，"),
    ("log verify", "日志完整：共 15 条\n"),
    ("rules list", "v1  现行，ann 保存于 "),
    ("rules history", "v1  已发布，ann：先试"),
    ("rules diff {f}/v1.toml {f}/v2.toml", "改动：routing、否则\n  - 分仓 hangzhou\n  + 分仓 chengdu\n"),
    ("rules diff v0", "设置：时区\n  - Asia/Shanghai\n  + Asia/Tokyo\n"),
    ("rules diff {f}/v1.toml {f}/v1.toml", "两者决定相同\n"),
    ("rules save {f}/v3.toml --by ann", "版本 v3 现在是：草稿\n可疑：routing、south："),
    ("rules review v0 --by bob", "版本 v0 现在是：已审阅\n"),
    ("rules pause v2 --by ann", "版本 v2 现在是：已暂停\n"),
    ("rules rollout v2 --percent 5 --by ann", "版本 v2 现在是：灰度，占订单的 5%\n"),
    ("rules publish v2 --by ann", "版本 v1 原来是：现行，现在是：已归档\n"),
    ("rules discard v2 --by ann", "版本 v2 现在是：已归档\n"),
    ("rules trial v2", "2 张订单中，v2 对 2 张会有不同的处理\n     2  分仓 hangzhou → 分仓 chengdu  （C0、C1）\n"),
    ("rules reproduce", "2 张有决策的订单中，2 张再次决策的结果相同\n"),
    ("rules check {f}/v1.toml", "版本 v1，规则 1 条，分 1 组\n"),
    ("holds list", "没有订单在等人处理\n"),
    ("stock list", "没有仓库上报库存"),
    ("stock transfers", "没有订单在等别的仓可以调来的货。\n"),
    ("presale schedule", "有批次的订单 0，已放行 0，承诺有风险 0，其中按原计划没有风险的 0\n"),
    ("packing check", "没有可检查的：没有带赠品、正在打包或刚出库的包裹\n"),
    ("packing combine", "合包 0 个，含订单 0 张；要问人的 0 对，禁止的 0 对\n"),
    (
        "rules eval --rules {f}/camp/rules.toml --orders {f}/camp/orders.parquet --out {f}/o.parquet",
        "everybody / sticker -> 赠品 ",
    ),
    ("log show B1", "已付款  未付款 → 已付款（发生于 2026-01-01 10:05:00+08:00，来源 "),
]


@pytest.mark.parametrize(("line", "sentence"), SPOKEN, ids=[line for line, _ in SPOKEN])
def test_all_of_it_is_told_in_chinese(folder: Path, line: str, sentence: str) -> None:
    told = run(f"{line} --lang zh", folder).output
    assert sentence in told
    assert english(told) == set(), told


@pytest.mark.parametrize("line", [line for line, _ in SPOKEN])
def test_the_same_in_english_would_be_noticed(folder: Path, line: str) -> None:
    """Of the check above: it finds the words of sentences."""
    assert english(run(line, folder).output)


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


def test_going_back_is_told_of_both_versions(folder: Path) -> None:
    run("rules publish v2 --by ann", folder)
    told = run("rules rollback --by ann --lang zh", folder).output
    assert told == "版本 v1 现在是：现行\n版本 v2 原来是：现行，现在是：已归档\n"


def test_json_is_the_same_in_both_languages(folder: Path) -> None:
    for line in ("inbox parked", "world: audit orders", "world: audit index", "world: diagnose", "log show B1"):
        english, chinese = (run(f"{line} --json --lang {lang}", folder).stdout for lang in ("en", "zh"))
        assert english.splitlines()[-1].startswith(("{", "["))
        assert strip_ages(english) == strip_ages(chinese)


def test_what_is_wrong_with_a_hub_is_told_in_chinese_with_how_to_mend_it(folder: Path) -> None:
    store = homes.open_store(homes.Home(folder / "d"))
    with store.transaction("hub") as cursor:
        cursor.execute("DROP TRIGGER log_no_update")
        cursor.execute("UPDATE log SET after = 'cancelled' WHERE seq = 2")
    store.close()
    verified, checked = (run(f"{command} --lang zh", folder) for command in ("log verify", "db check"))
    assert (verified.exit_code, verified.output) == (1, "日志已断裂：第 2 条写入后被改过\n")
    mend = "停止中枢并恢复备份：`orderhub db restore`；断点之后的内容不可信"
    assert f"日志：第 2 条写入后被改过。补救：{mend}\n" in checked.output
    assert english(checked.output) == set()
    for command in ("log verify", "db check"):
        chinese, told = (run(f"{command} --json --lang {lang}", folder).stdout for lang in ("zh", "en"))
        assert chinese == told and "entry 2 was changed after it was written" in told


def test_what_is_wrong_with_a_backup_is_told_in_chinese(folder: Path) -> None:
    (kept,) = (folder / "kept").iterdir()
    with (kept / "hub.db").open("ab") as file:
        file.write(b"x")
    told = run("db check --backup {f}/kept --lang zh", folder)
    assert (told.exit_code, "字节，应为 " in told.output) == (1, True), told.output
    assert english(told.output) == set()


def strip_ages(text: str) -> str:
    return re.sub(r'"age_s":[0-9.]+', "", text)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("assign_warehouse hangzhou", "分仓 杭州仓"),
        ("hold review", "挂起 人工审核"),
        ("add_gift POUCH × 2", "赠品 POUCH × 2"),
        ("split category at most 3", "拆单 按品类 最多 3"),
        ("carrier sf [2]", "快递 顺丰 [2]"),
        ("tag A × B", '标记 "A × B"'),
        ("unheard of", "unheard of"),
    ],
)
def test_what_a_shadow_would_do_is_told_in_the_words_of_its_book(monkeypatch, said, told):
    monkeypatch.setattr(rules_told, "language", lambda: "zh")
    book = Rulebook(words=(Word("warehouse", "杭州仓", "hangzhou"),))
    assert rules_told.wish(said, of_book(book)) == told


def test_why_a_decision_cannot_be_proven_is_told_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_told, "tr", i18n.translator("zh"))
    found = Reproduced(3, 1, unreadable=Counter({"no shop or touchpoint named 'x' in the settings": 2}))
    assert list(rules_told.proven(found))[-1].endswith("设置里没有名为 'x' 的店铺或触点")
