"""`orderhub packing combine` and `say`: over files, with people's words, and never over what identifies anybody."""

from __future__ import annotations

import json
import time

import fresh
import pytest
from test_parcels_live import a_dock
from typer.testing import CliRunner

from orderhub_core import hub
from orderhub_core.entry.commands.packing import app
from orderhub_core.entry.worker import Worker
from orderhub_core.errors import UserMistake
from orderhub_core.flows import ops
from orderhub_core.i18n import translator
from orderhub_core.model import RawMessage
from orderhub_core.packing import board, floor
from orderhub_core.packing.floor import TABLE
from orderhub_core.people import Release

P, R, A, B = ("0123456789abcdef" + letter * 16 for letter in "abcd")
ORDERS = f"""订单编号,渠道,付款时间,省份,城市,电话摘要,收件人摘要,地址摘要,密封
D1,douyin,2026-11-11 10:00:00,浙江省,杭州市,{P},{R},{A},
W1,weixin,2026-11-11 10:02:00,浙江省,杭州市,{P},{R},{A},否
T1,taobao,2026-11-11 10:05:00,浙江省,杭州市,{P},{R},{B},
S1,taobao,2026-11-11 10:06:00,浙江省,杭州市,{P},{R},{A},是
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="gb18030")
    return tmp_path


def run(*arguments):
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    if isinstance(done.exception, UserMistake):
        return 2, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def combined(folder, *more):
    return run("combine", "--orders", folder / "orders.csv", "--words", folder / "words.csv", *more)


def said(folder, what, *pair):
    return run("say", what, *pair, "--words", folder / "words.csv", "--reason", "asked them", "--by", "li")


def test_orders_of_two_channels_go_in_one_parcel_and_doubts_are_asked_about(folder):
    code, out = combined(folder, "--json", "--out", folder / "pairs.csv")
    told = json.loads(out)
    assert (code, told["groups"]) == (1, [{"group": "D1", "order_no": ["D1", "W1"]}])
    pairs = {(each["order_no"], each["other"]): each for each in told["pairs"]}
    assert (
        pairs["D1", "W1"]["reasons"] == "same phone +10, same receiver +6, same address +9, paid within ten minutes +3"
    )
    assert pairs["D1", "T1"]["verdict"] == "ask" and "another address -8" in pairs["D1", "T1"]["reasons"]
    assert pairs["D1", "S1"]["verdict"] == "forbidden" and pairs["D1", "S1"]["reasons"].startswith("S1 is sealed")
    assert len((folder / "pairs.csv").read_text(encoding="utf-8-sig").splitlines()) == 1 + 6
    assert "  合并：D1 + W1 = 28；同手机 +10、同收件人 +6" in combined(folder, "--lang", "zh")[1]


def test_a_persons_word_parts_and_joins_and_is_kept_with_who_when_and_why(folder):
    assert said(folder, "apart", "D1", "W1")[0] == 0
    told = json.loads(combined(folder, "--json")[1])
    assert told["groups"] == []
    assert next(each for each in told["pairs"] if each["other"] == "W1")["reasons"].startswith(
        "li has parted them: asked"
    )
    said(folder, "together", "T1", "D1")
    said(folder, "together", "W1", "D1")
    assert json.loads(combined(folder, "--json")[1])["groups"] == [{"group": "D1", "order_no": ["D1", "W1"]}]
    said(folder, "together", "W1", "T1")
    assert json.loads(combined(folder, "--json")[1])["groups"] == [{"group": "D1", "order_no": ["D1", "W1", "T1"]}]
    kept = (folder / "words.csv").read_text(encoding="utf-8").splitlines()
    assert kept[0] == "order_no,other,say,by,reason,at" and len(kept) == 5
    assert kept[1].startswith("D1,W1,apart,li,asked them,20")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (P, "13800138000", "the column phone does not hold digests"),
        (A, "文三路 1 号", "the column address does not hold digests"),
        (R, "张三", "the column receiver does not hold digests"),
        ("密封", "买家", "buyer holds what identifies people"),
        ("付款时间", "时间", "orders.csv: no column for paid_at"),
        ("W1,", "D1,", "order_no D1 stands twice"),
    ],
)
def test_files_that_do_not_fit_or_tell_of_people_end_in_one_sentence(folder, before, after, told):
    (folder / "orders.csv").write_text(ORDERS.replace(before, after), encoding="utf-8")
    code, out = combined(folder)
    assert (code, told in out) == (2, True), out
    assert "张三" not in out and "13800138000" not in out


def test_words_that_nobody_could_mean_are_refused(folder):
    assert said(folder, "apart", "D1", "D1") == (2, "D1 and D1 are one order")
    (folder / "words.csv").write_text("order_no,other,say\nD1,W1,perhaps\n", encoding="utf-8")
    assert "words.csv, row 2: say is neither apart nor together" in combined(folder)[1]
    assert "people are asked below what is certain" in combined(folder, "--ask", "20")[1]


SHOP = """[[shops]]
id = "main"
connector = "direct"
secret_env = "SHOP_SECRET"

[[shops]]
id = "mini"
connector = "direct"
secret_env = "SHOP_SECRET"

[[warehouses]]
id = "hangzhou"
connector = ""
"""
BOOK = """version = "v1"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou; merge receiver"
"""


@pytest.fixture
def living(tmp_path, monkeypatch):
    """A hub of two shops, each with an order of one receiver; and one whose goods are the very same."""
    data = tmp_path / "data"
    fresh.hub(data)
    (data / "book.toml").write_text(BOOK, encoding="utf-8")
    (data / "orderhub.toml").write_text('rulebook = "book.toml"\n' + SHOP, encoding="utf-8")
    monkeypatch.setenv("ORDERHUB_DATA", str(data))
    for name in ("DATABASE_URL", "INBOX_URL"):
        monkeypatch.delenv(f"ORDERHUB_{name}", raising=False)
    opened = hub.Hub(hub.home())
    said = [said_by("main", "A1", "SHIRT"), said_by("mini", "B1", "CUP"), said_by("main", "C1", "CUP")]
    opened.receive(said)
    while opened.absorb() is not None:
        pass
    yield opened
    opened.close()


def said_by(shop, number, sku, name="张三"):
    at = "2026-11-11T10:00:00+08:00"
    content = {
        "total_minor": 9_900, "paid_minor": 9_900, "province": "浙江省", "city": "杭州市",
        "person": {"name": name, "phone": f"1390000{ord(name[0]) % 10_000:04}", "address": f"{name}的路 1 号"},
        "lines": [{"line_no": 1, "sku": sku, "price_minor": 9_900}],
    }  # fmt: skip
    facts = {"order.placed": at, "payment.paid": at}
    event = {"id": f"{number}:1", "order_no": number, "at": at, "facts": facts, "content": content}
    return RawMessage(shop, f"{number}:1", "event", json.dumps(event).encode(), number)


def test_a_packer_is_told_why_an_order_is_not_on_the_floor(living):
    tr, table = translator("zh"), TABLE.to_frame()
    (here,) = living.off_the_floor("A1")
    assert (here.shop, here.headline, here.held, here.waits) == ("main", "paid", "", True)
    assert board.box("A1", table, [], [here], tr) == [("A1（main）在等可以合单的其他订单，先不要打包", "bad")]
    assert board.box("A1", table, [], [here._replace(waits=False)], tr) == [("A1（main）不要打包：已付款", "bad")]
    assert board.box("A1", table, [], [here._replace(held="rule r holds it: review")], tr) == [
        ("A1（main）已挂起，先不要打包：规则 r 挂起：人工审核", "bad")
    ]
    (living.home.data / "book.toml").write_text(BOOK.replace("merge receiver", "hold review"), encoding="utf-8")
    other = hub.Hub(hub.home())
    other.receive([said_by("main", "H1", "CUP")])
    other.drain()
    (held,) = other.off_the_floor("H1")
    assert (held.held, held.waits) == ("rule otherwise holds it: review", False)
    other.close()
    assert living.off_the_floor("Z9") == []
    assert board.box("Z9", table, [], [], tr) == [("没有这个订单号或运单号的订单。", "bad")]


def test_the_hub_shows_who_waits_for_whom_and_keeps_what_people_say(living):
    code, out = run("combine", "--json")
    told = json.loads(out.splitlines()[-1])
    assert code == 1
    assert sorted(sorted(each["order_no"]) for each in told["groups"])[0][0] == "A1"
    assert {each["verdict"] for each in told["pairs"]} == {"merge", "ask"}
    assert told["alone"] and {one["order_no"] for one in told["alone"]}.isdisjoint(
        name for each in told["groups"] for name in each["order_no"]
    )
    assert f"waits alone: {told['alone'][0]['order_no']}, for others that come until 20" in run("combine")[1]
    assert living.floor().orders.is_empty(), "who waits is no keeper's yet"
    code, out = run("say", "apart", "A1", "B1", "--reason", "asked them", "--by", "li")
    assert (code, out) == (0, "A1, B1: apart, kept in the log\n")
    assert "li has parted them: asked them" in run("combine")[1]
    assert run("say", "apart", "A1", "Z9", "--reason", "x")[1] == "the hub knows no order Z9"
    assert run("say", "apart", "A1", "A1", "--reason", "x")[1] == "A1 and A1 are one order"
    log = living.store.query("hub", "SELECT event, outcome, detail FROM log WHERE event = 'order.paired'")
    assert len(log) == 2 and all("asked them" in detail for *_, detail in log)
    assert "asked them" not in str(living.frame("events").rows()), "frames tell nobody's words"


def test_very_many_words_are_said_some_at_a_time(living, monkeypatch):
    taken = []
    receive = living.receive
    monkeypatch.setattr(hub, "SAID_AT_ONCE", 2)
    monkeypatch.setattr(living, "receive", lambda some: taken.append(len(some)) or receive(some))
    living._say([ops.release(Release("main", f"E{number}", "looked at", "ann"), number) for number in range(5)])
    assert taken == [2, 2, 1]
    assert living.store.query("hub", "SELECT count(*) FROM log WHERE event = 'order.released'") == [(5,)]


def test_a_worker_packs_together_what_waits_and_the_warehouse_is_told(living, monkeypatch):
    """The whole way: a real worker over a real hub, and a warehouse on a loopback port."""
    with a_dock(monkeypatch) as (dock, settings):
        (place,) = settings.warehouses
        data = living.home.data
        told = SHOP.replace('connector = ""', f'connector = "dock"\nurl = "{place.url}"\nsecret_env = "DOCK_SECRET"')
        (data / "orderhub.toml").write_text(f'rulebook = "book.toml"\nmerge_wait_s = 3\n{told}', encoding="utf-8")
        monkeypatch.setenv("SHOP_SECRET", "another secret of some length")
        opened = hub.Hub(hub.home())
        opened.receive([said_by("main", "E1", "HAT", "李四"), said_by("mini", "E2", "SCARF", "李四")])
        worker = Worker(opened)
        worker.start()
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until and len(dock.orders) < 2:
                time.sleep(0.1)
        finally:
            worker.stop()
            opened.close()
        beside = {name: [one["order_no"] for one in order["pack_with"]] for (_, name, _), order in dock.orders.items()}
        assert beside == {"E1": ["E2"], "E2": ["E1"]}


def test_of_an_order_in_several_parcels_each_is_told_of_by_the_number_that_its_box_has(living, tmp_path):
    """A person may have let one of them alone go while the floor that is open has both."""
    (living.home.data / "book.toml").write_text(BOOK.replace("merge receiver", "split sku"), encoding="utf-8")
    (tmp_path / "paid.csv").write_text(
        "order_no,status,placed_at,paid_at,total,sku,quantity\n"
        "P1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,100,CUP,1\n"
        "P1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,100,POT,1\n",
        encoding="utf-8",
    )
    opened = hub.Hub(hub.home())
    opened.import_file(tmp_path / "paid.csv", "generic", on_error="reject-all", dry_run=False)
    looked_at, now = opened.floor(), opened.as_of()
    opened.holds.place("P1", reason="the buyer phoned", by="ann")
    opened.holds.release("P1", parcel=1, reason="asked them", by="ann")
    told = {one.order_no: bool(one.held) for one in opened.off_the_floor("P1")}
    assert told == {"P1/1": False, "P1/2": True}
    assert [[one.order_no for one in opened.off_the_floor(name)] for name in ("P1/2", "P1/3")] == [["P1/2"], []]
    boxes = {name: floor.boxed(looked_at, name, ["CUP", "POT"], now) for name in ("P1/1", "P1/2")}
    said = {name: board.box(name, box, [], opened.off_the_floor(name), translator("en")) for name, box in boxes.items()}
    assert "is held" not in said["P1/1"][0][0] and said["P1/2"][0][0].startswith("P1/2 (imported) is held")
    opened.close()
