"""A warehouse is asked for its stock, over real HTTP: by its connector, by the command and by the worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pretend import Sandbox
from typer.testing import CliRunner

from connectors.warehouses import dock
from orderhub_core import settings
from orderhub_core.entry import cli
from orderhub_core.entry.worker import Worker
from orderhub_core.errors import BadCredentials, NobodyThere, RefusedByTarget, UserMistake
from orderhub_core.hub import Hub
from orderhub_core.settings import Endpoint
from orderhub_core.store import homes
from orderhub_core.store.homes import Home

Start = Callable[..., Sandbox]
STOCK = {"hangzhou": {"ROMPER-01": 7, "FREE-04": -2}}


@pytest.fixture
def hub(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Whose warehouse counts, and is asked often."""
    endpoint = start(stock=STOCK).dock()
    warehouse = f'id = "hangzhou"\nconnector = "dock"\nurl = "{endpoint.url}"\nsecret_env = "{endpoint.secret_env}"\n'
    (tmp_path / "orderhub.toml").write_text(f"[[warehouses]]\n{warehouse}stock_every_s = 0.2\n", encoding="utf-8")
    homes.init(Home(tmp_path))
    monkeypatch.setenv("ORDERHUB_DATA", str(tmp_path))
    opened = Hub(Home(tmp_path))
    yield opened
    opened.close()


def test_what_is_told_comes_as_it_is(start: Start) -> None:
    told = dock.connect(start(stock=STOCK).dock()).stock("hangzhou")
    assert (told.at, list(told.rows)) == (None, [("ROMPER-01", 7, None), ("FREE-04", -2, None)])


def test_who_does_not_count_or_does_not_know_us_says_so(start: Start) -> None:
    sandbox = start()
    with pytest.raises(NobodyThere, match="hangzhou tells nobody what it has"):
        dock.connect(sandbox.dock()).stock("hangzhou")
    with pytest.raises(BadCredentials, match="401"):
        dock.connect(sandbox.dock(secret_env="TEST_DESK_SECRET")).stock("hangzhou")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"stock": [{"sku": "A", "on_hand": "many"}]}', "on_hand"),
        (b'{"stock": [{"sku": "A", "on_hand": 1}], "at": "2026-11-11T10:00:00"}', "at"),
        (b"<html>", "malformed"),
        (b"\xff", "cannot be read"),
    ],
)
def test_an_answer_that_cannot_be_read_says_what(body: bytes, told: str) -> None:
    class Broken(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Broken)
    Thread(target=server.serve_forever, daemon=True).start()
    endpoint = Endpoint("w", "dock", url=f"http://127.0.0.1:{server.server_port}", secret_env="TEST_DOCK_SECRET")
    with pytest.raises(RefusedByTarget, match=told):
        dock.connect(endpoint).stock("w")
    server.shutdown()
    server.server_close()


def test_the_command_takes_in_what_was_told_and_says_what_is_doubtful(hub: Hub) -> None:
    done = CliRunner().invoke(cli.build("stock"), ["stock", "ask", "hangzhou"])
    assert done.exit_code == 0
    assert "SKUs taken in: 2 (hangzhou)" in done.stdout
    assert "FREE-04 is reported at -2; it counts as none" in done.stdout
    assert {(one.subject, one.balance) for one in hub.stock.left()} == {("ROMPER-01", 7), ("FREE-04", 0)}
    unknown = CliRunner().invoke(cli.build("stock"), ["stock", "ask", "atlantis"])
    assert isinstance(unknown.exception, UserMistake)
    assert "the settings have no warehouse atlantis; they have hangzhou" in str(unknown.exception)


def test_the_worker_asks_again_and_again(hub: Hub) -> None:
    worker = Worker(hub)
    worker.start()
    deadline = time.monotonic() + 20
    told: set[int] = set()
    while len(told) < 3 and time.monotonic() < deadline:
        told |= set(hub.stock.told().values())
        time.sleep(0.05)
    worker.stop()
    assert len(told) >= 3


def test_settings_that_ask_nobody_are_refused(tmp_path: Path) -> None:
    text = '[[warehouses]]\nid = "w"\nconnector = ""\nstock_every_s = 60\n'
    (tmp_path / "orderhub.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UserMistake, match="stock_every_s needs a connector"):
        settings.load(tmp_path)
