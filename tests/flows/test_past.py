"""An audit of a past moment says what the audit of that moment said."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import fresh
import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_shop import BOOK, SHOP, source

from orderhub_core.audit.lag import FACTS
from orderhub_core.audit.report import audit
from orderhub_core.entry import cli
from orderhub_core.errors import UserMistake
from orderhub_core.flows import past
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.context import Context
from orderhub_core.flows.past import Past
from orderhub_core.frames import SIGHTINGS
from orderhub_core.hub import Hub, SnapshotHub, connect
from orderhub_core.model import Content, Event, Line, Observation, RawMessage, Sighting
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.store import expiry, homes
from orderhub_core.store.homes import Home
from orderhub_core.store.known import KnownFrames

START = 1_790_000_000_000_000
MINUTE = 60_000_000
DAY = expiry.DAY_US
NUMBERS = ("A1", "A2", "A3")
TOUCHPOINTS = ("crm", "page", "wms")
COLUMNS = ["shop", "order_no", *sorted(set(FACTS.values()))]

observed = st.builds(
    lambda number, events, ago: ("order", number, tuple(events), ago),
    st.sampled_from(NUMBERS),
    st.lists(st.sampled_from([Event.PLACED, Event.PAID, Event.SHIPPED, Event.DELIVERED, Event.MOVED]), max_size=3),
    st.integers(-3, 30),
)
sighted = st.builds(
    lambda name, number, word, ago: (name, number, word, ago),
    st.sampled_from(TOUCHPOINTS),
    st.sampled_from(NUMBERS),
    st.sampled_from(["待发货", "已发货", "已签收"]),
    st.one_of(st.none(), st.integers(-3, 30)),
)
steps = st.lists(st.lists(st.one_of(observed, sighted), max_size=5), min_size=2, max_size=5)


def message(said, received_at: int, number: int) -> RawMessage:
    """`number` makes each message one of its own."""
    origin, order_no, what, ago = said
    at = None if ago is None else received_at - ago * MINUTE
    if origin == "order":
        content = None if what else Content(total_minor=5, paid_minor=5, lines=(Line(1, "S", "n", "c", 1, 5),))
        body = Observation(order_no, {event.value: at for event in what}, at, content)
        return RawMessage(SHOP, str(number), "order", msgspec.json.encode(body))
    return RawMessage(origin, str(number), "sighting", msgspec.json.encode(Sighting(SHOP, order_no, what, at)))


KEY = ["shop", "order_no"]


class Shop:
    """A hub that hears of its orders step by step, and remembers what it knew after each."""

    def __init__(self, home: Home) -> None:
        self.store = homes.open_store(home)
        self.context = Context(self.store, source, BOOK, Pseudonyms(b"a pepper of some length"))
        self.known = KnownFrames(self.store, home.data / "none")
        self.then: list[tuple[int, dict[str, pl.DataFrame]]] = []
        self._count = 0

    def hear(self, said: list, received_at: int) -> None:
        for one in said:
            self._count += 1
            self.store.accept([message(one, received_at, self._count)], received_at)
        drain(self.context, 100)
        self.then.append((received_at, {name: self.known.frame(name) for name in ("orders", "events", "sightings")}))

    def source(self, name: str):
        return source(name)

    def frame(self, name: str) -> pl.DataFrame:
        return self.known.frame(name)

    def as_of(self) -> int:
        return self.then[-1][0]

    def past(self, at: int) -> Past:
        return past.of(self, at)


def rows(frame: pl.DataFrame) -> list:
    return sorted(frame.select(sorted(frame.columns)).rows(), key=repr)


def check_against(shop: Shop) -> None:
    """With what was kept of the hub after every step as the oracle."""
    silent = shop.known.frame("orders").join(shop.known.frame("events"), on="order_id", how="anti")
    for at, then in shop.then:
        rebuilt = shop.past(at)
        dated = then["orders"].join(then["events"], on="order_id", how="semi")
        assert rows(rebuilt.orders.join(silent, on=KEY, how="anti").select(COLUMNS)) == rows(dated.select(COLUMNS))
        shown = [frame.join(rebuilt.orders, on=KEY, how="semi") for frame in (rebuilt.sightings, then["sightings"])]
        assert rows(shown[0]) == rows(shown[1])
        assert (rebuilt.unknown, rebuilt.undated) == ({}, silent.height)
    assert rows(rebuilt.orders.select(COLUMNS)) == rows(then["orders"].select(COLUMNS)), "now, nothing is left out"


def heard(home: Home, said: list) -> Shop:
    shop = Shop(home)
    for number, some in enumerate(said):
        shop.hear(some, START + number * 10 * MINUTE)
    return shop


@settings(max_examples=40)
@given(steps)
def test_what_was_known_then_is_known_again(said):
    """Facts corrected, rows older than those known, orders of which only the content came."""
    with tempfile.TemporaryDirectory() as folder:
        home = fresh.hub(Path(folder) / "data")
        shop = heard(home, said)
        check_against(shop)
        shop.store.close()


def test_a_touchpoint_whose_news_is_all_of_orders_placed_since_is_not_asked(home):
    """Reading its messages would take as long as there are many."""
    said = [[("order", "A1", (Event.PLACED,), 5), ("crm", "A1", "待付款", 4)], [("page", "A2", "待付款", 1)]]
    said.append([("order", "A2", (Event.PLACED,), 1), ("crm", "A1", "已发货", 0)])
    shop, asked = heard(home, said), []

    def messages(name: str) -> past.Said:
        asked.append(name)
        return past.Said((), None, None)

    shown = past.rebuilt(shop.frame, START, messages).sightings
    assert asked == ["crm"] and shown.is_empty() and shown.columns == list(SIGHTINGS)
    shop.store.close()


STORY = [
    [("order", "A1", (Event.PLACED, Event.PAID), 5), ("page", "A1", "待发货", 4), ("crm", "A1", "待发货", 4)],
    [("order", "A2", (Event.PLACED,), 5), ("crm", "A2", "待付款", 4), ("page", "A1", "已发货", 9)],
    [("order", "A1", (Event.SHIPPED,), 2), ("page", "A1", "已发货", 1), ("order", "A3", (), 1)],
    [("order", "A1", (Event.PLACED,), 90), ("page", "A2", "待付款", None), ("crm", "A1", "已签收", 0)],
]


@pytest.fixture
def shop(home):
    made = heard(home, STORY)
    yield made
    made.store.close()


def test_on_every_home(shop):
    check_against(shop)


def audited(known: Past, as_of: int):
    named = {
        str(name): own for (name,), own in sorted(known.sightings.partition_by("touchpoint", as_dict=True).items())
    }
    return audit(named, as_of=as_of, population=known.orders.select(COLUMNS))


def test_what_has_expired_is_not_known_and_nobody_is_blamed_for_it(shop):
    """A row that was replaced after its message expired: unknown, never missing, never what came later."""
    at = shop.then[0][0]
    later = START + 9 * DAY
    shop.hear([("page", "A1", "已签收", 0), ("page", "A2", "已签收", 0), ("crm", "A1", "已签收", 0)], later)
    shop.store.set_cursor(expiry.SEEN, later)
    expiry.expire(shop.store, later, 5)
    rebuilt = shop.past(at)
    assert rebuilt.unknown == {"crm": 1, "page": 1}
    assert rows(rebuilt.sightings.select("touchpoint", "order_no", "status", "at")) == [
        (None, "A1", None, "crm"),
        (None, "A1", None, "page"),
    ]
    cells = audited(rebuilt, at).cells().filter(pl.col("order_no") == "A1")
    assert set(cells["verdict"].cast(pl.String)) == {"not_comparable"}


def test_of_an_order_younger_than_the_last_expired_message_everything_is_known(shop):
    """A message that is gone cannot have told of it: that the touchpoint did not show it is certain."""
    placed = START + 9 * DAY
    shop.hear([("order", "A9", (Event.PLACED,), 0)], placed)
    at = placed + MINUTE
    shop.hear([("crm", "A9", "待付款", 0), ("page", "A9", "待付款", 0)], at + DAY)
    shop.store.set_cursor(expiry.SEEN, at + DAY)
    expiry.expire(shop.store, at + DAY, 5)
    rebuilt = shop.past(at)
    assert rebuilt.unknown == {} and "A9" in rebuilt.orders["order_no"]
    assert "A9" not in rebuilt.sightings["order_no"]


def test_a_message_that_nobody_could_read_is_not_what_was_known(shop):
    shop.store.accept([RawMessage("page", "odd", "sighting", b"{")], START)
    shop.hear([], START + 50 * MINUTE)
    readable = msgspec.json.encode(Sighting(SHOP, "A1", "warp drive", START))
    with shop.store.transaction("inbox") as cursor:
        cursor.execute(shop.store.sql("UPDATE inbox SET body = ? WHERE message_id = 'odd'"), (readable,))
    assert "warp drive" not in shop.past(shop.then[0][0]).sightings["status"]


# -- the command

DESKS = "".join(f'[[touchpoints]]\nid = "{name}"\nconnector = "desk"\n' for name in ("page", "crm"))


@pytest.fixture
def hub(home):
    (home.data / "orderhub.toml").write_text(DESKS, encoding="utf-8")
    opened = Hub(home, {})
    yield opened
    opened.close()


def written(at: int) -> str:
    return pl.Series([at]).cast(pl.Datetime("us", "UTC")).dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").item()


@pytest.fixture
def orderhub(monkeypatch, capsys, home):
    monkeypatch.delenv("ORDERHUB_SNAPSHOT", raising=False)
    for name, value in (("DATA", str(home.data)), ("DATABASE_URL", home.database)):
        monkeypatch.setenv(f"ORDERHUB_{name}", value)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["orderhub", "audit", "orders", *arguments])
        connect.cache_clear()
        try:
            code = cli.main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            connect().close()
            connect.cache_clear()
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_the_command_answers_for_a_past_moment_as_it_did_then(hub, orderhub, tmp_path):
    export = tmp_path / "export.csv"
    placed = "order_no,status,placed_at,total\n" + "".join(f"B{n},paid,2026-01-01 10:00:00,12.50\n" for n in range(4))
    export.write_text(placed, encoding="utf-8")
    hub.import_file(export, "generic", on_error="reject-all", dry_run=False)
    shop = hub.frame("orders")["shop"][0]
    assert shop, "what touchpoints show must be of the same shop"
    for name in ("page", "crm"):
        for n in range(4):
            row = {"shop": shop, "order_no": f"B{n}", "status": "待发货", "updated_at": written(hub.as_of())}
            hub.receive([RawMessage(name, f"B{n}:1", "row", msgspec.json.encode(row))])
    hub.drain()
    _, out, _ = orderhub("--json")
    then = json.loads(out.splitlines()[-1])
    moment = written(hub.as_of())
    time.sleep(0.01)
    row = {"shop": shop, "order_no": "B1", "status": "warp drive", "updated_at": written(hub.as_of())}
    hub.receive([RawMessage("crm", "B1:2", "row", msgspec.json.encode(row))])
    hub.drain()
    code, out, _ = orderhub("--json", "--as-of", moment)
    again = json.loads(out.splitlines()[-1])
    gaps = again.pop("past")
    assert (code, gaps["unknown"], gaps["undated"]) == (0, {}, 0)
    assert again == then
    moments = (["--json"], ["--json", "--as-of", written(hub.as_of())])
    now, again = (json.loads(orderhub(*asked)[1].splitlines()[-1]) for asked in moments)
    assert now["population"]["by_verdict"]["unknown_word"] == 1
    assert again["findings"] == now["findings"]


def test_a_moment_to_come_is_a_mistake(hub, orderhub):
    """A time without a zone is meant in the hub's."""
    code, _, err = orderhub("--as-of", "2126-01-01T00:00")
    assert code == 2 and "still to come" in err


def test_a_snapshot_says_what_it_cannot_know(shop, tmp_path):
    """It holds no messages: what was seen again since is unknown."""
    shop.known.write(tmp_path / "copy", lambda: shop.then[-1][0])
    board = SnapshotHub(tmp_path / "copy")
    at = shop.then[0][0]
    rebuilt = past.of(board, at)
    assert rebuilt.unknown == {"crm": 1, "page": 1}
    assert rows(rebuilt.orders.select(COLUMNS)) == rows(shop.past(at).orders.select(COLUMNS))
    with pytest.raises(UserMistake, match="still to come"):
        past.of(board, shop.then[-1][0] + 1)


def test_before_the_first_record_the_command_says_when_it_came(hub, orderhub, tmp_path):
    nothing = orderhub("--as-of", "2026-01-01T08:00")
    assert nothing[0] == 2 and "[[touchpoints]]" in nothing[2], "a hub without any record has no first one"
    export = tmp_path / "export.csv"
    export.write_text("order_no,status,placed_at\nB1,paid,2026-01-01 10:00:00\n", encoding="utf-8")
    hub.import_file(export, "generic", on_error="reject-all", dry_run=False)
    first = hub.frame("events")["recorded_at"].dt.convert_time_zone("Asia/Shanghai").min()
    code, _, err = orderhub("--as-of", "2026-01-01T08:00")
    assert code == 2
    assert f"at 2026-01-01 08:00:00 the hub had seen nothing; its first record is of {first:%Y-%m-%d %H:%M:%S}" in err
    assert "had seen nothing" not in orderhub("--as-of", written(hub.as_of()))[2]
