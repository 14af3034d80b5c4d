"""A process of our own behind two pipes. What is handed to it and what it answers goes over as MessagePack, each piece
behind its length. The parent's death, or its silence, is the end of the process's input: then it goes, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import IO, Any, Generic, NamedTuple, TypeVar, cast

import msgspec

encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode
T = TypeVar("T")
LENGTH = struct.Struct("<I")
PIPE_BYTES = 1 << 20
"""What is written is handed over in a few pieces, while the process still waits for the disk."""
END_S = 10.0
"""A process that has nothing to do ends at once; one in a commit, after it."""


class Child(NamedTuple):
    process: subprocess.Popen[bytes]
    orders: IO[bytes]
    answers: IO[bytes]

    def end(self) -> None:
        """Say that nothing more will come, and wait for it to be done."""
        with contextlib.suppress(OSError):
            self.orders.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_S)
        self.answers.close()

    def kill(self) -> None:
        self.process.kill()
        self.end()


def start(module: str, *arguments: str) -> Child:
    """Raises OSError where no process, memory or pipe is to be had."""
    # -P: what lies in the folder where the parent was started is nobody's code.
    command = [sys.executable, "-P", "-m", module, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 (our own)
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


def send(stream: IO[bytes], data: bytes) -> None:
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


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
