"""Questions that may wait for a store that does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from orderhub_core.errors import Busy

Told = TypeVar("Told")


class Asking(Generic[Told]):
    """One question: one thread at a time asks it, whoever comes meanwhile is told the same, and nobody waits until more
    than `patience_s` after it was asked. The thread holds up no end of the process."""

    def __init__(self, ask: Callable[[], Told], patience_s: float) -> None:
        self._ask, self._patience_s = ask, patience_s
        self._lock = threading.Lock()
        self._under_way: Future[Told] | None = None
        self._since = 0.0

    def __call__(self) -> Told:
        """Raises Busy where there is no answer in time, and whatever asking raises."""
        with self._lock:
            if self._under_way is None:
                answer: Future[Told] = Future()
                threading.Thread(target=self._run, args=(answer,), name="asking", daemon=True).start()
                self._under_way, self._since = answer, time.monotonic()
            answer, since = self._under_way, self._since
        wait([answer], max(0.0, since + self._patience_s - time.monotonic()))
        if not answer.done():
            raise Busy("the store has not answered for {seconds:.0f} s", seconds=time.monotonic() - since)
        return answer.result()

    def _run(self, answer: Future[Told]) -> None:
        try:
            told = self._ask()
        except BaseException as failure:  # noqa: BLE001 — whoever asked is told, whatever it is
            self._ended()
            answer.set_exception(failure)
        else:
            self._ended()
            answer.set_result(told)

    def _ended(self) -> None:
        with self._lock:
            self._under_way = None
