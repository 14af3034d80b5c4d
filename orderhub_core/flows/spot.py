"""The weekly spot audit: draw, read every touchpoint live, remember what was read, take judgements.

What was read is one file per audit in the hub's folder `spot`, written once: a closed browser, another reviewer or a
second console opens the same cards. Judgements are messages like any other and carry the raw words that were judged, so
the log holds the evidence even without the file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from orderhub_core.audit import learning, report
from orderhub_core.audit.calibration import Calibration
from orderhub_core.audit.lag import FACTS
from orderhub_core.audit.report import MAX_TOUCHPOINTS
from orderhub_core.audit.sources import KEY
from orderhub_core.audit.spot import sheet as sheets
from orderhub_core.audit.spot.sheet import Looked, Sheet, Shown, Spec
from orderhub_core.errors import OrderHubError, UserMistake
from orderhub_core.frames import INSTANT
from orderhub_core.ports import Touchpoint
from orderhub_core.settings import Settings

FOLDER = "spot"
PORTION = 50
"""Orders asked for at once: small enough to show progress and to stop soon."""
REVIEWS = pl.Schema(
    {
        "shop": pl.String(),
        "order_no": pl.String(),
        "consistent": pl.Boolean(),
        "reviewer": pl.String(),
        "note": pl.String(),
        "at": INSTANT,
    }
)


class Cancelled(UserMistake):
    """Somebody stopped the reading."""


class Reading:
    """A reading of all touchpoints that goes on by itself. Watch `done` of `total`; `cancel` stops it."""

    def __init__(self, audit: str) -> None:
        self.audit = audit
        self.done, self.total = 0, 0
        self.error: OrderHubError | None = None
        self._over, self._stop, self._lock = threading.Event(), threading.Event(), threading.Lock()

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def wait(self, seconds: float) -> bool:
        """True once it is over."""
        return self._over.wait(seconds)

    def cancel(self) -> None:
        self._stop.set()

    def step(self, orders: int) -> None:
        """So many more orders were asked for. Raises Cancelled."""
        with self._lock:
            self.done += orders
        if self._stop.is_set():
            raise Cancelled("the reading was stopped; nothing was kept")

    def run(self, work: Callable[[Reading], None]) -> None:
        try:
            work(self)
        except OrderHubError as error:
            self.error = error
        except Exception as bug:  # noqa: BLE001 — whoever waits must be told; the traceback is no use to them
            self.error = UserMistake(f"internal: {type(bug).__name__} while reading; a developer must look")
        finally:
            self._over.set()


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
        reviews: Callable[[str], pl.DataFrame] | None = None,
    ) -> None:
        self._frame, self._clock, self._settings = frame, clock, settings
        self._folder, self._touchpoint = folder, touchpoint
        self._judge, self._reviews = judge, reviews
        self._lock = threading.Lock()
        self._readings: dict[str, Reading] = {}
        self._sheets: dict[str, Sheet] = {}
        self._said: dict[tuple[str, str, str, str], dict[str, Any]] = {}
        """Judgements of this process, until the database holds them: a reload may be faster than the worker."""

    @property
    def live(self) -> bool:
        return self._touchpoint is not None and bool(self._settings.touchpoints)

    # -- sheets

    def audits(self) -> list[str]:
        """The audits that have been opened, newest first."""
        kept = [] if self._folder is None else [path for path in self._folder.glob("*.json") if sheets.known(path.stem)]
        newest = sorted(kept, key=lambda path: path.stat().st_mtime_ns, reverse=True)
        names = [path.stem for path in newest] if self._folder else list(reversed(self._sheets))
        return list(dict.fromkeys(names))

    def sheet(self, audit: str) -> Sheet:
        """Raises UserMistake where there is none, or its file cannot be read."""
        if audit in self._sheets:
            return self._sheets[audit]
        if self._folder is None or not sheets.known(audit):
            raise UserMistake(f"no spot audit named {audit!r} has been opened here")
        path = self._folder / f"{audit}.json"
        try:
            self._sheets[audit] = msgspec.json.decode(path.read_bytes(), type=Sheet)
        except OSError as error:
            raise UserMistake(f"{path.name} cannot be read ({error.strerror}); open the audit again") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UserMistake(f"{path.name} in the folder {FOLDER} is damaged; restore it from a backup") from None
        return self._sheets[audit]

    def open(self, spec: Spec) -> Reading:
        """Begin to read for the audit that this question is this week. One that is open already is left as it is, and
        one that is being read is joined. Raises UserMistake."""
        audit = sheets.audit_id(sheets.check(spec), self._clock(), self._settings.time_zone)
        with self._lock:
            running = self._readings.get(audit)
            if running is not None and not running.over:
                return running
            reading = self._readings[audit] = Reading(audit)
        if audit in self.audits():
            reading.run(lambda _: None)
        else:
            threading.Thread(target=reading.run, args=(lambda job: self._read(job, spec),), daemon=True).start()
        return reading

    # -- judgements

    def judge(
        self, sheet: Sheet, key: tuple[str, str], *, consistent: bool, reviewer: str, note: str = "",
        withdrawn: bool = False
    ) -> None:  # fmt: skip
        """Take a judgement, or the taking back of one. Raises UserMistake, or Busy where it could not be written."""
        shop, order_no = key
        row = {"shop": shop, "order_no": order_no, "consistent": None if withdrawn else consistent,
               "reviewer": reviewer, "note": note, "at": self._clock()}  # fmt: skip
        if self._judge is not None:
            self._judge(
                audit=sheet.audit,
                shop=shop,
                order_no=order_no,
                consistent=consistent,
                reviewer=reviewer,
                note=note,
                seen=sheets.evidence(sheet).get(key, {}),
                withdrawn=withdrawn,
            )
        self._said[sheet.audit, shop, order_no, reviewer] = row

    def reviews(self, audit: str) -> pl.DataFrame:
        """`shop`, `order_no`, `consistent`, `reviewer`, `note`, `at`, oldest first: what holds now, also what the
        worker has not absorbed yet."""
        stored = pl.DataFrame(schema=REVIEWS) if self._reviews is None else self._reviews(audit).select(*REVIEWS)
        own = [row for (name, *_), row in list(self._said.items()) if name == audit]
        fresh = pl.DataFrame(own, schema=pl.Schema({**REVIEWS, "at": pl.Int64()}), orient="row").cast({"at": INSTANT})
        newest = pl.concat([stored, fresh]).sort("at", maintain_order=True)
        newest = newest.unique([*KEY, "reviewer"], keep="last", maintain_order=True)
        return newest.filter(pl.col("consistent").is_not_null())

    def history(self) -> pl.DataFrame:
        """The reviews of all audits opened here, with `audit`."""
        parts = [self.reviews(audit).with_columns(audit=pl.lit(audit)) for audit in self.audits()]
        return pl.concat([pl.DataFrame(schema=pl.Schema({**REVIEWS, "audit": pl.String()})), *parts])

    # -- reading

    def _read(self, job: Reading, spec: Spec) -> None:
        zone = self._settings.time_zone
        drawn = sheets.drawn(self._frame("orders"), spec, self._clock(), zone)
        if not drawn.cards:
            raise UserMistake("there are no orders to draw from yet")
        names = self._names()
        if not 2 <= len(names) <= MAX_TOUCHPOINTS:
            raise UserMistake(f"an audit compares 2 to {MAX_TOUCHPOINTS} touchpoints; the settings name {len(names)}")
        job.total = len(names) * len(drawn.cards)
        with ThreadPoolExecutor(len(names)) as pool:
            looks = list(pool.map(lambda name: self._look(job, drawn, name), names))
        looked = tuple(look for look, _ in looks)
        if sum(look.state != "failed" for look in looked) < 2:
            said = "; ".join(f"{look.name}: {look.reason}" for look in looked if look.reason)
            raise UserMistake(f"fewer than two touchpoints could be read ({said}); mend that and start again")
        whole = msgspec.structs.replace(
            drawn,
            looked=looked,
            shown=tuple(row for _, rows in looks for row in rows),
            calibration=self._calibration(drawn),
        )
        whole.report()
        job.step(0)
        self._keep(whole)

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
        found: list[Shown] = []
        unreadable = 0
        numbers = list(dict.fromkeys(card.order_no for card in drawn.cards))
        try:
            place = self._touchpoint(name)
            for start in range(0, len(numbers), PORTION):
                portion = numbers[start : start + PORTION]
                rows, broken = _decoded(place, name, portion)
                found, unreadable = [*found, *rows], unreadable + broken
                job.step(len(portion))
        except Cancelled:
            raise
        except OrderHubError as error:
            return Looked(name, "failed", self._clock(), str(error)), []
        except Exception as bug:  # noqa: BLE001 — a connector's bug must cost its own column only
            return Looked(name, "failed", self._clock(), f"internal: {type(bug).__name__}; a developer must look"), []
        return Looked(name, "live", self._clock(), "", unreadable), found

    def _calibration(self, drawn: Sheet) -> Calibration:
        """What all orders teach about delays; nothing where the hub has a copy of fewer than two touchpoints."""
        seen = self._frame("sightings").partition_by("touchpoint", as_dict=True)
        if len(seen) < 2:
            return Calibration()
        population = self._frame("orders").select(*KEY, *sorted(set(FACTS.values())))
        scene = report.look({str(name): rows for (name,), rows in sorted(seen.items())}, population=population)
        return learning.learn(scene, drawn.opened_at)

    def _keep(self, sheet: Sheet) -> None:
        """Written whole or not at all; where another console was faster, its sheet holds."""
        if self._folder is None:
            self._sheets.setdefault(sheet.audit, sheet)
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{sheet.audit}.json"
            part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
            with part.open("wb") as file:
                file.write(msgspec.json.encode(sheet))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(part, path)
            except FileExistsError:
                pass  # the other one's holds
            finally:
                part.unlink()
        except OSError as error:
            raise UserMistake(f"the folder {self._folder} cannot be written ({error.strerror})") from None


def _decoded(place: Touchpoint, name: str, order_nos: list[str]) -> tuple[list[Shown], int]:
    """What a touchpoint shows now, and how many rows could not be read."""
    rows: list[Shown] = []
    messages = place.look(order_nos)
    for message in messages:
        try:
            sighting = place.decode(message.kind, message.body)
        except OrderHubError:
            continue
        rows.append(Shown(name, sighting.shop, sighting.order_no, sighting.status, sighting.at))
    return rows, len(messages) - len(rows)
