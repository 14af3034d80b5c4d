"""A real console over a small world, a real Chromium, and a visitor who notices everything that goes wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright
from ports import free_port

from orderhub_core.sim import world
from orderhub_core.store import snapshot

ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
FLAGS += [f"--disable-{part}" for part in ("background-networking", "quic", "component-update", "sync")]
START_S = 60

Start = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="package", autouse=True)
def _no_key_of_a_harness() -> Iterator[None]:
    """Harnesses set theirs as they are imported, which the collecting of tests does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ORDERHUB_PEPPER", raising=False)
        yield


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Starts a console over a small world and yields its address: `start(notebooks=…, token=…)`."""
    folder = tmp_path_factory.mktemp("world") / "snapshot"
    day_us = 86_400 * 1_000_000
    end = 20_768 * day_us  # 2026-11-11
    small = world.build(world.Plan(seed=7, orders=3_000, start=end - 40 * day_us, end=end))
    snapshot.write(folder, small.until(end), snapshot.Meta(as_of=end))

    @contextmanager
    def running(notebooks: Path = ROOT / "notebooks", token: str = "") -> Iterator[str]:
        log = tmp_path_factory.mktemp("console") / "log"
        command = ["orderhub_core.entry.console", "--snapshot", str(folder), "--notebooks", str(notebooks)]
        with serving(command, log, ORDERHUB_TOKEN=token) as home:
            yield home

    return running


@contextmanager
def serving(command: Sequence[str], log: Path, *, patience_s: float = 20, **env: str) -> Iterator[str]:
    """Runs a module of ours that listens where `--port` says, and yields its address. It must not fail by itself."""
    port = free_port()
    home = f"http://127.0.0.1:{port}"
    arguments, environment = (
        [sys.executable, "-m", *command, "--port", str(port)],
        {"ORDERHUB_TOKEN": "", **env},
    )
    with log.open("wb") as said:
        server = subprocess.Popen(arguments, cwd=ROOT, env=os.environ | environment, stdout=said, stderr=said)
    try:
        until_ready(home, server, log)
        yield home
    finally:
        server.terminate()
        server.wait(patience_s)
    assert "Traceback" not in log.read_text(), log.read_text()


def until_ready(home: str, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + START_S
    while time.monotonic() < give_up_at and server.poll() is None:
        try:
            if httpx.get(f"{home}/readyz", timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the console did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def home(start: Start) -> Iterator[str]:
    """The address of a console with the project's own notebooks."""
    with start() as address:
        yield address


@pytest.fixture(scope="session")
def probe(start: Start) -> Iterator[str]:
    """The address of a console with one small app that uses every part of the house."""
    with start(notebooks=Path(__file__).parent / "notebooks") as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("ORDERHUB_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium: install it or set ORDERHUB_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("ORDERHUB_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page as a new visitor; at the end of the test nothing may have gone elsewhere or to the error console."""
    pages: list[Page] = []
    troubles: list[str] = []

    def open_page(
        address: str, *, width: int = 1280, height: int = 900, dark: bool = False, locale: str = "en"
    ) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            locale=locale,
            timezone_id="Asia/Shanghai",
        )
        page = context.new_page()
        watch(page, urlsplit(address).netloc, troubles)
        page.goto(address)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.context.close()
    assert troubles == []


def watch(page: Page, host: str, troubles: list[str]) -> None:
    """Note every address that is not the console's own, every failed request and every error message."""

    def address(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "about") and parts.netloc != host:
            troubles.append(f"asked elsewhere: {url}")

    def answer(response: Response) -> None:
        if response.status >= 400:
            troubles.append(f"{response.status}: {response.url}")

    def message(said: ConsoleMessage) -> None:
        if said.type == "error":
            troubles.append(f"console: {said.text} {said.location}")

    page.on("request", lambda request: address(request.url))
    page.on("websocket", lambda socket: address(socket.url))
    page.on("console", message)
    page.on("response", answer)
    page.on("pageerror", lambda error: troubles.append(f"script: {error}"))
