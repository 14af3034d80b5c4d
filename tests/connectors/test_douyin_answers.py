"""What Douyin answers with HTTP 200 that is no order, and what is repeated of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from ports import answering

from connectors.channels import douyin
from orderhub_core.errors import RefusedByTarget
from orderhub_core.settings import Endpoint

PAID = json.loads((Path(__file__).parent / "golden" / "order-2-paid.json").read_text())["message"]


@contextmanager
def answered(envelope: dict[str, Any]) -> Iterator[douyin.Douyin]:
    """A shop whose platform gives a token, and answers all else so."""

    class Platform(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            is_token = self.path.startswith("/token/create")
            body = json.dumps({"code": 10000, "data": {"access_token": "t"}} if is_token else envelope).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    with answering(Platform) as url:
        told = {"app_key": "k", "secret_env": "TEST_SHOP_SECRET", "options": {"shop_id": "1"}}
        yield douyin.connect(Endpoint(id="s", connector="douyin", url=url, **told))


@pytest.mark.parametrize("data", [{"shop_order_detail": None}, {}, None, []], ids=repr)
def test_an_order_that_is_not_shown_is_no_message(data: Any) -> None:
    with answered({"code": 10000, "data": data}) as shop, pytest.raises(RefusedByTarget, match="shows no order 17"):
        shop.fetch("17")


def test_an_order_that_cannot_be_read_is_one_to_be_parked() -> None:
    with answered({"code": 10000, "data": {"shop_order_detail": {"order_id": []}}}) as shop:
        assert json.loads(shop.fetch("17").body) == {"order_id": []}


@pytest.mark.parametrize("field", ["sub_msg", "msg"])
def test_what_the_platform_says_of_a_failure_is_repeated_without_anybodys_number(field: str) -> None:
    said = f"收件人电话 199 0000 1234 不合法。\n{'再试' * 200}"
    envelope = {"code": 50002, "sub_code": "isv.business-failed:1", "log_id": "20240930", field: said}
    with answered(envelope) as shop, pytest.raises(RefusedByTarget) as caught:
        shop.fetch("17")
    text = str(caught.value)
    assert "收件人电话 *** **** **** 不合法。 再试" in text
    assert "(code 50002, isv.business-failed:1, log_id 20240930)" in text
    assert "1234" not in text and "\n" not in text and len(text) < 400


@pytest.mark.parametrize("said", [{"sku_id": 0}, {"sku_id": ""}, {"master_sku_order_id_list": ["", "0"]}], ids=repr)
def test_a_line_that_names_no_sku_id_or_no_master_costs_no_order(said: dict[str, Any]) -> None:
    lines = [line | said for line in PAID["sku_order_list"]]
    seen = douyin.decode("order", json.dumps(PAID | {"sku_order_list": lines}).encode())
    assert seen == douyin.decode("order", json.dumps(PAID).encode())
