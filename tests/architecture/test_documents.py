"""The documents say what the code does."""

from pathlib import Path

import pytest

from orderhub_core import diagram
from orderhub_core.entry.cli import COMMANDS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_lifecycle_diagram_is_current(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert diagram.section() in text, "run `make diagram`"


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_every_command_is_listed(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"`{command}" in text, command


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_map_names_everything_there_is(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for part in [*(ROOT / "orderhub_core").iterdir(), *(ROOT / "connectors").iterdir()]:
        if not part.name.startswith(("_", ".")):
            assert part.name in text, f"{part.name} is missing from the map in {name}"
