"""An order that tells an empty list of lines: nothing is known of what is in it, so nothing of nothing is handed over,
and what was known stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.channels import direct, douyin
from orderhub_core.model import Observation

GOLDEN = Path(__file__).parent
PAID = json.loads((GOLDEN / "golden" / "order-2-paid.json").read_text())["message"]
CREATED = json.loads((GOLDEN / "golden_direct" / "created.json").read_text())["message"]


@pytest.mark.parametrize("lines", [[], None], ids=repr)
def test_douyin(lines: Any) -> None:
    seen = douyin.decode("order", json.dumps(PAID | {"sku_order_list": lines}).encode())
    assert isinstance(seen, Observation) and seen.content is not None
    assert (seen.content.lines, seen.content.total_minor) == (None, 25800)


@pytest.mark.parametrize("lines", [[], None], ids=repr)
def test_direct(lines: Any) -> None:
    content = CREATED["content"] | {"lines": lines}
    seen = direct.decode(direct.KIND, json.dumps(CREATED | {"content": content}).encode())
    assert seen.content is not None
    assert (seen.content.lines, seen.content.total_minor) == (None, CREATED["content"]["total_minor"])
