"""What a visitor with bad intentions gets, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import looking
import pytest
from playwright.sync_api import Page
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

pytestmark = [pytest.mark.server]

OPEN = "open"
Start = Callable[..., AbstractContextManager[str]]


def shake(home: str, path: str, cookies: dict[str, str], *, origin: str | None = None, host: str = "") -> str | int:
    """Open a websocket: OPEN, or the status with which it was refused."""
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    place = urlsplit(home)

    address = f"ws://{host or place.netloc}{path}"
    told: dict[str, Any] = {
        "additional_headers": headers,
        "sock": socket.create_connection((place.hostname, place.port)),
    }
    try:
        with connect(address, origin=Origin(origin or home), **told):
            return OPEN
    except InvalidStatus as refusal:
        return refusal.response.status_code


def come(home: str) -> dict[str, str]:
    """A visitor's cookies after having seen the first page."""
    with httpx.Client(base_url=home) as client:
        client.get("/").raise_for_status()
        return dict(client.cookies)


WS = "/apps/probe/ws?session_id=s_abc123"


def test_another_visitor_s_session_is_out_of_reach(probe: str) -> None:
    ann, bob = come(probe), come(probe)
    assert shake(probe, WS, ann) == OPEN
    assert shake(probe, WS, bob) == 403
    for path in ("set_ui_element_value", "function_call"):
        answer = httpx.post(
            f"{probe}/apps/probe/api/kernel/{path}", json={}, cookies=bob, headers={"Marimo-Session-Id": "s_abc123"}
        )
        assert answer.status_code == 403


def test_a_page_of_another_site_cannot_connect(probe: str) -> None:
    ann = come(probe)
    assert shake(probe, WS, ann, origin="http://evil.test") == 403
    assert shake(probe, WS, ann, host="evil.test") in (403, 421)
    assert shake(probe, WS, {}) == 403


def test_a_rebound_name_shows_nothing(probe: str) -> None:
    assert httpx.get(probe, headers={"host": "evil.test"}).status_code == 421
    assert httpx.get(f"{probe}/healthz", headers={"host": "10.0.0.7"}).text == "ok"


def test_marimo_tells_nobody_about_sessions_or_paths(probe: str) -> None:
    with httpx.Client(base_url=f"{probe}/apps/probe", cookies=come(probe)) as client:
        for path in (
            "api/status/connections",
            "api/status",
            "api/home/running_notebooks",
            "api/sessions",
            "terminal/ws",
        ):
            assert client.get(f"/{path}").status_code == 404
        assert client.get("/", params={"file": "/etc/passwd"}).status_code in (200, 404)


def test_who_comes_to_an_address_that_is_none_is_told_so_and_led_back(probe: str) -> None:
    with httpx.Client(base_url=probe) as client:
        for path in ("/apps/nope/", "/apps/probed", "/wp-login.php", "/<script>alert(1)</script>"):
            answer = client.get(path, params={"lang": "zh"})
            assert (answer.status_code, "没有这个页面" in answer.text) == (404, True), path
            assert '<a href="/">' in answer.text
            assert "alert(1)" not in answer.text


@pytest.mark.browser
def test_a_stolen_session_id_does_not_read_the_page(probe: str, visit: Callable[..., Page]) -> None:
    sockets: list[str] = []
    page = visit(f"{probe}/")
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(f"{probe}/apps/probe/")
    looking.open_app(page)
    stolen = urlsplit(sockets[0])
    assert shake(probe, f"{stolen.path}?{stolen.query}", come(probe)) == 403
    page.get_by_role("slider").press("ArrowRight")
    page.get_by_text("6 rows, 2 columns").wait_for(timeout=20_000)


@pytest.mark.browser
def test_with_a_token_the_console_asks_first(start: Start, visit: Callable[..., Page]) -> None:
    with start(token="tall trees") as home:
        page = visit(f"{home}/?token=tall+trees")
        assert "token" not in page.url
        assert page.locator("h1").is_visible()
        assert httpx.get(home, headers={"accept": "text/html"}).status_code == 401


@pytest.mark.browser
def test_who_leaves_a_page_open_does_not_keep_the_server_from_its_end(start: Start, visit: Callable[..., Page]) -> None:
    with start(notebooks=Path(__file__).parent / "notebooks") as home:
        page = visit(f"{home}/apps/probe/")
        looking.open_app(page)
    with pytest.raises(httpx.TransportError):  # it has ended in time, or `start` would have said so
        httpx.get(f"{home}/healthz")
