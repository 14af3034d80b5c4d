"""A process of our own behind two pipes. What is handed to it and what it answers goes over as MessagePack, each piece
behind its length. The parent's death, or its silence, is the end of the process's input: then it goes, too.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from typing import IO, Any, Generic, NamedTuple, TypeVar, cast
from weakref import WeakSet

import msgspec

encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode
T = TypeVar("T")
LENGTH = struct.Struct("<I")
PIPE_BYTES = 1 << 20
"""What is written is handed over in a few pieces, while the process still waits for the disk."""
END_S = 10.0
"""A process that has nothing to do ends at once; one in a commit, after it."""
_started: WeakSet[subprocess.Popen[bytes]] = WeakSet()


@atexit.register
def _leave_none() -> None:
    """A process that was stopped in its tracks does not see our end, and would keep what it has locked."""
    for process in _started:
        if process.poll() is None:
            process.kill()


class Child(NamedTuple):
    process: subprocess.Popen[bytes]
    orders: IO[bytes]
    answers: IO[bytes]

    def end(self) -> None:
        """Say that nothing more will come, and wait for it to be done; if that takes too long, it is killed."""
        with contextlib.suppress(OSError):
            self.orders.close()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.answers.close()

    def kill(self) -> None:
        self.process.kill()
        self.end()


def start(module: str, *arguments: str) -> Child:
    """Raises OSError where no process, memory or pipe is to be had."""
    # -P: what lies in the folder where the parent was started is nobody's code.
    command = [sys.executable, "-P", "-m", module, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 (our own)
    _started.add(process)
    orders, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    with contextlib.suppress(OSError):  # a machine may allow less: then a piece takes a few more writes
        fcntl.fcntl(orders, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return Child(process, orders, answers)


def stay_until_told() -> int:
    """In the process: signals of a terminal or a supervisor are meant for the parent, who ends this by its silence.
    Returns where to answer; whatever is printed goes where errors go."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    answers = os.dup(1)
    os.dup2(2, 1)
    return answers


def answer(pipe: int, data: bytes) -> None:
    """In the process. Where nobody listens any more, the parent is gone, and this is the process's end."""
    rest = memoryview(LENGTH.pack(len(data)) + data)
    try:
        while rest:
            rest = rest[os.write(pipe, rest) :]
    except BrokenPipeError:
        raise SystemExit(0) from None


def send(child: Child, data: bytes, within_s: float) -> None:
    """Raises OSError where nobody takes it, also within that time."""
    pipe, until = child.orders.fileno(), time.monotonic() + within_s
    os.set_blocking(pipe, False)
    rest = memoryview(LENGTH.pack(len(data)) + data)
    while rest:
        try:
            rest = rest[os.write(pipe, rest) :]
        except BlockingIOError:
            _wait(pipe, select.POLLOUT, until)


def answered(child: Child, within_s: float) -> Any:
    """The next answer; None at the end. Raises TimeoutError, an OSError, where none comes within that time."""
    _wait(child.answers.fileno(), select.POLLIN, time.monotonic() + within_s)
    return receive(child.answers)


def _wait(pipe: int, what: int, until: float) -> None:
    poll = select.poll()
    poll.register(pipe, what)
    if not poll.poll(max(0.0, until - time.monotonic()) * 1_000):
        raise TimeoutError("the process does not move")


def receive(stream: IO[bytes]) -> Any:
    """None at the end, also when it comes in the middle of something."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    return decode(data) if len(data) == length else None


class Incoming(Generic[T]):
    """What comes through a pipe, piece by piece. One buffer for all: fresh memory costs as much as filling it."""

    def __init__(self, decode: Callable[[memoryview], T]) -> None:
        self._decode = decode
        self._buffer, self._filled = bytearray(PIPE_BYTES), 0

    def read(self, pipe: int) -> list[T] | None:
        """The pieces that are whole now; None at the end. Raises BlockingIOError where a pipe that does not block has
        nothing."""
        if self._filled == len(self._buffer):
            self._buffer.extend(bytes(len(self._buffer)))
        with memoryview(self._buffer) as view:
            count = os.readv(pipe, [view[self._filled :]])
            self._filled += count
            whole, at = [], 0
            while self._filled - at >= LENGTH.size:
                (length,) = LENGTH.unpack_from(view, at)
                end = at + LENGTH.size + length
                if end > self._filled:
                    break
                whole.append(self._decode(view[at + LENGTH.size : end]))
                at = end
            if at:
                view[: self._filled - at] = view[at : self._filled]
                self._filled -= at
        return whole if count else None

    def clear(self) -> None:
        self._filled = 0
