"""Ids become names in one place, so that nobody is told of two things by one name."""

from __future__ import annotations

import polars as pl
import pytest

from orderhub_core import names, ui
from orderhub_core.audit.credibility import texts as credibility
from orderhub_core.audit.credibility.change import Change
from orderhub_core.entry.demo import setting
from orderhub_core.health import holds
from orderhub_core.health import texts as health
from orderhub_core.health.blockages import Blockage
from orderhub_core.i18n import translator
from orderhub_core.names import Names
from orderhub_core.packing import board
from orderhub_core.rules.choices import CARRIER
from orderhub_core.settings import Endpoint, Settings, WarehouseSettings, parsed
from orderhub_core.ui.choice import NUMBER

EN, ZH = translator("en"), translator("zh")


def warehouses(**named: str) -> tuple[WarehouseSettings, ...]:
    return tuple(WarehouseSettings(id, "", name=name) for id, name in named.items())


SHOP = Settings(
    shops=(Endpoint("main", "direct", name="旗舰店"), Endpoint("bare", "direct")),
    touchpoints=(Endpoint("crm", "desk", name="客服 CRM"),),
    warehouses=warehouses(hangzhou="杭州仓", attic=" "),
    notifiers=(Endpoint("hangzhou", "chat", name="群"), Endpoint("night", "chat", name="夜班群")),
)


@pytest.mark.parametrize(
    ("kind", "id", "name"),
    [
        ("shop", "main", "旗舰店"),
        ("shop", "bare", "bare"),
        ("shop", "gone", "gone"),
        ("shop", "旗舰店", "旗舰店"),
        ("touchpoint", "旗舰店", "旗舰店 (not in the settings)"),
        ("source", "main", "旗舰店"),
        ("source", "crm", "客服 CRM"),
        ("source", "ops", "a person"),
        ("source", "file/direct/main", "files of 旗舰店 (direct)"),
        ("source", "file/file/imported", "files of imported"),
        ("touchpoint", "crm", "客服 CRM"),
        ("warehouse", "hangzhou", "杭州仓"),
        ("warehouse", "attic", "attic"),
        ("warehouse", "main", "main"),
        ("target", "hangzhou", "杭州仓"),
        ("target", "night", "夜班群"),
        ("province", "浙江省", "浙江省"),
        ("carrier", "", ""),
    ],
)
def test_what_the_settings_name_is_called_so_and_all_else_by_its_id(kind, id, name):
    assert Names(SHOP, EN)(kind, id) == name


@pytest.mark.parametrize(("said", "english", "chinese"), [
    ("sf", "SF Express", "顺丰"), ("JTSD", "J&T Express", "极兔"), ("极兔速递", "J&T Express", "极兔"),
    ("DHL", "DHL", "DHL"),
])  # fmt: skip
def test_a_carrier_has_one_name_however_a_channel_writes_it(said, english, chinese):
    assert Names(Settings(), EN)("carrier", said) == english
    assert Names(Settings(), ZH)("carrier", said) == chinese


def test_carriers_are_called_as_rules_call_them():
    assert {ZH(name): code for code, name in names.CARRIERS.items()} == CARRIER


def test_no_two_of_a_kind_have_one_name():
    own = Settings(warehouses=warehouses(a="仓", b="仓", c="a", d="杭州仓"))
    orders = pl.DataFrame({"warehouse": ["a", "b", "c", "d", "杭州仓"]})
    said = board.warehouses(orders, ZH, Names(own, ZH))
    known = {"仓（a）": "a", "仓（b）": "b", "a（c）": "c", "杭州仓": "d"}
    assert said == {"全部仓库": "", **known, "杭州仓（不在配置中）": "杭州仓"}


def test_a_table_shows_names_and_what_is_chosen_of_it_has_ids():
    rows = pl.DataFrame({ZH("Shop"): ["main", None, "bare"], ZH("Target"): ["hangzhou", "night", ""], "n": [1, 2, 3]})
    said = Names(SHOP, ZH)
    shown = said.rows(rows)
    assert shown.rows() == [("旗舰店", "杭州仓", 1), (None, "夜班群", 2), ("bare", "", 3)]
    table = ui.table(rows, said, selection="multi")
    assert table.data.drop(NUMBER).equals(shown)
    table._update([str(table.data[NUMBER][0])])
    assert table.value.rows() == [("main", "hangzhou", 1)]


def test_a_file_that_people_read_has_names_beside_ids_where_there_are_any():
    rows = pl.DataFrame({ZH("Shop"): ["main", None], ZH("Target"): ["guangzhou", ""], "n": [1, 2]})
    told = Names(SHOP, ZH).beside(rows)
    assert told.columns == ["店铺", "店铺（名称）", ZH("Target"), "n"]
    assert told.rows() == [("main", "旗舰店", "guangzhou", 1), (None, None, "", 2)]


@pytest.mark.parametrize(("language", "said"), [(EN, "杭州仓 (hangzhou)"), (ZH, "杭州仓（hangzhou）")])
def test_where_an_id_is_typed_next_it_stands_beside_the_name_once(language, said):
    alike = Settings(warehouses=warehouses(hangzhou="杭州仓", other="杭州仓", attic=""))
    assert Names(SHOP, language).typed("warehouse", "hangzhou") == said
    assert Names(alike, language).typed("warehouse", "hangzhou") == said
    assert Names(alike, language).typed("warehouse", "attic") == "attic"


def test_each_heading_below_which_ids_stand_is_told_in_both_languages():
    assert all(ZH(heading) != heading for heading in names.HEADINGS)
    assert len({ZH(heading) for heading in names.HEADINGS}) == len(names.HEADINGS)


def test_a_hold_tells_its_warehouse_by_name():
    lacked = "hangzhou: 0 of CUP left, 1 asked; attic: closed (blackout)"
    note = f"nothing was taken: {lacked}; before: its channel names hangzhou"
    assert holds.reasons(note, ZH, Names(SHOP, ZH)) == (
        "没有取用：杭州仓：CUP 剩 0 件，需 1 件；attic：未开放（blackout）；此前：渠道指定了 杭州仓"
    )
    assert holds.reasons("its channel names hangzhou", str) == "its channel names hangzhou", "where ids are typed"


def test_a_blockage_is_told_by_name():
    where = {"warehouse": "hangzhou", "shop": "main", "carrier": "JTSD", "province": "浙江省"}
    told = [health.place(Blockage("paid", kind, id, 1, 1, 1, 1, 2, 1, (), ()), ZH, Names(SHOP, ZH))
            for kind, id in where.items()]  # fmt: skip
    assert told == ["已付款 · 仓库 杭州仓", "已付款 · 店铺 旗舰店", "已付款 · 快递 极兔", "已付款 · 省份 浙江省"]


def test_groups_of_a_change_are_told_by_name():
    rows = pl.DataFrame({"group": ["JTSD", ""], "part": ["freshness"] * 2, "mix": [0.0] * 2, "rate": [1.0] * 2})
    told = credibility.called(Change(1, 2, rows), "carrier", Names(SHOP, ZH))
    assert told.rows["group"].to_list() == ["极兔", ""]


def test_the_demonstration_names_all_that_it_has():
    told = parsed(setting.SETTINGS.read_text(encoding="utf-8"))
    known = [one for kind in ("shops", "touchpoints", "warehouses") for one in told[kind]]
    assert len(known) == 8
    assert [one["id"] for one in known if not one.get("name") or one["name"].isascii()] == []
