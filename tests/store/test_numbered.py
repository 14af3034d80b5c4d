"""Orders by their numbers, whichever shop's: found by keys, also while nobody has counted them."""

from __future__ import annotations

import contextlib

import pytest

from orderhub_core.flows import rows
from orderhub_core.fold import Head
from orderhub_core.store import homes, statements

SHOPS = ("shop-1", "shop-2", "")


@pytest.fixture
def store(home):
    with contextlib.closing(homes.open_store(home)) as opened:
        yield opened


def put(store, count):
    heads = [Head(3 * n + m, shop, "douyin", f"A{n}") for n in range(count) for m, shop in enumerate(SHOPS)]
    with store.transaction("hub") as cursor:
        cursor.executemany(store.sql(statements.insert("orders")), [rows.order_row(head) for head in heads])


def test_those_of_all_shops_are_found_whole(store):
    assert store.order_rows(["A1"]) == []
    put(store, 4)
    found = [rows.head(row) for row in store.order_rows(["A1", "A3", "A9"])]
    assert {(head.shop, head.order_no) for head in found} == {(shop, no) for shop in SHOPS for no in ("A1", "A3")}
    assert sorted(head.order_id for head in found) == [3, 4, 5, 9, 10, 11]


def test_nobody_walks_all_orders_for_some(store, monkeypatch):
    if store.lanes > 1:
        with store.transaction("hub") as cursor:
            cursor.execute("ALTER TABLE orders SET (autovacuum_enabled = off)")
    put(store, 3_000)
    ask, asked = store.query, []
    monkeypatch.setattr(store, "query", lambda part, sql, values: asked.append((sql, values)) or [])
    store.order_rows([f"A{n}" for n in range(1_000)])
    ((sql, values),) = asked
    plan = ask("hub", f"EXPLAIN {'QUERY PLAN ' if store.lanes == 1 else ''}{sql}", values)
    steps = [row[-1] for row in plan]
    assert [step for step in steps if "Seq Scan on orders" in step or step.startswith("SCAN orders")] == []
