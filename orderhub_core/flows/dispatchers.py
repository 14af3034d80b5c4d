"""Dispatchers: each target has its own, so that one that is slow holds up no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue

from orderhub_core.errors import Stop


class Dispatchers:
    """Threads that perform what is `due`, one for each target as long as it has something to do.

    `dispatch` performs some effects of a target, and says whether there may be more. They are daemons: whoever ends the
    process waits for them with `join`, as long as it likes.
    """

    def __init__(self, due: Callable[[], Iterable[str]], dispatch: Callable[[str], bool]) -> None:
        self._due, self._dispatch = due, dispatch
        self._at_work: dict[str, threading.Thread] = {}
        self._failures: SimpleQueue[Exception] = SimpleQueue()

    def step(self) -> bool:
        """See that whoever has something to do is at it. Raises what made one give up, one at a time: a Stop before all
        else."""
        self._at_work = {target: thread for target, thread in self._at_work.items() if thread.is_alive()}
        for target in self._due():
            if target not in self._at_work:
                thread = threading.Thread(target=self._work, args=(target,), name=f"dispatch {target}", daemon=True)
                self._at_work[target] = thread
                thread.start()
        self._raise_one()
        return False

    def _raise_one(self) -> None:
        """The others come later: each is to be told."""
        failures = [self._failures.get() for _ in range(self._failures.qsize())]
        failures.sort(key=lambda each: not isinstance(each, Stop))
        for failure in failures[1:]:
            self._failures.put(failure)
        for failure in failures[:1]:
            raise failure

    def join(self) -> None:
        """Wait until all have ended, however long that takes."""
        for thread in self._at_work.values():
            thread.join()

    def _work(self, target: str) -> None:
        try:
            while self._dispatch(target):
                pass
        except Exception as failure:  # noqa: BLE001 — raised by the next step, where it is told
            self._failures.put(failure)
