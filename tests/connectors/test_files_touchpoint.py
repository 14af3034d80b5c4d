"""Plain files for the audit: every row stays, nothing is judged."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from connectors.files import Mapping, read_touchpoint
from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT


def saved(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "wms.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "headings", ["order_no,status,updated_at,库位", "订单号,状态,更新时间,库位", "订单编号,订单状态,最后更新时间,库位"]
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_the_usual_headings_are_known_and_the_rest_is_kept(tmp_path: Path, headings: str, encoding: str) -> None:
    text = f"{headings}\n'001,已出库,2026-01-02 08:00:00,A1\n001,已出库,soon,\n"
    frame = read_touchpoint(saved(tmp_path, text, encoding))
    assert frame.schema == {
        "order_no": pl.String,
        "status": pl.String,
        "updated_at": INSTANT,
        "time_problem": pl.String,
        "order_no_problem": pl.String,
        "row_no": pl.Int64,
        "库位": pl.String,
    }
    assert frame["order_no"].to_list() == ["001", "001"]
    assert frame["updated_at"].to_list() == [dt.datetime(2026, 1, 2, 0, tzinfo=dt.UTC), None]
    assert "not a time" in frame["time_problem"][1]
    assert frame["row_no"].to_list() == [2, 3]
    assert frame["库位"].to_list() == ["A1", None]


def test_headings_only_are_no_rows_and_no_bytes_are_a_mistake(tmp_path: Path) -> None:
    assert read_touchpoint(saved(tmp_path, "order_no,status,updated_at\n")).height == 0
    assert read_touchpoint(saved(tmp_path, "order_no,status\n")).schema["updated_at"] == INSTANT
    with pytest.raises(UserMistake, match="the file is empty"):
        read_touchpoint(saved(tmp_path, ""))


def test_rows_without_a_number_stay_for_the_audit_to_tell(tmp_path: Path) -> None:
    frame = read_touchpoint(saved(tmp_path, "order_no,status\n,shipped\n4.83E+18,paid\n"))
    assert frame["order_no"].to_list() == [None, "4.83E+18"]


def test_a_mapping_names_other_headings(tmp_path: Path) -> None:
    mapping = Mapping(name="m", shop="s", columns={"order_no": "id", "status": "state"}, time_zone="UTC")
    frame = read_touchpoint(saved(tmp_path, "id,state,order_no\n1,x,2\n"), mapping)
    assert frame.select("order_no", "status", "order_no (file)").rows() == [("1", "x", "2")]


def test_no_column_of_statuses(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="no column for status"):
        read_touchpoint(saved(tmp_path, "order_no,colour\n1,red\n"))
