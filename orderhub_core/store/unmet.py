"""What was to be sent to a target where nobody listens, or that refuses the sign-in: nothing of it has arrived, and it
waits to be sent. It is no try; that it is failing only its note says, and an index holds these alone."""

from __future__ import annotations

MET_NOBODY = "state = 'waiting' AND attempts = 0 AND note <> '' AND released IS NULL"
"""As SQL, of a row of `outbox`. Not what a person has let go, whose note may be that person's word."""
UNMET = f"SELECT target, count(*) FROM outbox WHERE {MET_NOBODY} GROUP BY target"
"""At most one for each time that a gate has opened and nobody was there."""
MISSED = f"""SELECT target, next_at, note FROM outbox WHERE {MET_NOBODY} AND target = ?
ORDER BY next_at DESC LIMIT 1"""
