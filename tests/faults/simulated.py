"""A disk under SQLite that remembers what was written and what was synced, and what a power cut leaves of that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import apsw

SECTOR = 512


class Op(NamedTuple):
    """One thing that happened to a file, or (`mark`) one thing the world outside was told."""

    kind: str
    """write, truncate, sync, unsynced (a sync that failed), delete, delete_synced or mark."""
    file: str
    at: int = 0
    data: Any = b""


def no_trouble(kind: str, grows: bool) -> None:
    pass


class Disk(apsw.VFS):
    """Files in a folder of real memory; `log` says in which order they were written and synced.

    `trouble(kind, grows)` is asked before every write, truncate and sync, and raises what the disk shall say.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.log: list[Op] = []
        self.recording = True
        self.trouble: Callable[[str, bool], None] = no_trouble
        super().__init__(name, "unix")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, False)
        self.note("delete_synced" if syncdir else "delete", Path(filename).name)

    def note(self, kind: str, file: str, at: int = 0, data: Any = b"") -> None:
        if self.recording:
            self.log.append(Op(kind, file, at, data))

    def mark(self, word: str, told: Any) -> None:
        """The world outside was told something: it must hold after every later cut."""
        self.note("mark", word, 0, told)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self.disk = disk
        path = name if isinstance(name, str) or name is None else name.filename()
        self.file = Path(path).name if path else ""
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self.disk.trouble("write", offset + len(data) > self.xFileSize())
        super().xWrite(data, offset)
        self.disk.note("write", self.file, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:
        self.disk.trouble("truncate", False)
        super().xTruncate(newsize)
        self.disk.note("truncate", self.file, newsize)

    def xSync(self, flags: int) -> None:
        try:
            self.disk.trouble("sync", False)
        except apsw.IOError:
            self.disk.note("unsynced", self.file)
            raise
        self.disk.note("sync", self.file)


# -- what a power cut leaves


class Platter:
    """What is certainly on disk at a point of the log, and what may be."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.durable = {name: bytearray(content) for name, content in files.items()}
        self.pending: dict[str, list[Op]] = {}
        self._dice = Random(0)

    def play(self, op: Op) -> None:
        if op.kind == "sync":
            # Syncing a file also makes its name durable, and that an earlier file of the name is gone.
            _apply(self.durable, op.file, self.pending.pop(op.file, []))
        elif op.kind == "unsynced":
            # Some of it came to disk; the rest never will, for the system holds those pages for written.
            ops = self.pending.pop(op.file, [])
            _apply(self.durable, op.file, _survivors(self._dice.choice(FATES), ops, self._dice))
        elif op.kind == "delete_synced":
            self.pending.pop(op.file, None)
            self.durable.pop(op.file, None)
        elif op.kind != "mark":
            self.pending.setdefault(op.file, []).append(op)

    def image(self, dice: Any) -> tuple[str, dict[str, bytes]]:
        """The files as a cut at this point may leave them, and how the unsynced writes fared."""
        files, words = dict(self.durable), []
        for name, ops in self.pending.items():
            if not ops:
                continue
            fate = dice.choice(FATES)
            files[name] = bytearray(files[name]) if name in files else bytearray()
            existed = name in self.durable
            _apply(files, name, _survivors(fate, ops, dice))
            if not existed and not files.get(name):
                files.pop(name, None)
            words.append(f"{name} {fate}")
        return ", ".join(words) or "all synced", {name: bytes(content) for name, content in files.items()}


FATES = ("none", "all", "prefix", "subset", "torn", "torn", "garbage")


def _survivors(fate: str, ops: Sequence[Op], dice: Any) -> Iterable[Op]:
    match fate:
        case "none":
            return ()
        case "all":
            return ops
        case "prefix":
            return ops[: dice.randrange(len(ops) + 1)]
        case _:
            # A name that was not deleted on disk still holds the older file: nothing of the newer one is under it.
            deletions = [index for index, op in enumerate(ops) if op.kind == "delete"]
            if deletions and dice.random() < 0.5:
                ops = ops[: deletions[0]]
            return _some(fate, ops, dice)


def _some(fate: str, ops: Sequence[Op], dice: Any) -> Iterator[Op]:
    for op in ops:
        if op.kind == "delete" or fate == "subset":
            if op.kind == "delete" or dice.random() < 0.5:
                yield op
        elif op.kind == "truncate":
            if dice.random() < 0.5:
                yield op
        else:
            yield from _torn(op, dice, garbage=fate == "garbage")


def _torn(op: Op, dice: Any, *, garbage: bool) -> Iterator[Op]:
    """A write's sectors, each there or not; or, where the disk had begun with them, holding anything."""
    at, end = op.at, op.at + len(op.data)
    while at < end:
        upto = min(end, (at // SECTOR + 1) * SECTOR)
        if dice.random() < 0.5:
            yield Op("write", op.file, at, op.data[at - op.at : upto - op.at])
        elif garbage and dice.random() < 0.2:
            yield Op("write", op.file, at, dice.choice((bytes(upto - at), dice.randbytes(upto - at))))
        at = upto


def _apply(files: dict[str, bytearray], name: str, ops: Iterable[Op]) -> None:
    for op in ops:
        if op.kind == "delete":
            files.pop(name, None)
            continue
        content = files.setdefault(name, bytearray())
        if op.kind == "truncate":
            del content[op.at :]
            content.extend(bytes(op.at - len(content)))
        else:
            if len(content) < op.at:
                content.extend(bytes(op.at - len(content)))
            content[op.at : op.at + len(op.data)] = op.data
