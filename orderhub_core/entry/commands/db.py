"""`orderhub db`: making, migrating, checking, snapshotting, backing up and restoring the hub's storage."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from orderhub_core import hub, settings
from orderhub_core.entry.options import AsJson, spoken, tell, tr, written
from orderhub_core.entry.start import check_connectors, check_rulebook, leaving_nothing
from orderhub_core.errors import OrderHubError, UserMistake
from orderhub_core.store import backup as backups
from orderhub_core.store import checks, expiry, homes, keys
from orderhub_core.store.archive import Manifest

app = typer.Typer(no_args_is_help=True)

_PARTS = ("home", "inbox", "parts", "key", "log", "bodies", "orders", "ledger", "splits", "losses", "packs", "snapshot")
PARTS = frozenset(f"check {part}" for part in _PARTS)
"""Steps of a check that are no file."""
Backups = Annotated[Path, typer.Argument(metavar="DIR", help="Folder in which backups gather, or one of them.")]


@app.command()
@spoken
def init(
    new_key: Annotated[
        bool, typer.Option("--new-key", help="The key of the pseudonyms is lost: go on under another, and know nobody.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Make the hub, or bring it to this version's schema."""
    home = hub.home()
    with leaving_nothing(home):
        homes.init(home)
    if new_key:
        keys.renew(home, os.environ)
    sentences, wrong = [tr("the hub in {home} is ready").format(home=home.told(tr))], _unusable(home)
    if wrong:
        text = tr("but no worker starts on its settings: {why}")
        sentences.append(text.format(why=wrong.told(tr)))
    if not (file := home.data / settings.FILE_NAME).exists():
        text = tr("it has no settings yet: write your shops and warehouses into {file} (docs/settings.md)")
        sentences.append(text.format(file=file))
    answer = {"home": str(home), "settings": wrong and str(wrong)}
    tell(answer, "\n".join(sentences), as_json=as_json)
    return 0


def _unusable(home: homes.Home) -> UserMistake | None:
    """What is wrong with the settings and the rulebook, at which a start would stop. The hub itself needs neither."""
    try:
        with contextlib.closing(hub.Hub(home)) as opened:
            check_connectors(opened)
            check_rulebook(opened)
    except UserMistake as mistake:
        return mistake
    return None


@app.command()
@spoken
def check(
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what reads every row.")] = False,
    of: Annotated[Path | None, typer.Option("--backup", metavar="DIR", help="Check a backup instead.")] = None,
    as_json: AsJson = False,
) -> int:
    """Is the hub whole, from its files to every order? Exit 1 when not, with how to mend it. Safe while it works."""
    if of is not None:
        return _check_backup(of, as_json=as_json)
    home = hub.home()
    with _Progress() as progress:
        found = checks.findings(home, quick=quick, tell=progress, env=os.environ)
    answer: dict[str, Any] = {"fine": not found, "findings": [finding.plain() for finding in found]}
    sentences = [finding.told(tr) for finding in found] or [tr("the hub is whole")]
    try:
        with contextlib.closing(hub.Hub(home)) as opened:
            answer["pulse"] = (pulse := opened.pulse())._asdict()
        text = tr("orders: {orders}, messages waiting: {waiting}, parked: {parked}")
        counts = {"orders": pulse.orders, "waiting": pulse.waiting, "parked": pulse.parked}
        sentences.append(text.format(**{name: f"{count:,}" for name, count in counts.items()}))
    except OrderHubError as damage:
        if not found:
            raise
        sentences.append(damage.told(tr))
    tell(answer, "\n".join(sentences), as_json=as_json)
    return 1 if found else 0


def _check_backup(path: Path, *, as_json: bool) -> int:
    try:
        with _Progress() as progress:
            folder, manifest, faults = backups.verify(path, tell=progress)
            wrong: list[OrderHubError] = [*faults]
    except UserMistake as damage:
        folder, manifest, wrong = path, None, [damage]
    answer = {"fine": not wrong, "backup": str(folder), "findings": [*map(str, wrong)], "manifest": manifest}
    told = "\n".join(one.told(tr) for one in wrong)
    if manifest and not wrong:
        told = tr("{folder} is whole: {content}").format(folder=folder, content=_content(manifest))
    tell(answer, told, as_json=as_json)
    return 1 if wrong else 0


@app.command()
@spoken
def snapshot(
    out: Annotated[Path | None, typer.Option(help="Folder to write; default the hub's own.")] = None,
    as_json: AsJson = False,
) -> int:
    """Write all frames to Parquet, for read-only boards: `orderhub serve --snapshot DIR`."""
    folder = hub.Hub(hub.home()).write_snapshot(out)
    tell({"folder": str(folder)}, tr("snapshot written to {folder}").format(folder=folder), as_json=as_json)
    return 0


@app.command()
@spoken
def backup(
    into: Annotated[Path, typer.Argument(metavar="DIR", help="Folder in which backups gather.")],
    keep: Annotated[int, typer.Option(min=0, help="Remove all but the newest N; 0 keeps all.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Back the hub up while it works. The backup holds personal data: only its owner can read it."""
    began = time.monotonic()
    with _Progress() as progress:
        made = backups.backup(hub.home(), into, keep=keep, tell=progress)
    seconds = time.monotonic() - began
    answer = {
        "backup": str(made.folder),
        "seconds": seconds,
        "removed": [str(path) for path in made.removed],
        "manifest": made.manifest,
    }
    text = tr("{folder}: {content}, in {n} s")
    sentence = text.format(folder=made.folder, content=_content(made.manifest), n=f"{seconds:.1f}")
    tell(answer, sentence, as_json=as_json)
    return 0


@app.command()
@spoken
def restore(
    path: Backups,
    force: Annotated[bool, typer.Option("--force", help="Put a hub that is there aside first.")] = False,
    as_json: AsJson = False,
) -> int:
    """Make a backup's hub live in `--data` (and `--database`), which must be empty. Stop the old one first."""
    home = hub.home()
    with _Progress() as progress:
        done = backups.restore(path, home, force=force, tell=progress)
    kept = tr("; what was there is kept in {folders}").format(folders=tr(", ").join(done.aside)) if done.aside else ""
    text = tr("{home} holds the hub of {at}: {content}")
    at = written(done.manifest.instant, _zone(home))
    sentence = text.format(home=home.told(tr), at=at, content=_content(done.manifest)) + kept
    if done.key:
        sentence += "\n" + done.key.told(tr)
    answer = {"home": str(home), "aside": done.aside, "manifest": done.manifest, "key": done.key and str(done.key)}
    tell(answer, sentence, as_json=as_json)
    return 0


@app.command()
@spoken
def rehearse(
    path: Backups,
    max_age_h: Annotated[float | None, typer.Option(help="Exit 1 when the newest backup is older, in hours.")] = None,
    as_json: AsJson = False,
) -> int:
    """Restore the newest backup into a scratch place, check all of it, and remove it. Exit 1 when it is not whole."""
    with _Progress() as progress:
        done = backups.rehearse(path, hub.home(), tell=progress)
    late = max_age_h is not None and done.age_s > max_age_h * 3600
    fine = not done.findings and not late
    answer = {
        "fine": fine,
        "backup": str(done.backup),
        "restore_s": done.restore_s,
        "check_s": done.check_s,
        "age_s": done.age_s,
        "findings": [finding.plain() for finding in done.findings],
        "manifest": done.manifest,
    }
    sentences = [finding.told(tr) for finding in done.findings]
    if late:
        text = tr("the newest backup is {n} hours old: look why none was made since")
        sentences.append(text.format(n=f"{done.age_s / 3600:.1f}"))
    text = tr(
        "{backup}: restored in {restore} s, checked in {check} s; {content}; after a loss now, what came in the last"
        " {n} minutes is to come again: shops that are polled bring it, others must send it anew"
    )
    took = {"restore": f"{done.restore_s:.1f}", "check": f"{done.check_s:.1f}", "n": f"{done.age_s / 60:.0f}"}
    sentences.append(text.format(backup=done.backup, content=_content(done.manifest), **took))
    tell(answer, "\n".join(sentences), as_json=as_json)
    return 0 if fine else 1


@app.command()
@spoken
def expire(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    clock_is_right: Annotated[
        bool, typer.Option("--clock-is-right", help="Do not wait for a clock that has moved: I have looked at it.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Drop raw message bodies older than `limits.raw_days`, as a worker does by itself; their digests stay."""
    home = hub.home()
    days = settings.load(home.data).limits.raw_days
    store = homes.open_store(home)
    now = hub.clock()
    try:
        if clock_is_right and not dry_run:
            expiry.vouch(store, now)
        dropped = (expiry.due if dry_run else expiry.expire)(store, now, days)
        wait_s = expiry.trust(store, now).rest / 1e6
    finally:
        store.close()
    answer = {"days": days, "bodies": dropped.bodies, "bytes": dropped.bytes, "dry_run": dry_run, "wait_s": wait_s}
    text = tr("bodies older than {days} days, dropped: {n}, {size}")
    if dry_run:
        text = tr("bodies older than {days} days, would be dropped: {n}, {size}")
    sentences = [text.format(days=days, n=f"{dropped.bodies:,}", size=_size(dropped.bytes))]
    if wait_s:
        text = tr(
            "none is dropped for {n} hours: the clock moved by more than two days since bodies were last looked for,"
            " or they never were; if it is wrong, mend it, and if not, say --clock-is-right"
        )
        sentences.append(text.format(n=f"{wait_s / 3600:.1f}"))
    tell(answer, "\n".join(sentences), as_json=as_json)
    return 0


def _content(manifest: Manifest) -> str:
    counts = {name: f"{manifest.counts[name]:,}" for name in ("orders", "inbox")}
    return tr("orders: {orders}, messages: {inbox}, {size}").format(size=_size(manifest.size), **counts)


def _zone(home: homes.Home) -> tzinfo:
    """In which its people read times; UTC where its settings are none that this version takes, as a start says."""
    with contextlib.suppress(UserMistake):
        return ZoneInfo(settings.load(home.data).time_zone)
    return UTC


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


class _Progress:
    """One line per thing on the error stream; on a terminal also how far it is."""

    def __init__(self) -> None:
        self._what, self._told = "", 0.0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._what and sys.stderr.isatty():
            sys.stderr.write("\n")

    def __call__(self, what: str, done: int, total: int) -> None:
        moving, told = sys.stderr.isatty(), _step(what)
        if what != self._what:
            sys.stderr.write(("\n" if moving and self._what else "") + told + ("" if moving else "\n"))
            self._what, self._told = what, time.monotonic()
        elif moving and time.monotonic() - self._told > 0.2:
            share = f" {done / total:4.0%}" if total else f" {_size(done)}"
            sys.stderr.write(f"\r{told}{share}")
            self._told = time.monotonic()
        sys.stderr.flush()


def _step(what: str) -> str:
    """A step, as the store calls it: what is done, and with which part or file."""
    deed, _, file = what.partition(" ")
    return tr(what) if what in PARTS else f"{tr(deed)} {file}"
