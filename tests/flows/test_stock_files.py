"""What warehouses have, from files as people export them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orderhub_core.errors import UserMistake
from orderhub_core.flows import stocking


def file(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "stock.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_headings_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = file(tmp_path, '仓库,商品编码,库存,安全库存\nhangzhou,连体衣-M,"1,250",5\nattic,A-1,-3,\n', encoding)
    assert stocking.read(path).rows() == [("hangzhou", "连体衣-M", 1_250, 5), ("attic", "A-1", -3, None)]


def test_the_warehouse_may_be_said_beside_the_file(tmp_path: Path) -> None:
    path = file(tmp_path, "SKU,On_Hand,note\nA-1,7,x\nA-2,0,y\n")
    assert stocking.read(path, "hangzhou").rows() == [("hangzhou", "A-1", 7, None), ("hangzhou", "A-2", 0, None)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sku,on_hand\nA,1\n", "warehouse"),
        ("warehouse,sku\nw,A\n", "on_hand"),
        (
            "warehouse,sku,on_hand\nw,A,many\nw,,3\n,B,2\n",
            "row 2: no number of .*, row 3: no SKU .*, row 4: no warehouse",
        ),
        ("warehouse,sku,on_hand\n" + "w,A,x\n" * 9, "Rows to be mended: 9; nothing was taken in"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_its_rows(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserMistake, match=told):
        stocking.read(file(tmp_path, text))
