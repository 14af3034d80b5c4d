"""The weekly spot audit: draw, read every touchpoint live, remember what was read, take judgements.

What was read is one file per audit in the hub's folder `spot`: a closed browser, another reviewer or a second console
opens the same cards. It is written once; only a touchpoint that failed may be read again, and what one console has read
of it no other replaces. Judgements are messages like any other and carry the raw words that were judged, so the log
holds the evidence even without the file.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl

from orderhub_core.audit import learning, report
from orderhub_core.audit.calibration import Calibration
from orderhub_core.audit.lag import FACTS
from orderhub_core.audit.report import MAX_TOUCHPOINTS
from orderhub_core.audit.sources import KEY
from orderhub_core.audit.spot import sheet as sheets
from orderhub_core.audit.spot.result import Past
from orderhub_core.audit.spot.sheet import Looked, Sheet, Shown, Spec
from orderhub_core.errors import Busy, UserMistake
from orderhub_core.flows import looking
from orderhub_core.flows.gates import Gates
from orderhub_core.flows.looking import Reading
from orderhub_core.flows.shelf import Shelf
from orderhub_core.frames import INSTANT
from orderhub_core.ports import Touchpoint
from orderhub_core.settings import Settings

REVIEWS = pl.Schema(
    {
        "audit": pl.String(),
        "shop": pl.String(),
        "order_no": pl.String(),
        "consistent": pl.Boolean(),
        "reviewer": pl.String(),
        "note": pl.String(),
        "at": INSTANT,
    }
)
BUSY_S, AGAIN_S = 10.0, 0.1
"""So long a judgement is handed in again where the hub takes none just now, and how often."""


FEWEST = 2
"""Touchpoints that can be compared."""


class _Said(NamedTuple):
    """A judgement of this process."""

    row: dict[str, Any]
    written: Future[Any] | None
    """Done when it is on disk; None where nothing is written."""

    @property
    def lost(self) -> bool:
        return self.written is not None and self.written.done() and self.written.exception() is not None


class Desk:
    """Where spot audits are opened and judged. Without a `folder` (a snapshot) it keeps all of it in memory only, and
    looks at the hub's copy of what touchpoints showed."""

    def __init__(
        self,
        frame: Callable[[str], pl.DataFrame],
        clock: Callable[[], int],
        settings: Settings,
        folder: Path | None = None,
        touchpoint: Callable[[str], Touchpoint] | None = None,
        judge: Callable[..., None] | None = None,
        reviews: Callable[[Sequence[str]], pl.DataFrame] | None = None,
    ) -> None:
        self._frame, self._clock, self._settings = frame, clock, settings
        self._shelf, self._touchpoint = Shelf(folder), touchpoint
        self._judge, self._reviews = judge, reviews
        self._gates = Gates({place.id: place.calls_per_minute for place in settings.touchpoints}, time.monotonic)
        self._lock = threading.Lock()
        self._readings: dict[str, Reading] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="judgements")
        """One by one, in turn: a taking back is written after what it takes back."""
        self._said_at = 0
        self._said: defaultdict[tuple[str, str, str, str], list[_Said]] = defaultdict(list)
        """Judgements of this process, oldest first, until the database holds them: a reload may be faster than the
        worker."""

    @property
    def live(self) -> bool:
        return self._touchpoint is not None and bool(self._settings.touchpoints)

    @property
    def few(self) -> bool:
        """Whether there are too few touchpoints to compare."""
        asked = self._settings.touchpoints if self._touchpoint else ()
        return len(asked) < FEWEST and len(self._names()) < FEWEST  # the copy is looked at only where it matters

    # -- sheets

    def audits(self) -> list[str]:
        """The audits that have been opened, newest first."""
        return self._shelf.names()

    def sheet(self, audit: str) -> Sheet:
        """As it stands now: another console may have read again what had failed. Raises UserMistake where there is
        none, or its file cannot be read."""
        return self._shelf.sheet(audit)

    def open(self, spec: Spec) -> Reading:
        """Begin to read for the audit that this question is this week. One that is open already is left as it is, and
        one that is being read is joined. Raises UserMistake."""
        now = self._clock()  # once: the week may end while one reads
        audit = sheets.audit_id(sheets.check(spec), now, self._settings.time_zone)
        if audit in self.audits():
            return self._begun(audit, None)
        return self._begun(audit, lambda job: self._read(job, spec, now))

    def again(self, audit: str) -> Reading:
        """Begin to read the touchpoints that failed once more, for all orders of an audit: nothing of them was kept.
        The draw, the claim and what the others showed stay, and what another console has read of them meanwhile. One
        that is being read is joined."""
        return self._begun(audit, lambda job: self._read_again(job, audit))

    def _begun(self, audit: str, work: Callable[[Reading], None] | None) -> Reading:
        with self._lock:
            running = self._readings.get(audit)
            if running is not None and not running.over:
                return running
            reading = self._readings[audit] = Reading(audit)
        if work is None:
            reading.run(lambda _: None)
        else:
            threading.Thread(target=reading.run, args=(work,), daemon=True).start()
        return reading

    # -- judgements

    def judge(
        self, sheet: Sheet, key: tuple[str, str], *, consistent: bool, reviewer: str, note: str = "",
        withdrawn: bool = False
    ) -> Future[Any] | None:  # fmt: skip
        """Take a judgement, or the taking back of one. It holds from now on, unless the result, which is there when it
        is on disk (None: none is written here), is that it could not be written: a UserMistake, or Busy where that went
        on for BUSY_S."""
        shop, order_no = key
        with self._lock:
            self._said_at = at = max(self._clock(), self._said_at + 1)  # of two the newer holds
        row = {"shop": shop, "order_no": order_no, "consistent": None if withdrawn else consistent,
               "reviewer": reviewer, "note": note, "at": at}  # fmt: skip
        written = None
        if self._judge is not None:
            said = partial(
                self._judge,
                audit=sheet.audit,
                shop=shop,
                order_no=order_no,
                consistent=consistent,
                reviewer=reviewer,
                note=note,
                seen=sheets.evidence(sheet).get(key, {}),
                withdrawn=withdrawn,
                at=at,
            )
            written = self._writer.submit(_patiently, said)
        with self._lock:
            self._said[sheet.audit, shop, order_no, reviewer].append(_Said(row, written))
        return written

    def reviews(self, audit: str) -> pl.DataFrame:
        """`shop`, `order_no`, `consistent`, `reviewer`, `note`, `at`, oldest first: what holds now, also what the
        worker has not absorbed yet."""
        return self._reviews_of([audit])[audit]

    def _reviews_of(self, audits: Sequence[str]) -> dict[str, pl.DataFrame]:
        """The same of several: one look at the database."""
        stored = pl.DataFrame(schema=REVIEWS) if self._reviews is None else self._reviews(audits).select(*REVIEWS)
        names = ["audit", *KEY, "reviewer"]
        held = {tuple(key): at for *key, at in stored.select(*names, pl.col("at").cast(pl.Int64)).iter_rows()}
        own = []
        with self._lock:
            for key, judged in list(self._said.items()):
                judged[:] = [one for one in judged if not one.lost and held.get(key, -1) < one.row["at"]]
                if not judged:
                    del self._said[key]
                elif key[0] in audits:
                    own.append({"audit": key[0], **judged[-1].row})
        fresh = pl.DataFrame(own, schema=pl.Schema({**REVIEWS, "at": pl.Int64()}), orient="row").cast({"at": INSTANT})
        newest = pl.concat([stored, fresh]).sort("at", maintain_order=True)
        newest = newest.unique(names, keep="last", maintain_order=True).filter(pl.col("consistent").is_not_null())
        return {audit: newest.filter(pl.col("audit") == audit).drop("audit") for audit in audits}

    def history(self, spec: Spec) -> list[Past]:
        """All audits of this design opened here whose sheets can be read, with what was said of them; newest first."""
        found = []
        for audit in self.audits():
            if sheets.is_of_design(audit, spec):
                with contextlib.suppress(UserMistake):  # a damaged sheet is told to whoever opens it
                    found.append(self.sheet(audit))
        said = self._reviews_of([sheet.audit for sheet in found])
        return [Past(sheet, said[sheet.audit]) for sheet in found]

    # -- reading

    def _read(self, job: Reading, spec: Spec, now: int) -> None:
        drawn = sheets.drawn(self._frame("orders"), spec, now, self._settings.time_zone)
        if not drawn.cards:
            raise UserMistake("there are no orders to draw from yet")
        names = self._names()
        if not FEWEST <= len(names) <= MAX_TOUCHPOINTS:
            text = "an audit compares 2 to {most} touchpoints; there are {n}: see [[touchpoints]] in the settings"
            raise UserMistake(text, most=MAX_TOUCHPOINTS, n=len(names))
        job.total = len(names) * len(drawn.cards)
        with ThreadPoolExecutor(len(names)) as pool:
            looks = list(pool.map(lambda name: self._look(job, drawn, name), names))
        looked = tuple(look for look, _ in looks)
        if sum(look.state != "failed" for look in looked) < FEWEST:
            said = "; ".join(f"{look.name}: {look.reason}" for look in looked if look.reason)
            raise UserMistake("fewer than two touchpoints could be read ({said}); mend that and start again", said=said)
        whole = msgspec.structs.replace(
            drawn,
            looked=looked,
            shown=tuple(row for _, rows in looks for row in rows),
            calibration=self._calibration(drawn),
        )
        whole.report()
        job.step(0)
        self._shelf.put(whole)

    def _read_again(self, job: Reading, audit: str) -> None:
        before = self.sheet(audit)
        failed = [look.name for look in before.looked if look.state == "failed"]
        job.total = len(failed) * len(before.cards)
        if not failed:
            return
        with ThreadPoolExecutor(len(failed)) as pool:
            looks = list(pool.map(lambda name: self._look(job, before, name), failed))
        job.step(0)
        self._shelf.change(audit, lambda now: sheets.read_again(now, looks))

    def _names(self) -> list[str]:
        """Every touchpoint of the settings, then those that the hub only has a copy of."""
        asked = [endpoint.id for endpoint in self._settings.touchpoints] if self._touchpoint else []
        seen = self._frame("sightings")["touchpoint"].unique().sort().to_list()
        return list(dict.fromkeys([*asked, *seen]))

    def _look(self, job: Reading, drawn: Sheet, name: str) -> tuple[Looked, list[Shown]]:
        if self._touchpoint is None or self._settings.touchpoint(name) is None:
            rows = sheets.shown(self._frame("sightings"), drawn.cards_frame(), name)
            job.step(len(drawn.cards))
            return Looked(name, "copy", drawn.opened_at), rows
        numbers = list(dict.fromkeys(card.order_no for card in drawn.cards))
        return looking.look(job, self._touchpoint, name, numbers, self._gates, self._clock)

    def _calibration(self, drawn: Sheet) -> Calibration:
        """What all orders teach about delays; nothing where the hub has a copy of fewer than two touchpoints."""
        seen = self._frame("sightings").partition_by("touchpoint", as_dict=True)
        if len(seen) < 2:
            return Calibration()
        population = self._frame("orders").select(*KEY, *sorted(set(FACTS.values())))
        scene = report.look({str(name): rows for (name,), rows in sorted(seen.items())}, population=population)
        return learning.learn(scene, drawn.opened_at)


def _patiently(write: Callable[[], None]) -> None:
    """While a commit takes long the hub lets nobody new in: senders come again, and so do we."""
    give_up_at = time.monotonic() + BUSY_S
    while True:
        try:
            return write()
        except Busy:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(AGAIN_S)
