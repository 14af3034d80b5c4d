"""Settings: what cannot work is refused when it is read, in one sentence that names the file and the field."""

from __future__ import annotations

import pytest

from orderhub_core import settings
from orderhub_core.errors import UserMistake

WAREHOUSE = '[[warehouses]]\nid = "w"\nconnector = ""\n'
SHOP = '[[shops]]\nid = "a"\nconnector = "douyin"\n'


def load(folder, text):
    (folder / settings.FILE_NAME).write_text(text, encoding="utf-8")
    return settings.load(folder)


def test_without_a_file_there_are_defaults(tmp_path):
    assert settings.load(tmp_path) == settings.Settings()


def test_a_warehouse_can_be_switched_off(tmp_path):
    found = load(tmp_path, WAREHOUSE + "enabled = false\n" + WAREHOUSE.replace('"w"', '"v"'))
    assert [warehouse.enabled for warehouse in found.warehouses] == [False, True]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SHOP + SHOP, "'a' stands twice"),
        (SHOP + '[[touchpoints]]\nid = "a"\nconnector = "desk"\n', "'a' stands twice"),
        (WAREHOUSE * 2, "'w' stands twice"),
        (SHOP + "poll_every_s = 0\n", "poll_every_s"),
        (SHOP + "poll_every_s = -1.5\n", "poll_every_s"),
        (SHOP + "poll_every_s = nan\n", "poll_every_s"),
        (SHOP + "timeout_s = 0\n", "timeout_s"),
        (SHOP + "timeout_s = 31\n", "timeout_s"),
        (SHOP.replace('"a"', '"ops"'), "ops"),
        (SHOP.replace('"a"', '"file/x"'), "slash"),
        (SHOP.replace('"a"', '""'), "empty"),
        ("[limits]\nbatch = 0\n", "batch"),
        ("merge_wait_s = -1\n", "merge_wait_s"),
        ("merge_wait_s = 14401\n", "at most 14400"),
        ("merge_wait_s = nan\n", "merge_wait_s"),
        ("[limits]\nwaiting_messages = -1\n", "waiting_messages"),
        ('time_zone = "Asia/Nowhere"\n', "Asia/Nowhere"),
        ('time_zone = "../../etc/passwd"\n', "time_zone"),
        (WAREHOUSE + 'country = "中国"\n', "country"),
        (WAREHOUSE + "orders_per_day = -1\n", "orders_per_day is -1"),
        (WAREHOUSE + "latitude = 30.0\n", "belong together"),
        (WAREHOUSE + "latitude = 120.0\nlongitude = 30.0\n", "latitude is 120; write degrees from -90 to 90"),
        ("[credibility.weights]\nfreshness = -1\n", "freshness"),
        ("[credibility.weights]\nfreshness = nan\n", "freshness"),
        ("[credibility.weights]\nfreshness = 0\nconsistency = 0\ntraceability = 0\n", "all are 0"),
        ("[credibility.targets]\nwms = 0\n", "'wms'"),
        ("[credibility]\nweight = 3\n", "weight"),
        ("shops = 3\n", "shops"),
        ("[[shops]\n", "settings.md"),
        ("[limits]\nbatch = " + "1" * 5_000, "digits"),
        ("shops = " + "[" * 3_000, "nested"),
    ],
)
def test_what_cannot_work_is_refused_by_name(tmp_path, text, told):
    with pytest.raises(UserMistake) as mistake:
        load(tmp_path, text)
    assert told in str(mistake.value)
    assert settings.FILE_NAME in str(mistake.value)


def test_a_folder_in_place_of_the_file_is_told(tmp_path):
    (tmp_path / settings.FILE_NAME).mkdir()
    with pytest.raises(UserMistake, match="cannot be read"):
        settings.load(tmp_path)


def test_the_mark_that_windows_puts_before_a_text_is_no_mistake(tmp_path):
    found = load(tmp_path, "\ufeff" + WAREHOUSE)
    assert [warehouse.id for warehouse in found.warehouses] == ["w"]
