"""People are told, at every address once, however long another address takes, or refuses."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from ports import answering

from connectors.notifiers import apprise
from orderhub_core.effects import Notify
from orderhub_core.errors import Unreachable, UserMistake
from orderhub_core.settings import Endpoint

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""Loading its plugins, Apprise imports a module of the standard library that Python will drop."""

NEWS = Notify("duty", "3 orders wait", "since 09:00")
TRIES = 100
"""Of a machine that is busy with other tests."""


ROBOTS = {
    "dingtalk://SEC000000000000000000000@key": ("dingtalk.NotifyDingTalk", "/robot?access_token={token}"),
    "wecombot://693a91f6-7cab-4bc4-97a0-0ec2a1fa5aaa": ("wecombot.NotifyWeComBot", "/robot?key={key}"),
    "feishu://693a91f67cab4bc497a00ec2a1fa5aaa": ("feishu.NotifyFeishu", "/robot/{token}/"),
    "lark://693a91f6-7cab-4bc4-97a0-0ec2a1fa5aaa": ("lark.NotifyLark", "/robot/"),
}
"""What an operator writes, and which class of Apprise reads it; where that has the robot's address, ours is put."""
TAKEN = [
    b'{"errcode":0,"errmsg":"ok"}',
    b'{"code":0,"data":{},"msg":"success"}',
    b'{"StatusCode":0,"code":0,"msg":"success"}',
]
REFUSED = [
    b'{"errcode":45009,"errmsg":"api freq out of limit"}',
    b'{"errcode":310000,"errmsg":"sign not match"}',
    b'{"code":11232,"msg":"frequency limited psm"}',
    b'{"StatusCode":0,"code":19021,"msg":"sign match fail"}',
    b"<html>sign in first</html>",
    b"{}",
]


class Group:
    """A robot's server: it says the same to all, with HTTP 200, and keeps what it was asked."""

    def __init__(self, patch: pytest.MonkeyPatch, answer: bytes) -> None:
        self.came: list[tuple[str, dict[str, object]]] = []
        self.answer = answer
        group = self

        class Robot(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                group.came.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
                self.send_response(200)
                self.send_header("content-length", str(len(group.answer)))
                self.end_headers()
                self.wfile.write(group.answer)

            def log_message(self, *args: object) -> None: ...

        self._handler, self._patch = Robot, patch

    @contextmanager
    def notifier(self, address: str) -> Iterator[apprise.Apprise]:
        name, path = ROBOTS[address]
        with answering(self._handler) as url:
            self._patch.setattr(f"apprise.plugins.{name}.notify_url", url + path)
            yield apprise.connect(Endpoint(id="duty", connector="apprise", url=address))


class Post:
    """An HTTP server that keeps the letters it takes, by path. `broken` refuses until it is mended, and `slow` answers
    when it is told to."""

    def __init__(self) -> None:
        self.came: dict[str, queue.Queue[bytes]] = {name: queue.Queue() for name in ("boss", "broken", "slow")}
        self.mended, self.answers = threading.Event(), threading.Event()
        post = self

        class Box(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                name, letter = self.path.strip("/"), self.rfile.read(int(self.headers["content-length"]))
                post.came[name].put(letter)
                if name == "slow":
                    post.answers.wait()
                with suppress(OSError):  # whoever asked has gone
                    self.send_response(200 if name != "broken" or post.mended.is_set() else 500)
                    self.end_headers()

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Box)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def notifier(self, *names: str, timeout_s: float = 10.0) -> apprise.Apprise:
        # Apprise itself would wait for a minute.
        urls = [f"json://127.0.0.1:{self.server.server_port}/{name}?rto=60" for name in names]
        return apprise.connect(Endpoint(id="duty", connector="apprise", url=" ".join(urls), timeout_s=timeout_s))


@pytest.fixture
def post() -> Iterator[Post]:
    running = Post()
    yield running
    running.answers.set()
    running.server.shutdown()
    running.server.server_close()


def get_through(notifier: apprise.Apprise, key: str) -> None:
    for _ in range(TRIES):
        with suppress(Unreachable):
            return notifier.push(NEWS, key)
        time.sleep(0.05)
    raise AssertionError(f"{key} did not get through")


def test_people_are_told(post: Post) -> None:
    post.notifier("boss").push(NEWS, "k")
    told = json.loads(post.came["boss"].get(timeout=5))
    assert (told["title"], told["message"]) == ("3 orders wait", "since 09:00")


def test_a_message_that_did_not_get_through_comes_again(nobody: str) -> None:
    notifier = apprise.connect(Endpoint(id="duty", connector="apprise", url=nobody.replace("http", "json")))
    with pytest.raises(Unreachable, match="duty"):
        notifier.push(NEWS, "k")


def test_who_has_taken_a_message_is_not_told_it_again_for_another_s_sake(post: Post) -> None:
    notifier = post.notifier("boss", "broken")
    for _ in range(3):
        with pytest.raises(Unreachable, match="1 of 2"):
            notifier.push(NEWS, "k")
    post.mended.set()
    notifier.push(NEWS, "k")
    assert (post.came["boss"].qsize(), post.came["broken"].qsize()) == (1, 4)
    notifier.push(NEWS, "k")
    assert (post.came["boss"].qsize(), post.came["broken"].qsize()) == (1, 4), "its lease ran out on the way home"
    notifier.push(NEWS, "another")
    assert (post.came["boss"].qsize(), post.came["broken"].qsize()) == (2, 5)


def test_a_slow_address_holds_nobody_up_and_is_not_told_again_while_it_may_answer(post: Post) -> None:
    of_the_process = {thread for thread in threading.enumerate() if not thread.daemon}
    notifier = post.notifier("slow", "boss", timeout_s=0.3)
    for _ in range(2):
        with pytest.raises(Unreachable):
            notifier.push(NEWS, "k")
    post.came["boss"].get(timeout=5)
    post.came["slow"].get(timeout=5)
    assert {thread for thread in threading.enumerate() if not thread.daemon} <= of_the_process, "it would never end"
    post.answers.set()
    get_through(notifier, "k")
    assert post.came["boss"].empty()
    assert post.came["slow"].empty()


def test_an_address_that_never_answers_costs_a_bounded_number_of_threads(post: Post) -> None:
    notifier = post.notifier("slow", timeout_s=0.05)
    for number in range(apprise.AT_ONCE):
        with pytest.raises(Unreachable):
            notifier.push(NEWS, f"k{number}")
    for _ in range(apprise.AT_ONCE):
        post.came["slow"].get(timeout=5)
    with pytest.raises(Unreachable):
        notifier.push(NEWS, "one more")
    with pytest.raises(queue.Empty):
        post.came["slow"].get(timeout=0.3)
    post.answers.set()
    get_through(notifier, "one more")
    assert post.came["slow"].qsize() == 1


def test_an_address_nobody_understands_is_named_without_its_token() -> None:
    with pytest.raises(UserMistake, match="duty: address 1") as caught:
        apprise.connect(Endpoint(id="duty", connector="apprise", url="nosuch://token-abc"))
    assert "token-abc" not in str(caught.value)
    with pytest.raises(UserMistake, match=r"duty: .*address"):
        apprise.connect(Endpoint(id="duty", connector="apprise"))


@pytest.mark.parametrize("answer", TAKEN)
@pytest.mark.parametrize("address", ROBOTS)
def test_a_group_is_told_by_its_robot(monkeypatch: pytest.MonkeyPatch, address: str, answer: bytes) -> None:
    group = Group(monkeypatch, answer)
    with group.notifier(address) as notifier:
        notifier.push(NEWS, "k")
    ((path, said),) = group.came
    assert path.startswith("/robot")
    assert "3 orders wait\\nsince 09:00" in json.dumps(said)


@pytest.mark.parametrize("answer", REFUSED)
@pytest.mark.parametrize("address", ROBOTS)
def test_what_a_robot_refuses_with_http_200_was_not_told(
    monkeypatch: pytest.MonkeyPatch, address: str, answer: bytes
) -> None:
    group = Group(monkeypatch, answer)
    with group.notifier(address) as notifier:
        with pytest.raises(Unreachable, match="1 of 1") as caught:
            notifier.push(NEWS, "k")
        assert "693a91f6" not in str(caught.value)
        group.answer = TAKEN[-1]
        notifier.push(NEWS, "k")
    assert len(group.came) == 2


def test_dingtalk_reads_the_sign_that_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamp and sign that are published for this secret."""
    monkeypatch.setattr("connectors.notifiers._robots.time.time", lambda: 1_727_712_000.0)
    group = Group(monkeypatch, TAKEN[0])
    with group.notifier(next(iter(ROBOTS))) as notifier:
        notifier.push(NEWS, "k")
    asked = parse_qs(urlsplit(group.came[0][0]).query)
    signed = {"timestamp": ["1727712000000"], "sign": ["atZyArIAgPpwaW5YoTcKEfGcLXtQsjaB28mxZm9phUQ="]}
    assert asked == {"access_token": ["key"], **signed}


def test_what_is_too_long_for_a_robot_of_wecom_is_told_as_far_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group(monkeypatch, TAKEN[0])
    with group.notifier("wecombot://693a91f6-7cab-4bc4-97a0-0ec2a1fa5aaa") as notifier:
        notifier.push(Notify("duty", "late", "单号" * 2_000), "k")
    told = json.loads(json.dumps(group.came[0][1]["text"]))["content"]
    assert told.startswith("late\n单号单号") and told.endswith("…")
    assert 2_000 < len(told.encode()) <= 2_048
