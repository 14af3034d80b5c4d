"""The oracle sees whatever goes wrong in a home: each wrong here is done by hand to one in which all is right."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from invariants import Eyes, Findings, Witness, told_by_itself
from kills import Plan, Stage, Zygote, staged
from pysqlite3 import dbapi2 as sqlite

from orderhub_core.store import homes
from orderhub_core.store.homes import Home

pytestmark = [pytest.mark.faults, pytest.mark.server]

WRONGS = {
    "I1 acknowledged and not stored": ("inbox", "DELETE FROM inbox WHERE id = 3"),
    "I2 stored with another body": ("inbox", "UPDATE inbox SET body = zeroblob(9) WHERE id = 3"),
    "I2 stored and never sent": ("inbox", "UPDATE inbox SET message_id = 'nobody' WHERE id = 3"),
    "I2 a contradiction was not recorded": ("inbox", "DELETE FROM conflict"),
    "I2 a contradiction nobody sent": ("inbox", "INSERT INTO conflict SELECT source, 'x', digest, 1, body FROM inbox"),
    "I3 not parked": ("hub", "DELETE FROM parked"),
    "I3 parked without need": ("hub", "UPDATE parked SET message_id = 'x'"),
    "I3 stored and never applied": ("hub", "UPDATE log SET event = 'x' WHERE event = 'payment.paid'"),
    "I3 applied more than once": (
        "hub",
        "INSERT INTO log SELECT seq + 1000000, order_id, event, occurred_at, recorded_at, before, after, outcome,"
        " source, message, detail, hash FROM log WHERE event = 'payment.paid'",
    ),
    "I3 in the log and never received": ("hub", "UPDATE log SET message = 1000000 WHERE event = 'payment.paid'"),
    "I3 the hub tells": ("hub", "UPDATE lanes SET applied_upto = applied_upto - 1"),
    "I4 orders differ": ("hub", "UPDATE orders SET total_minor = total_minor + 1"),
    "I4 lines differ": ("hub", "DELETE FROM lines WHERE line_no = 1000"),
    "I4 persons differ": ("hub", "UPDATE persons SET address = ''"),
    "I4 pushes differ": ("hub", "UPDATE outbox SET payload = '{}'"),
    "I5": ("hub", "UPDATE log SET before = 'lost' WHERE event = 'logistics.delivered'"),
    "I6 intended and not written": ("hub", "DELETE FROM outbox WHERE key LIKE 'push:%'"),
    "I6 written and not intended": ("hub", "UPDATE outbox SET key = key || '1' WHERE key LIKE 'push:%'"),
    "I6 effects that are not done": ("hub", "UPDATE outbox SET state = 'person'"),
    "I9 log entries gone or changed": ("hub", "UPDATE log SET hash = zeroblob(32) WHERE seq = 2"),
    "I9 the log's chain": ("hub", "UPDATE log SET detail = '{}' WHERE seq = 2"),
}


@pytest.fixture(scope="module")
def rested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Home]]:
    """A home at rest in which nothing was killed and all is right."""
    folder = tmp_path_factory.mktemp("rested")
    homes.init(Home(folder / "empty"))
    zygote = Zygote()
    try:
        with staged(Plan(poison=0.05), "rested", folder, folder / "empty", zygote) as (stage, fresh):
            stage.senders.let_go(90)
            stage.rest()
            yield stage, fresh
    finally:
        zygote.close()


def judged(rested: tuple[Stage, Home], place: Path, part: str = "", wrong: str = "") -> list[str]:
    stage, fresh = rested
    shutil.copytree(stage.home.data, place / "home", ignore=shutil.ignore_patterns("*.sock"))
    shutil.copytree(fresh.data, place / "fresh")
    home, found = Home(place / "home"), Findings()
    witness, eyes = Witness(stage.journal, found), Eyes(home)
    witness.glance(eyes)
    if wrong:
        _do(place / "home" / f"{part}.db", wrong)
    witness.stare(eyes, stage.outside.yard)
    witness.replayed(eyes, Home(place / "fresh"))
    eyes.close()
    return found.broken + told_by_itself(home)


def _do(path: Path, wrong: str) -> None:
    link = sqlite.connect(str(path))
    with link:
        for (guard,) in link.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            link.execute(f"DROP TRIGGER {guard}")
        assert link.execute(wrong).rowcount > 0, "nothing there to do wrong to"
    link.close()


def test_where_nothing_is_wrong_nothing_is_found(rested: tuple[Stage, Home], tmp_path: Path) -> None:
    assert judged(rested, tmp_path) == []
    answers = rested[0].journal.answers
    assert answers["unproven"]
    assert rested[0].journal.contradictions


@pytest.mark.parametrize("named", WRONGS)
def test_a_wrong_is_seen(rested: tuple[Stage, Home], tmp_path: Path, named: str) -> None:
    found = judged(rested, tmp_path, *WRONGS[named])
    assert any(line.startswith(named) for line in found), found


def test_a_second_key_at_the_warehouse_is_seen(rested: tuple[Stage, Home]) -> None:
    stage, _ = rested
    yard, found = deepcopy(stage.outside.yard.sent), Findings()
    stage.outside.yard.sent[next(iter(yard))]["another key"] += 1
    stage.outside.yard.sent["1"] = {"key": 1}
    gone = next(no for no in reversed(yard) if no != next(iter(yard)))
    del stage.outside.yard.sent[gone]
    try:
        with stage.eyes() as eyes:
            Witness(stage.journal, found).stare(eyes, stage.outside.yard)
    finally:
        stage.outside.yard.sent = yard
    assert found.double_effects == {next(iter(yard))}
    assert any(line.startswith("I7 pushed and not intended: 1") for line in found.broken)
    assert any(line.startswith(f"I7 effects that the warehouse never saw: {gone}") for line in found.broken)
