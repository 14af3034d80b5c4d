"""What other systems answer, over real HTTP, in the hub's terms."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from time import time

import ports
import pytest

from connectors._kit import http
from connectors.warehouses import dock
from orderhub_core.effects import PushToWarehouse, WarehouseLine
from orderhub_core.errors import (
    BadCredentials,
    OrderHubError,
    RefusedByTarget,
    Throttled,
    Unconnected,
    Unreachable,
    UserMistake,
)
from orderhub_core.settings import Endpoint

ORDER = PushToWarehouse("shop-1", "A1", "hangzhou", (WarehouseLine("SKU-1", 1),))


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ports.answering(Handler) as url:
        yield url


def failure(url: str) -> OrderHubError:
    link = http.client(url, 5.0, "desk")
    with pytest.raises(OrderHubError) as failed:
        http.ask(link, link.build_request("GET", "/"), "desk")
    return failed.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, Unreachable), (307, Unreachable), (408, Unreachable), (425, Unreachable), (429, Throttled),
        (503, Unreachable), (401, BadCredentials), (400, RefusedByTarget), (422, RefusedByTarget),
    ],
)  # fmt: skip
def test_what_passes_is_tried_again_and_a_no_is_for_a_person(status: int, kind: type[OrderHubError]) -> None:
    with answering(status, location="http://elsewhere.test/") as url:
        assert type(failure(url)) is kind


def test_where_nobody_listens_nothing_was_sent() -> None:
    for url in (f"http://127.0.0.1:{ports.free_port()}", "http://no-such-host.invalid"):
        assert type(failure(url)) is Unconnected


def test_who_has_heard_and_says_nothing_may_have_taken_it() -> None:
    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.connection.close()

    with ports.answering(Silent) as url:
        assert type(failure(url)) is Unreachable


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("7", 7, 7),
        ("9" * 400, http.LONGEST_AFTER_S, http.LONGEST_AFTER_S),
    ],
)
def test_how_long_it_wants_to_be_left_alone(said: str, least: float, most: float) -> None:
    with answering(429, retry_after=said) as url:
        after_s = failure(url).after_s  # type: ignore[attr-defined]
        assert least <= after_s <= most
    with answering(503, retry_after=said) as url:
        assert failure(url).after_s == min(after_s, http.LONGEST_TROUBLE_S)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("ahead", "most"), [(600, 600), (-600, 0), (10**8, http.LONGEST_AFTER_S)])
def test_until_when_it_wants_to_be_left_alone(ahead: int, most: float) -> None:
    with answering(429, retry_after=formatdate(time() + ahead, usegmt=True)) as url:
        assert max(0, most - 60) <= failure(url).after_s <= most  # type: ignore[attr-defined]


@pytest.mark.parametrize("said", ["", "soon", "-5", "1e3", "²", "Fri, 99 Foo 9999 99:99:99 GMT", "nan"])
def test_what_is_no_time_is_as_if_nothing_were_said(said: str) -> None:
    with answering(429, retry_after=said) as url:
        assert failure(url).after_s is None  # type: ignore[attr-defined]


def test_a_link_knows_how_late_it_was_over_there() -> None:
    class Late(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("date", "Tue, 14 Nov 2023 22:13:20 GMT")
            self.end_headers()

    with ports.answering(Late) as url:
        link = http.client(url, 5.0, "desk")
        assert link.clock is None
        http.ask(link, link.build_request("GET", "/"), "desk")
        assert link.clock == 1_700_000_000_000_000


def test_a_small_answer_that_unpacks_to_a_great_one_is_not_unpacked() -> None:
    with answering(200, gzip.compress(bytes(200 << 20), 9), content_encoding="gzip") as url:
        assert "more than 16 MiB" in str(failure(url))


def test_a_packed_answer_is_read_all_the_same() -> None:
    with answering(200, gzip.compress("库存".encode()), content_encoding="gzip") as url:
        link = http.client(url, 5.0, "desk")
        assert http.ask(link, link.build_request("GET", "/"), "desk").text == "库存"


def test_a_refusal_is_read_however_its_header_says_it_is_written() -> None:
    for charset, body in (("hex", b"no such SKU"), ("gbk", "没有这个商品".encode("gbk"))):
        with answering(422, body, content_type=f"text/plain; charset={charset}") as url:
            assert isinstance(failure(url), RefusedByTarget)


@pytest.mark.parametrize("secret", ["sk-live\nSECRET42", "密钥 SECRET42"])
def test_a_secret_that_cannot_be_sent_is_told_without_it(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("DOCK", secret)
    with pytest.raises(UserMistake, match="good: its secret cannot be sent") as failed:
        dock.connect(Endpoint("good", "dock", url="http://127.0.0.1:1", secret_env="DOCK"))
    assert "SECRET42" not in str(failed.value)


@pytest.mark.parametrize(
    "url", ["", "warehouse.test", "file:///etc/passwd", "http://wms:80a/", "http://[::1", "http://"]
)
def test_a_url_that_is_no_address_is_told(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DOCK", "s")
    with pytest.raises(UserMistake, match="good: its url is"):
        dock.connect(Endpoint("good", "dock", url=url, secret_env="DOCK"))


def test_a_password_in_an_address_is_repeated_nowhere() -> None:
    with answering(503) as url:
        assert "SECRET42" not in str(failure(url.replace("http://", "http://user:SECRET42@")))


def test_a_dock_without_a_secret_says_what_to_set() -> None:
    with pytest.raises(UserMistake, match="good: a dock needs secret_env"):
        dock.connect(Endpoint("good", "dock", url="http://127.0.0.1:1"))


def test_what_a_shell_leaves_at_the_end_of_a_secret_is_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCK", "sk-live-SECRET42\n")
    assert Endpoint("good", "dock", secret_env="DOCK").secret() == "sk-live-SECRET42"


def test_another_order_that_is_read_back_is_not_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCK", "s")
    held = b'{"shop": "shop-1", "order_no": "A2", "lines": [{"sku": "SKU-1", "quantity": 1}]}'
    with answering(200, held) as url:
        assert not dock.connect(Endpoint("good", "dock", url=url, secret_env="DOCK")).holds(ORDER)
    with answering(200, held.replace(b"A2", b"A1")) as url:
        assert dock.connect(Endpoint("good", "dock", url=url, secret_env="DOCK")).holds(ORDER)
