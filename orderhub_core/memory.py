"""Remembering answers about data that has not changed, and what is made once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")


class once(Generic[Answer]):
    """A property that is made when it is first asked for, and once, however many threads ask at the same time:
    `functools.cached_property` promises that only up to Python 3.11."""

    def __init__(self, make: Callable[[Any], Answer]) -> None:
        self._make, self._lock = make, threading.RLock()
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Answer:
        with self._lock:
            if self._name not in instance.__dict__:
                instance.__dict__[self._name] = self._make(instance)
            answer: Answer = instance.__dict__[self._name]
            return answer


class Memory:
    """Answers to questions about frames, shared by the sessions of a process. Asked again, an answer is computed again
    only when the frames have changed; of several sessions that ask at once, one computes. The oldest are forgotten, and
    whatever was said of other frames: an answer may hold as much as the frames themselves."""

    MOST = 64

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[Hashable, tuple[int, Any]] = {}

    def __call__(self, question: Hashable, stamp: int, compute: Callable[[], Answer]) -> Answer:
        with self._lock:
            known = self._answers.get(question)
            if known is None or known[0] != stamp:
                self._answers.pop(question, None)
                known = self._answers[question] = (stamp, compute())
                self._answers = {other: kept for other, kept in self._answers.items() if kept[0] == stamp}
                while len(self._answers) > self.MOST:
                    del self._answers[next(iter(self._answers))]
            answer: Answer = known[1]
            return answer
