"""The processes that are killed: each does one part of the product's work, with the product's own code.

Run as a script this is the zygote: it imports everything once, starts no thread and opens nothing, and forks a role
for each command that it reads from its standard input (JSON, one a line). So a restart costs a fork, and a kill can
come at any moment, while a role starts as well. A role that ends is not forgotten before its parent asked for it:
no number is ever used for a signal to somebody else's process.

Time outside runs as it does; inside the hub it runs `HASTE` times as fast, and may be moved on by whoever drives the
harness: leases of minutes run out, and waits of an hour end, without anybody waiting.
"""

from __future__ import annotations

import ctypes
import json
import logging
import mmap
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog
import uvicorn

from orderhub_core import hub as hub_module
from orderhub_core import runtime
from orderhub_core.entry import hooks, worker
from orderhub_core.errors import OrderHubError
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.store import jetstream, postgres, schema  # noqa: F401 (what the product loads when it needs it)
from orderhub_core.store.homes import Home

HASTE = 100
LEAP = "leap"
"""A file in the home with eight bytes: by how many microseconds the hub's clock is ahead."""
PR_SET_PDEATHSIG = 1
IDLE_THREADS = {"polars-ooc-clea"}
"""A library's own, that sleeps until it is given something; a child does without."""


class Head(msgspec.Struct):
    msg_id: str


ITEMS, HEAD = msgspec.json.Decoder(list[msgspec.Raw]), msgspec.json.Decoder(Head)


def hasten(data: Path) -> None:
    """The hub's clock in this process."""
    with (data / LEAP).open("rb") as file:
        leap = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    began = int((data / "began").read_text())

    def clock() -> int:
        now = time.time_ns() // 1_000
        return began + (now - began) * HASTE + struct.unpack("q", leap[:8])[0]

    hub_module.clock = clock
    # The server's own goes no faster, and all roles are of one host.
    postgres.PostgresStore.clock = lambda self, ours: ours  # type: ignore[method-assign]


def accept(hub: Hub, where: dict[str, Any]) -> None:
    """Webhooks over HTTP, as `orderhub serve` takes them."""
    config = uvicorn.Config(
        hooks.hooks(hub), host="127.0.0.1", port=where["port"], log_level="error", ws="none", lifespan="off"
    )
    uvicorn.Server(config).run()


def feed(hub: Hub, where: dict[str, Any]) -> None:
    """Deliveries without HTTP and signatures, straight to the receiver: one thread for each sender."""
    path = Path(where["socket"])
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        while True:
            link, _ = listener.accept()
            threading.Thread(target=_feed, args=(hub, where["shop"], link), daemon=True).start()


def _feed(hub: Hub, shop: str, link: socket.socket) -> None:
    with link, link.makefile("rb") as stream:
        while head := stream.read(4):
            items = [bytes(raw) for raw in ITEMS.decode(stream.read(struct.unpack("I", head)[0]))]
            messages = [RawMessage(shop, HEAD.decode(item).msg_id, "push", item) for item in items]
            try:
                hub.receive(messages)
            except OrderHubError:
                link.sendall(b"n")
            else:
                link.sendall(b"y")


def _work(name: str) -> Callable[[Hub, dict[str, Any]], None]:
    def role(hub: Hub, where: dict[str, Any]) -> None:
        worker.IDLE_S, worker.PAUSE_AFTER_FAILURE_S = 0.01, 0.05
        whole = worker.Worker(hub)
        whole._threads = [thread for thread in whole._threads if thread.name == name]
        whole.run()

    return role


ROLES: dict[str, Callable[[Hub, dict[str, Any]], None]] = {
    "accept": accept,
    "feed": feed,
    "apply": _work("absorb"),
    "dispatch": _work("dispatch"),
}


def play(order: dict[str, Any]) -> None:
    """Become a role. Never returns."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    status = 1
    try:
        data = Path(order["data"])
        nothing, told = (
            os.open(os.devnull, os.O_RDWR),
            os.open(data / "roles.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        )
        for number, target in ((0, nothing), (1, told), (2, told)):
            os.dup2(target, number)
        if order.get("sabotage"):
            from sabotage import SABOTAGE

            SABOTAGE[order["sabotage"]]()
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        hasten(data)
        hub = Hub(Home(data, order.get("database", "")))
        ROLES[order["role"]](hub, order)
        status = 0
    except BaseException:  # noqa: BLE001 — whatever it is, it is told, and no role becomes a second zygote
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    runtime.check()
    threads = {(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}
    if more := threads - {Path("/proc/self/comm").read_text().strip()} - IDLE_THREADS:
        raise SystemExit(f"the zygote has threads ({more}): forking it is not safe")
    children: set[int] = set()
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, Any] = {}
        if order["do"] == "start":
            pid = os.fork()
            if not pid:
                play(order)
            children.add(pid)
            answer = {"pid": pid}
        elif order["pid"] in children:
            answer = _told(order, children)
        print(json.dumps(answer), flush=True)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _told(order: dict[str, Any], children: set[int]) -> dict[str, Any]:
    pid = order["pid"]
    if order["do"] == "signal":
        os.kill(pid, order["number"])
    ended, status = os.waitpid(pid, 0 if order.get("number") == signal.SIGKILL else os.WNOHANG)
    if ended:
        children.discard(pid)
    return {"ended": bool(ended), "status": status}


if __name__ == "__main__":
    main()
