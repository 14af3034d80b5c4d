"""Rules of the house that a reader should be able to rely on without reading everything."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "orderhub_core"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
SOURCES = sorted([*CORE.rglob("*.py"), *(ROOT / "connectors").rglob("*.py")])

PURE = ("audit", "rules", "health", "sim", "packing", "presale", "story")
IMPURE = {
    "time",
    "random",
    "secrets",
    "socket",
    "httpx",
    "urllib",
    "sqlite3",
    "pysqlite3",
    "sqlalchemy",
    "sqlmodel",
} | {
    "marimo",
    "altair",
    "starlette",
    "threading",
    "subprocess",
}
ONLY_IN = {
    "altair": ("orderhub_core/charts/",),
    "marimo": ("orderhub_core/ui/", "orderhub_core/entry/console/"),
    "sqlalchemy": ("orderhub_core/store/",),
    "sqlmodel": ("orderhub_core/store/",),
    "pysqlite3": ("orderhub_core/store/", "orderhub_core/runtime.py"),
    "nats": ("orderhub_core/store/",),
    "httpx": ("connectors/", "orderhub_core/entry/demo/"),
}
"""A framework, and the only places that may know it."""

FOR_NOTEBOOKS = {"hub", "charts", "ui", "i18n", "names", "frames", "model", "errors", *PURE, "lifecycle", "views"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> set[str]:
    """Every module that a file imports, dotted, wherever in the file it does so."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in imports(path)}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_is_short_enough_to_read(path: Path) -> None:
    written = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(written) <= 300


@pytest.mark.parametrize("path", [path for path in SOURCES if path.stem != "__init__"], ids=name)
def test_a_module_says_what_it_promises(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", [path for part in PURE for path in (CORE / part).rglob("*.py")], ids=name)
def test_decisions_know_no_clock_dice_network_or_framework(path: Path) -> None:
    assert not packages(path) & IMPURE


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_framework_is_known_in_its_place_only(package: str) -> None:
    users = {name(path) for path in SOURCES if package in packages(path)}
    assert {user for user in users if not user.startswith(ONLY_IN[package])} == set()


def test_the_core_loads_connectors_by_name_only() -> None:
    assert [name(path) for path in CORE.rglob("*.py") if "connectors" in packages(path)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_shows_and_does_not_know_how(path: Path) -> None:
    ours = {module.split(".")[1] for module in imports(path) if module.startswith("orderhub_core.")}
    assert ours <= FOR_NOTEBOOKS
    assert not packages(path) & {"httpx", "sqlalchemy", "sqlmodel", "sqlite3", "connectors", "requests"}
    _, _, shown = path.read_text(encoding="utf-8").partition("# ///\n")
    assert len(shown.splitlines()) <= 150


@pytest.mark.skipif(not NOTEBOOKS, reason="there are no notebooks")
def test_notebooks_pass_marimo_s_own_check() -> None:
    command = [sys.executable, "-m", "marimo", "check", "--strict", *map(str, NOTEBOOKS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_fetches_anything_from_elsewhere() -> None:
    """Pages work without the internet: no address of another host, no icon that marimo would fetch."""
    shown = [*NOTEBOOKS, *(ROOT / "notebooks/assets").iterdir(), *CORE.rglob("templates/*"), *CORE.rglob("static/*")]
    elsewhere = re.compile(r"(?:https?:)?//(?!www\.w3\.org/)[a-z0-9-]+\.[a-z]|::lucide|mo\.icon\(", re.IGNORECASE)
    assert {name(path): found for path in shown if (found := elsewhere.findall(path.read_text(encoding="utf-8")))} == {}


def test_words_that_say_nothing_name_nothing() -> None:
    vague = re.compile(r"(?:^|_)(?:utils?|helpers?|managers?|misc|common|base_class)(?:_|$)")
    assert [name(path) for path in SOURCES if vague.search(path.stem)] == []


@pytest.mark.parametrize("mark", ["faults", "browser"])
def test_what_ci_looks_for_in_one_folder_lies_there(mark: str) -> None:
    marked = {path for path in (ROOT / "tests").rglob("*.py") if f"pytest.mark.{mark}" in path.read_text("utf-8")}
    assert marked
    assert [path for path in marked if not path.is_relative_to(ROOT / "tests" / mark)] == []
