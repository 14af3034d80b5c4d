"""The platform's side of the door, in the process that is never killed: sends, writes down what was sent and what was
acknowledged, and sends again what was not, as platforms do."""

from __future__ import annotations

import hmac
import http.client
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path
from random import Random

from orders import APP_KEY, SHOP, Delivery, Item, Stream, contradicting
from outside import SECRETS

ANSWER_S = 20.0
"""Longer without an answer from a process that lives is an answer lost."""


class Journal:
    """What the outside knows. Several threads write it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sent: dict[str, Item] = {}
        self.forged: set[str] = set()
        self.acknowledged: set[str] = set()
        self.contradictions: dict[str, bytes] = {}
        """By message id: the other body, once it was acknowledged."""
        self.maybe_contradicted: set[str] = set()
        self.answers: dict[str, int] = {}
        self.wrong: list[str] = []

    def sending(self, delivery: Delivery) -> None:
        with self.lock:
            ids = [item.message_id for item in delivery.items]
            if delivery.forged:
                self.forged.update(ids)
            elif delivery.contradicts:
                self.maybe_contradicted.update(ids)
            else:
                self.sent.update((item.message_id, item) for item in delivery.items)

    def answered(self, delivery: Delivery, answer: str) -> None:
        with self.lock:
            self.answers[answer] = self.answers.get(answer, 0) + 1
            if answer == "taken" and delivery.forged:
                self.wrong.append("a forged delivery was acknowledged")
            elif answer == "taken" and delivery.contradicts:
                self.contradictions[delivery.items[0].message_id] = delivery.items[0].body
            elif answer == "taken":
                self.acknowledged.update(item.message_id for item in delivery.items)
            elif answer == "silence":
                self.wrong.append(f"no answer within {ANSWER_S:g} s")


class Door(ABC):
    """One sender's way in. `answer` is taken, refused (come again), unproven, gone (nobody there) or silence."""

    heard = 0
    """Answers on what might have been taken in."""

    @abstractmethod
    def answer(self, delivery: Delivery) -> str: ...

    @abstractmethod
    def close(self) -> None: ...


class HttpDoor(Door):
    def __init__(self, port: int) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)

    def answer(self, delivery: Delivery) -> str:
        secret, body = SECRETS["FAULTS_SHOP_SECRET"].encode(), delivery.body
        sign = "0" * 64 if delivery.forged else hmac.digest(secret, APP_KEY.encode() + body + secret, "sha256").hex()
        headers = {"app-id": APP_KEY, "event-sign": sign, "sign-method": "hmac-sha256"}
        try:
            self._link.request("POST", f"/hooks/{SHOP}", body, headers)
            response = self._link.getresponse()
            response.read()
        except TimeoutError:
            self._link.close()
            return "silence"
        except (http.client.HTTPException, OSError):
            self._link.close()
            return "gone"
        return {200: "taken", 401: "unproven"}.get(response.status, "refused")

    def close(self) -> None:
        self._link.close()


class SocketDoor(Door):
    """Without HTTP, and so without forgeries."""

    def __init__(self, path: Path) -> None:
        self._path, self._link = path, None

    def answer(self, delivery: Delivery) -> str:
        if delivery.forged:
            return "unproven"
        try:
            if self._link is None:
                self._link = socket.socket(socket.AF_UNIX)
                self._link.settimeout(ANSWER_S)
                self._link.connect(str(self._path))
            self._link.sendall(struct.pack("I", len(delivery.body)) + delivery.body)
            said = self._link.recv(1)
        except TimeoutError:
            self.close()
            return "silence"
        except OSError:
            said = b""
        if not said:
            self.close()
        return {b"y": "taken", b"n": "refused"}.get(said, "gone")

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


class Senders:
    """Threads that send what the stream gives, as much as was let go, and some of it again."""

    def __init__(self, stream: Stream, journal: Journal, doors: list[Door], seed: str) -> None:
        self.stream, self.journal = stream, journal
        self.again: deque[Delivery] = deque()
        self._taken: deque[Delivery] = deque(maxlen=200)
        self._lock, self._budget, self._busy = threading.Lock(), 0, 0
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(door, Random(f"{seed}:{n}")), daemon=True)
            for n, door in enumerate(doors)
        ]
        for thread in self._threads:
            thread.start()

    def let_go(self, deliveries: int) -> None:
        with self._lock:
            self._budget = min(self._budget + deliveries, 4 * deliveries)

    @property
    def left(self) -> int:
        """Deliveries that may still be sent."""
        return self._budget

    @property
    def idle(self) -> bool:
        with self._lock:
            return not (self._budget or self.again or self._busy)

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _take(self, dice: Random) -> Delivery | None:
        with self._lock:
            if self.again and dice.random() < 0.7:
                delivery = self.again.popleft()
            elif self._budget:
                self._budget -= 1
                luck = dice.random()
                if self._taken and luck < 0.1:
                    delivery = dice.choice(self._taken)
                elif self._taken and luck < 0.14:
                    delivery = contradicting(dice.choice(self._taken).items[0])
                else:
                    delivery = self.stream.next()
                    if luck > 0.95:
                        self.again.append(delivery)  # the same at the same time, by another way
            elif self.again:
                delivery = self.again.popleft()
            else:
                return None
            self._busy += 1
            return delivery

    def _send(self, door: Door, dice: Random) -> None:
        while not self._stopping.is_set():
            delivery = self._take(dice)
            if delivery is None:
                time.sleep(0.002)
                continue
            self.journal.sending(delivery)
            answer = door.answer(delivery)
            door.heard += answer in ("taken", "refused")
            self.journal.answered(delivery, answer)
            with self._lock:
                if answer == "taken" and not delivery.contradicts:
                    self._taken.append(delivery)
                elif answer in ("gone", "refused", "silence"):
                    self.again.append(delivery)
                self._busy -= 1
            if answer != "taken":
                time.sleep(0.003)
        door.close()
