"""Parked messages: tried again once what they lacked was mended, or dismissed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from orderhub_core.errors import UserMistake
from orderhub_core.flows import ops, replay
from orderhub_core.flows.absorb import Outcome
from orderhub_core.flows.context import Context
from orderhub_core.model import RawMessage
from orderhub_core.people import Dismissal
from orderhub_core.settings import Limits
from orderhub_core.store import aside, expiry


class Parking:
    """Of one hub. `changed` is told after each attempt."""

    def __init__(
        self, context: Context, clock: Callable[[], int], say: Callable[[Sequence[RawMessage]], None],
        changed: Callable[[], None], limits: Limits,
    ) -> None:  # fmt: skip
        self._context, self._clock, self._say, self._changed, self._limits = context, clock, say, changed, limits
        self._store = context.store

    def replay(self, ids: Sequence[int] | None = None) -> dict[tuple[str, str], Outcome]:
        """Try parked messages again: all that wait for a person, or those named, dismissed ones too. What became of
        each, by source and message id.

        Raises UserMistake for an id that is not parked, or was dismissed and has expired; then none is tried.
        """
        asked = aside.waiting(self._store) if ids is None else sorted(set(ids))
        if ids is not None:
            self._check(asked)
        try:
            return replay.replay(self._context, asked, self._limits.batch)
        finally:
            self._changed()

    def _check(self, ids: Sequence[int]) -> None:
        standing, days = aside.standing(self._store, ids), self._limits.raw_days
        if unknown := sorted(set(ids).difference(row.id for row in standing)):
            expiry.refuse_expired(self._store, unknown, days)
            raise _not_parked(unknown)
        dismissed = [row.id for row in standing if row.dismissed_at is not None]
        expiry.refuse_expired(self._store, dismissed, days, before=self._clock() - days * expiry.DAY_US)

    def dismiss(self, ids: Sequence[int], *, reason: str, by: str = "") -> int:
        """Say of parked messages that nobody needs to read them: a message of ours, applied when this returns. They
        stay where they are; replaying one takes it back. Returns how many were dismissed.

        Raises UserMistake for an id that does not wait, or without a reason; then none is dismissed.
        """
        ops.check_dismissal(reason, by)
        rows = aside.standing(self._store, ids)
        if unknown := sorted(set(ids).difference(row.id for row in rows)):
            raise _not_parked(unknown)
        if done := [row for row in rows if row.dismissed_at is not None]:
            raise UserMistake(
                "dismissed already: {said}; `orderhub inbox replay` takes it back",
                said=tuple(self._dismissed(row) for row in done),
            )
        said = [Dismissal(row.source, row.message_id, reason, by) for row in rows]
        self._say([ops.dismissal(word, self._clock()) for word in said])
        return len(said)

    def _dismissed(self, row: aside.Parked) -> UserMistake:
        at = datetime.fromtimestamp((row.dismissed_at or 0) / 1e6, ZoneInfo(self._context.places.zone))
        return UserMistake("{id} at {at:%Y-%m-%d %H:%M:%S} ({why})", id=row.id, at=at, why=row.dismissal)


def _not_parked(unknown: Sequence[int]) -> UserMistake:
    return UserMistake("not parked: {ids}; `orderhub inbox parked` lists what is", ids=tuple(map(str, unknown)))
