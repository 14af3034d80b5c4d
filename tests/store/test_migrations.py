"""A hub made by an older version goes on where it stopped."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TakesLonger

import msgspec
import polars as pl
import psycopg
import pytest
import sqlalchemy
from alembic import command

from orderhub_core.entry.probes import Ready
from orderhub_core.errors import Busy, Stop, Unreachable
from orderhub_core.flows import rows
from orderhub_core.fold import Head, Origin, fold
from orderhub_core.frames import SCHEMAS
from orderhub_core.hub import Hub
from orderhub_core.model import Content, Line, Observation, RawMessage
from orderhub_core.stated import FIELDS, read_stated
from orderhub_core.store import aside, backup, chain, checks, frames, homes, schema, sessions
from orderhub_core.store.homes import Home

FIRST = {"inbox": "inbox_0001", "hub": "hub_0001"}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def old_home(request, tmp_path, fresh_database):
    made = Home(tmp_path / "data", fresh_database() if request.param == "postgres" else "")
    made.data.mkdir()
    for part, revision in FIRST.items():
        with schema.connection(made, part) as connection:
            command.upgrade(schema.config(connection, part), revision)
            connection.commit()
    return made


def test_what_waited_before_the_lanes_waits_in_the_only_one(old_home):
    waiting = (
        "INSERT INTO inbox (id, source, message_id, kind, received_at, body) VALUES (7, 'shop', 'm', 'order', 1, '')"
    )
    with schema.connection(old_home, "inbox") as connection:
        connection.execute(sqlalchemy.text(waiting))
        if old_home.database:
            connection.execute(sqlalchemy.text("INSERT INTO todo (id) VALUES (7)"))
        connection.commit()
    with schema.connection(old_home, "hub") as connection:
        connection.execute(
            sqlalchemy.text(
                "INSERT INTO progress (name, version, applied_upto, next_order_id, log_seq, log_hash)"
                " VALUES ('hub', 9, 6, 5, 0, :genesis)"
            ),
            {"genesis": b"\0" * 32},
        )
        connection.commit()
    homes.init(old_home)
    store = homes.open_store(old_home)
    assert store.lanes == 1
    claim = store.claim(10, 5)
    assert (claim.messages[0].id, claim.version, claim.next_order_id, claim.lane) == (7, 12, 5, 0)
    store.release(claim)
    assert homes.outdated(old_home) == []
    assert schema.differences(old_home) == []
    store.close()


def test_payments_of_nothing_that_older_versions_left_are_gone_and_the_others_stay(old_home):
    rows = [(1, 1, "", "", 0, None), (2, 1, "alipay", "CNY", 12_900, 5), (3, 1, "alipay", "CNY", 0, 5)]
    with schema.connection(old_home, "hub") as connection:
        command.upgrade(schema.config(connection, "hub"), "hub_0002")
        for order_id, *rest in rows:
            values = dict(zip("nmcap", rest, strict=True)) | {"o": order_id}
            connection.execute(sqlalchemy.text("INSERT INTO payments VALUES (:o, :n, :m, :c, :a, :p)"), values)
        connection.commit()
    homes.init(old_home)
    store = homes.open_store(old_home)
    assert store.query("hub", "SELECT * FROM payments") == [rows[1]]
    store.close()


def test_decisions_that_older_versions_made_are_numbered_as_they_were_made(old_home):
    rows = [
        (1, "pouch", "v1", "add_gift", "P"),
        (1, "default", "v1", "assign_warehouse", "w"),
        (2, "pouch", "v1", "add_gift", "P"),
    ]
    with schema.connection(old_home, "hub") as connection:
        command.upgrade(schema.config(connection, "hub"), "hub_0005")
        for order_id, rule, version, action, argument in rows:
            connection.execute(
                sqlalchemy.text("INSERT INTO decisions VALUES (:o, :r, :v, :a, :g, 'because', 7)"),
                {"o": order_id, "r": rule, "v": version, "a": action, "g": argument},
            )
        columns = "order_id, line_no, sku, name, category, quantity, price_minor, gift_of, rule"
        gift = f"INSERT INTO lines ({columns}) VALUES (2, 1000, 'P', '', '', 3, 0, 1, 'pouch')"
        connection.execute(sqlalchemy.text(gift))
        connection.commit()
    homes.init(old_home)
    store = homes.open_store(old_home)
    assert store.query("hub", "SELECT * FROM decisions ORDER BY order_id, place") == [
        (1, "v1", 0, "routing", "default", "assign_warehouse", "w", 1, "because", 7, 0, 0),
        (1, "v1", 1, "gift", "pouch", "add_gift", "P", 1, "because", 7, 0, 0),
        (2, "v1", 0, "gift", "pouch", "add_gift", "P", 3, "because", 7, 0, 0),
    ]
    assert schema.differences(old_home) == []
    store.close()


def test_what_was_dismissed_before_stays_dismissed(old_home):
    parked = "INSERT INTO parked (id, source, message_id, reason, parked_at) VALUES (:n, 'shop', 'm' || :m, 'why', 5)"
    with schema.connection(old_home, "hub") as connection:
        command.upgrade(schema.config(connection, "hub"), "hub_0005")
        for number in (1, 2):
            connection.execute(sqlalchemy.text(parked), {"n": number, "m": str(number)})
        for name in ("m1", "replayed since"):
            said = "INSERT INTO dismissed VALUES ('shop', :name, 'never mind', 'ann', 7)"
            connection.execute(sqlalchemy.text(said), {"name": name})
        connection.commit()
    homes.init(old_home)
    store = homes.open_store(old_home)
    assert [(row["id"], row["message_id"]) for row in aside.parked(store)] == [(2, "m2")]
    (row,) = aside.parked(store, dismissed=True)
    told = {name: row[name] for name in ("id", "reason", "dismissal", "dismissed_by", "dismissed_at")}
    assert told == {"id": 1, "reason": "why", "dismissal": "never mind", "dismissed_by": "ann", "dismissed_at": 7}
    assert schema.differences(old_home) == []
    store.close()


def put(connection, head, **rest):
    """An order, in the columns that there are."""
    names = [column["name"] for column in sqlalchemy.inspect(connection).get_columns("orders")]
    known = dict(zip(msgspec.structs.asdict(head), rows.order_row(head), strict=True)) | rest
    row = {name: known[name] for name in names}
    values = ", ".join(f":{name}" for name in names)
    connection.execute(sqlalchemy.text(f"INSERT INTO orders ({', '.join(names)}) VALUES ({values})"), row)


@pytest.fixture
def refunded_home(old_home):
    """Two orders of which something went back, as older versions derived them: of A1 a next case is known."""
    with schema.connection(old_home, "hub") as connection:
        command.upgrade(schema.config(connection, "hub"), "hub_0020")
        lane = (
            "INSERT INTO lanes (lane, version, applied_upto, next_order_id, log_seq, log_hash)"
            " VALUES (0, 9, 0, 3, 0, :genesis)"
        )
        connection.execute(sqlalchemy.text(lane), {"genesis": chain.GENESIS})
        facts = {"order.placed": 1, "payment.paid": 2, "after_sale.applied": 9, "after_sale.refunded": 5}
        for number, applied_at in ((1, 9), (2, 4)):
            facts["after_sale.applied"] = applied_at
            derived = {"payment": "paid", "after_sale": "refunded", "headline": "paid", "headline_at": 5}
            head = Head(number, "shop-1", "direct", f"A{number}", **derived)
            head.facts = dict(facts)
            put(connection, head)
        connection.commit()
    return old_home


def test_the_next_case_of_an_order_that_older_versions_took_for_old_news_counts(refunded_home):
    homes.init(refunded_home)
    store = homes.open_store(refunded_home)
    asked = "SELECT order_no, payment, after_sale, headline, headline_at FROM orders ORDER BY order_no"
    assert store.query("hub", asked) == [
        ("A1", "paid", "applied", "after_sale", 9),
        ("A2", "paid", "refunded", "paid", 5),
    ]
    store.close()


def test_who_has_read_an_order_before_it_was_derived_anew_reads_it_again_and_no_other(refunded_home):
    store = homes.open_store(refunded_home)
    before = store.progress()
    store.close()
    homes.init(refunded_home)
    store = homes.open_store(refunded_home)
    now = store.progress()
    nothing = pl.LazyFrame(schema=SCHEMAS["orders"])
    news = frames.refreshed(store, "orders", nothing, before, now).collect()
    assert news.select("order_no", "after_sale", "headline").rows() == [("A1", "applied", "after_sale")]
    assert frames.refreshed(store, "orders", nothing, now, now).collect().is_empty(), "once"
    store.close()


def test_what_older_versions_knew_of_statements_counts_as_it_did(old_home):
    with schema.connection(old_home, "hub") as connection:
        command.upgrade(schema.config(connection, "hub"), "hub_0018")
        for number, stated in ((1, '{"city":7,"currency":7,"lines":5,"person":7}'), (2, "{}")):
            put(connection, Head(number, "shop-1", "direct", f"A{number}", total_minor=0), stated=stated)
        connection.commit()
    homes.init(old_home)
    store = homes.open_store(old_home)
    heads = {head.order_no: head for head in map(rows.head, store.order_rows(["A1", "A2"]))}
    store.close()
    assert heads["A2"].stated == {}
    stated = heads["A1"].stated
    fields = {version: {name for name, bit in FIELDS.items() if stated[version] & bit} for version in stated}
    assert fields == {5: {"lines"}, 7: {"city", "currency", "person"}}
    assert read_stated('{"city":7,"currency":7,"lines":5,"person":7}') == stated, "of a worker that nobody has stopped"
    older = Observation("A1", at=6, content=Content(city="Xi'an", lines=(Line(1, "HOODIE"),)))
    folded = fold(heads["A1"], older, Origin("shop-1", 1, 6))
    assert (heads["A1"].city, folded.lines) == ("", (Line(1, "HOODIE"),)), "older than the city, newer than the lines"


def test_this_version_s_schema_is_the_newest_migration():
    assert schema.heads() == homes.REVISIONS


@pytest.mark.postgres
def test_an_upgrade_waits_for_the_commits_that_are_under_way(tmp_path, fresh_database):
    """One that began under the old schema would end in the new one."""
    home = Home(tmp_path / "data", fresh_database())
    homes.init(home)
    store = homes.open_store(home)
    store.accept([RawMessage("shop", "m", "order", b"{}")], 1)
    claim = store.claim(10, 5)
    with ThreadPoolExecutor(1) as pool:
        upgrade = pool.submit(schema.upgrade, home)
        with pytest.raises(TakesLonger):
            upgrade.result(0.7)
        store.release(claim)
        upgrade.result(20)
    store.close()


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (psycopg.errors.DataCorrupted, Stop),
        (psycopg.errors.IndexCorrupted, Stop),
        (psycopg.errors.DiskFull, Busy),
        (psycopg.OperationalError, Unreachable),
    ],
)
def test_a_damaged_database_is_no_outage(failure, kind):
    with pytest.raises(kind), sessions.translated():
        raise failure("invalid page in block 0 of relation base/5/16384")


@pytest.mark.parametrize("part", ["inbox", "hub"])
def test_a_hub_of_a_later_version_is_left_as_it_is(any_home, part, tmp_path):
    revision, asked = f"{part}_9999", sqlalchemy.text(f"SELECT version_num FROM alembic_version_{part}")
    opened = Hub(any_home)
    ready = Ready(opened, accepts=False)
    with schema.connection(any_home, part) as connection:
        connection.execute(sqlalchemy.text(f"UPDATE alembic_version_{part} SET version_num = '{revision}'"))
        if part == "hub":  # whatever that version has made of it
            connection.execute(sqlalchemy.text("ALTER TABLE lanes RENAME TO tracks"))
        connection.commit()
    refused = rf"later version of OrderHub .*{revision}; .* start that version"
    for refuses in (lambda: homes.init(any_home), ready):
        with pytest.raises(Stop, match=refused):
            refuses()
    if any_home.database:
        with pytest.raises(Stop, match=refused):
            backup.backup(any_home, tmp_path / "b", env={"ORDERHUB_PEPPER": "a pepper of some length"})
    opened.close()
    assert (homes.outdated(any_home), homes.later(any_home)) == ([part], {part: revision})
    told = [(one.part, str(one.mend)) for one in checks.findings(any_home) if "schema" in str(one.what)]
    assert told == [(part, "start the version that brought it there")]
    with schema.connection(any_home, part) as connection:
        assert connection.execute(asked).scalar_one() == revision
