"""What the boards say exists in Chinese: literal texts, and the tables of names that are translated when shown."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from orderhub_core import i18n
from orderhub_core.audit import texts as audit_texts
from orderhub_core.audit.consistency import texts as consistency_texts
from orderhub_core.audit.credibility import texts as credibility_texts
from orderhub_core.audit.reconcile import texts as reconcile_texts
from orderhub_core.audit.spot import export as spot_export
from orderhub_core.audit.spot import prospect as spot_prospect
from orderhub_core.audit.spot import tables as spot_tables
from orderhub_core.audit.spot import texts as spot_texts
from orderhub_core.charts import audit as audit_charts
from orderhub_core.charts import examples as example_charts
from orderhub_core.charts import lab as lab_charts
from orderhub_core.charts import paper
from orderhub_core.health import holds as holds_texts
from orderhub_core.health import queue as queue_texts
from orderhub_core.health import texts as health_texts
from orderhub_core.presale import board as presale_board
from orderhub_core.presale import texts as presale_texts
from orderhub_core.rules.lab import example_texts
from orderhub_core.rules.lab import texts as lab_texts
from orderhub_core.sim import texts as sim_texts

ROOT = Path(__file__).parents[2]
AUDITS = (audit_texts, consistency_texts, spot_texts, spot_export, credibility_texts, reconcile_texts)
BOARDS = (health_texts, holds_texts, presale_board, presale_texts, queue_texts, sim_texts)
WORDINGS = (*AUDITS, *BOARDS, lab_texts)
CHARTS = (audit_charts, example_charts, lab_charts)
LAB = (
    "rules/lab/asking.py",
    "rules/lab/board.py",
    "rules/lab/examples.py",
    "rules/lab/sections.py",
    "rules/lab/tables.py",
    "flows/lab.py",
)
SOURCES = [
    *sorted((ROOT / "notebooks").glob("*.py")),
    *(Path(str(module.__file__)) for module in (*WORDINGS, spot_tables, paper, *CHARTS)),
    *(ROOT / "orderhub_core" / path for path in ("ui/__init__.py", "ui/forms.py", *LAB)),
]


def literals(source: Path) -> Iterator[str]:
    """What `tr` is called with, either branch of a choice included."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name | ast.Attribute) and getattr(called, "id", getattr(called, "attr", "")) == "tr":
            inside = ast.walk(node.args[0]) if isinstance(node.args[0], ast.IfExp | ast.Constant) else ()
            yield from (part.value for part in inside if isinstance(part, ast.Constant) and isinstance(part.value, str))


def tables(module: ModuleType) -> Iterator[str]:
    """The public constants of a module of texts: every one is shown through a translator."""
    for name, value in vars(module).items():
        if name.isupper() and not name.startswith("_") and isinstance(value, dict | str):
            yield from value.values() if isinstance(value, dict) else [value]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_literal_has_a_chinese_one(source: Path) -> None:
    said = set(literals(source))
    assert said and said - chinese() == set()


@pytest.mark.parametrize("module", [*WORDINGS, example_texts, spot_prospect], ids=lambda module: module.__name__)
def test_every_name_in_a_table_has_a_chinese_one(module: ModuleType) -> None:
    said = set(tables(module))
    assert said and said - chinese() == set()


def chinese() -> set[str]:
    return {str(message.id) for message in i18n.catalogue("zh") if message.id and message.string}
