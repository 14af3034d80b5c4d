"""A call ends when its time is over, whatever the far side does with the single bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from connectors._kit import deadline, http
from orderhub_core.errors import Unreachable

TIMEOUT_S = 0.5
DRIP_S = 0.1
PATIENCE_S = 6.0
"""When the far side gives up misbehaving: a call that is still waiting then was not ended by its deadline."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"
Behave = Callable[[socket.socket, threading.Event], None]


def receive_head(peer: socket.socket) -> bool:
    seen = b""
    while not seen.endswith(b"\r\n\r\n"):
        if not (part := peer.recv(4096)):
            return False
        seen += part
    return True


def drip(peer: socket.socket, drops: bytes, over: threading.Event) -> None:
    for drop in drops:
        if over.wait(DRIP_S):
            return
        peer.sendall(bytes([drop]))


def drips_head(peer: socket.socket, over: threading.Event) -> None:
    receive_head(peer)
    drip(peer, HEAD[:-2] + b"X-Long: " + b"x" * 200, over)


def drips_body(peer: socket.socket, over: threading.Event) -> None:
    receive_head(peer)
    peer.sendall(HEAD)
    drip(peer, b"x" * 200, over)


def drips_interim_answers(peer: socket.socket, over: threading.Event) -> None:
    receive_head(peer)
    while not over.wait(DRIP_S):
        peer.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")


def never_answers(peer: socket.socket, over: threading.Event) -> None:
    receive_head(peer)
    over.wait()


def sips_the_request(peer: socket.socket, over: threading.Event) -> None:
    while not over.wait(DRIP_S):
        peer.recv(65_536)


def answers(peer: socket.socket, over: threading.Event) -> None:
    while receive_head(peer):
        drip(peer, b"HTTP", over)
        peer.sendall(HEAD[4:] + b"y" * 200)


class Far:
    """A loopback server that treats each connection with `behave`. `over` ends it; it is also over by itself."""

    def __init__(self, listener: socket.socket, behave: Behave) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.connections = 0
        self.over = threading.Event()
        self.gave_up = False
        self._listener, self._behave = listener, behave
        self._giving_up = threading.Timer(PATIENCE_S, self._give_up)

    def _give_up(self) -> None:
        self.gave_up = True
        self.over.set()

    def serve(self) -> None:
        self._giving_up.start()
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self.connections += 1
                with peer, suppress(OSError):
                    self._behave(peer, self.over)

    def close(self) -> None:
        self._giving_up.cancel()
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def far(behave: Behave) -> Iterator[Far]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Inherited by what it accepts: a small window, so that a large request cannot vanish into buffers.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        side = Far(listener, behave)
        thread = threading.Thread(target=side.serve)
        thread.start()
        try:
            yield side
        finally:
            side.close()
            thread.join(10)


@pytest.mark.parametrize(
    "behave", [drips_head, drips_body, drips_interim_answers, never_answers, sips_the_request], ids=lambda f: f.__name__
)
def test_a_call_ends_when_its_time_is_over(behave: Behave) -> None:
    body = b"z" * 30_000_000 if behave is sips_the_request else b""
    with far(behave) as side, http.client(side.url, TIMEOUT_S, "far") as link:
        with pytest.raises(Unreachable, match=r"shop: no answer from http://127\.0\.0\.1:\d+/orders in time"):
            http.ask(link, link.build_request("POST", "/orders", content=body), "shop")
        assert not side.gave_up


def test_an_answer_in_time_is_the_answer_and_its_connection_is_used_again() -> None:
    # Each call lasts 0.4 s, so the third ends after the first one's deadline: the deadline is the call's own.
    with far(answers) as side, http.client(side.url, 1.0, "far") as link:
        for _ in range(3):
            assert http.ask(link, link.build_request("GET", "/orders"), "shop").content == b"y" * 200
        link.close()
        assert side.connections == 1


def test_after_a_call_that_ran_out_of_time_the_next_one_has_a_connection_of_its_own() -> None:
    once = iter([drips_body, answers])
    with far(lambda peer, over: next(once)(peer, over)) as side, http.client(side.url, TIMEOUT_S * 2, "far") as link:
        with pytest.raises(Unreachable):
            http.ask(link, link.build_request("GET", "/orders"), "shop")
        assert http.ask(link, link.build_request("GET", "/orders"), "shop").content == b"y" * 200
        assert side.connections == 2


def test_a_resolver_that_hangs_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    waited = []

    def hang(*_: object, **__: object) -> list[object]:
        waited.append(over.wait(PATIENCE_S))
        return []

    monkeypatch.setattr(deadline.socket, "getaddrinfo", hang)
    with http.client("http://shop.invalid", TIMEOUT_S, "far") as link, pytest.raises(Unreachable, match="in time"):
        http.ask(link, link.build_request("GET", "/"), "shop")
    assert not waited
    over.set()


def test_a_proxy_from_the_environment_has_the_same_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with far(drips_body) as side:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", side.url)
        with http.client("http://shop.invalid", TIMEOUT_S, "far") as link, pytest.raises(Unreachable, match="in time"):
            http.ask(link, link.build_request("GET", "/"), "shop")
        assert side.connections == 1
        assert not side.gave_up
