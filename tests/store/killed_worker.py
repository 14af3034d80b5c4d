"""A worker that is killed around a commit: argv is the database, the inbox, and the moment. See test_jetstream."""

import os
import signal
import sys
from pathlib import Path

from orderhub_core import runtime  # noqa: F401  (one SQLite per process, before anyone imports it)
from orderhub_core.store.jetstream import JetStreamStore

sys.path[:0] = map(os.fspath, Path(__file__).resolve().parents[:2])


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from test_jetstream import apply

    database, inbox, moment = sys.argv[1:]
    store = JetStreamStore(database, inbox)
    if moment == "after the commit":
        store.cluster.purge = die
    else:
        write = store._write

        def written_and_died(*arguments: object) -> None:
            write(*arguments)
            die()

        store._write = written_and_died
    apply(store)
