"""How long until each app's charts stand, over a million orders, against an empty marimo app with one chart.

    python benchmarks/apps.py [--snapshot DIR] [--orders N] [--rounds N]

One browser, every file in its cache, the apps taken in turns, so that whatever else the machine does falls on all
of them alike. Bars: browser at most 1.5 times the empty app; server at most 1 s from connection to finished run.
Exit code 1 when one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import BrowserContext, sync_playwright
from websockets.sync.client import connect
from websockets.typing import Origin

from orderhub_core.sim import world
from orderhub_core.store import snapshot

ROOT = Path(__file__).parents[1]
BROWSER_BAR, SERVER_BAR_S = 1.5, 1.0
BLANK = "blank"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
FLAGS += [f"--disable-{part}" for part in ("background-networking", "quic", "component-update", "sync")]
DAY_US = 86_400 * 1_000_000

CHARTS = """(least) => {
  let charts = 0;
  const walk = (root) => root.querySelectorAll("*").forEach((e) => {
    if (e.matches("canvas, svg.marks") && e.getClientRects().length) charts += 1;
    if (e.shadowRoot) walk(e.shadowRoot);
  });
  walk(document);
  return least === null ? charts : charts >= least;
}"""


def make_snapshot(folder: Path, orders: int) -> None:
    end = 20_768 * DAY_US
    made = world.build(world.Plan(seed=1, orders=orders, start=end - 40 * DAY_US, end=end))
    snapshot.write(folder, made.until(end), snapshot.Meta(as_of=end, seq=0))


@contextmanager
def console(folder: Path, notebooks: Path) -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "orderhub_core.entry.console", "--snapshot", str(folder), "--port", str(port)]
    server = subprocess.Popen([*command, "--notebooks", str(notebooks)], cwd=ROOT)
    home = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if httpx.get(f"{home}/readyz", timeout=60).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield home
    finally:
        server.terminate()
        server.wait(30)


def load(context: BrowserContext, address: str, charts: int) -> float:
    """Seconds from asking for the page to its last chart."""
    page = context.new_page()
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function(CHARTS, arg=charts, timeout=120_000, polling=25)
    took = time.perf_counter() - began
    page.close()
    return took


def count(context: BrowserContext, address: str) -> int:
    """The charts of a page that nobody hurries; also fills the browser's cache."""
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(CHARTS, arg=1, timeout=120_000)
    page.wait_for_timeout(4_000)
    charts = int(page.evaluate(CHARTS, None))
    page.close()
    return charts


def serve(home: str, app: str, round_: int) -> float:
    """Seconds from opening a session to its finished run, without a browser."""
    with httpx.Client(base_url=home) as client:
        client.get("/")
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    address = f"{home.replace('http', 'ws', 1)}/apps/{app}/ws?session_id=s_bench{round_}{app}"
    began = time.perf_counter()
    with connect(address, origin=Origin(home), additional_headers={"Cookie": cookies}, max_size=None) as session:
        while json.loads(session.recv(timeout=120)).get("op") != "completed-run":
            pass
    return time.perf_counter() - began


def measure(home: str, apps: list[str], rounds: int) -> dict[str, tuple[int, float, float]]:
    """For each app: charts, median browser seconds, median server seconds."""
    browser_s: dict[str, list[float]] = {app: [] for app in apps}
    server_s: dict[str, list[float]] = {app: [] for app in apps}
    path = os.environ.get("ORDERHUB_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        charts = {app: count(context, f"{home}/apps/{app}/") for app in apps}
        for _ in range(rounds):
            for app in apps:
                browser_s[app].append(load(context, f"{home}/apps/{app}/", charts[app]))
        browser.close()
    for round_ in range(rounds):
        for app in apps:
            server_s[app].append(serve(home, app, round_))
    return {app: (charts[app], statistics.median(browser_s[app]), statistics.median(server_s[app])) for app in apps}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshot", type=Path, help="a snapshot to use instead of a world of one's own")
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.snapshot or Path(scratch) / "snapshot"
        if asked.snapshot is None:
            make_snapshot(folder, asked.orders)
        notebooks = Path(scratch) / "notebooks"
        shutil.copytree(ROOT / "notebooks", notebooks, ignore=shutil.ignore_patterns("__*__"))
        shutil.copy(ROOT / "benchmarks" / "notebooks" / f"{BLANK}.py", notebooks)
        apps = sorted((path.stem for path in notebooks.glob("*.py")), key=lambda app: (app != BLANK, app))
        with console(folder, notebooks) as home:
            found = measure(home, apps, asked.rounds)
    blank_s = found[BLANK][1]
    print(f"{'app':<12}{'charts':>7}{'browser s':>11}{'ratio':>7}{'server s':>10}")
    for app, (charts, browser, server) in found.items():
        print(f"{app:<12}{charts:>7}{browser:>11.2f}{browser / blank_s:>7.2f}{server:>10.2f}")
    slow = [
        app for app, (_, browser, server) in found.items() if browser > BROWSER_BAR * blank_s or server > SERVER_BAR_S
    ]
    if slow:
        print(f"over the bar ({BROWSER_BAR} x, {SERVER_BAR_S} s): {', '.join(slow)}")
    return bool(slow)


if __name__ == "__main__":
    sys.exit(main())
