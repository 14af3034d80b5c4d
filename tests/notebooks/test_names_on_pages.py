"""Pages call what people have names for by these names, in tables, sentences and charts: no id is left."""

from __future__ import annotations

import html
import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from orderhub_core import hub, ui
from orderhub_core.audit.spot.sheet import Spec
from orderhub_core.entry import cli
from orderhub_core.ui.choice import NUMBER

KINDS = {"shops": "douyin", "touchpoints": "desk", "warehouses": "dock"}


@pytest.fixture
def ids(copied: Path) -> set[str]:
    """Of the shops, touchpoints and warehouses of a snapshot, all of which its settings name: `crm` 名crm."""
    orders, shown = hub.connect().frame("orders"), hub.connect().frame("sightings")
    found = dict(zip(KINDS, (orders["shop"], shown["touchpoint"], orders["warehouse"]), strict=True))
    known = {kind: sorted(one.drop_nulls().unique().cast(pl.String)) for kind, one in found.items()}
    tables = [
        f'[[{kind}]]\nid = "{id}"\nconnector = "{KINDS[kind]}"\nname = "{called(id)}"\n'
        for kind, some in known.items()
        for id in some
    ]
    (copied / "orderhub.toml").write_text("\n".join(tables), encoding="utf-8")
    hub.connect.cache_clear()
    return {id for some in known.values() for id in some}


def called(id: str) -> str:
    return "名" + "".join(chr(0x4E00 + ord(letter)) for letter in id)


PAGES = {
    "consistency": {"crm", "page", "wms", "douyin-main"},
    "credibility": {"crm", "page", "wms", "douyin-main", "hangzhou"},
    "health": {"douyin-main", "hangzhou"},
    "packing": {"hangzhou", "guangzhou", "chengdu"},
    "reconciliation": {"douyin-main", "douyin-outlet"},
    "spot_audit": {"crm", "page", "wms", "douyin-main", "douyin-outlet"},
}
"""Each page, and some of whom it tells."""


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_names_and_no_ids(load_notebook, ids, monkeypatch, page) -> None:
    drawn, table = [], ui.table
    monkeypatch.setattr(ui, "table", lambda *given, **more: drawn.append(table(*given, **more)) or drawn[-1])
    monkeypatch.setattr(ui, "language", lambda: "zh")
    if page == "spot_audit":
        assert hub.connect().spot.open(Spec(size=40)).wait(20)
    outputs, _ = load_notebook(page).app.run()
    shown = [str(getattr(output, "text", "")) for output in outputs]
    shown += [pl.DataFrame(one.data).drop(NUMBER, strict=False).write_csv() for one in drawn]
    told = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), html.unescape(" ".join(shown)))
    assert {id for id in PAGES[page] if called(id) not in told} == set()
    assert [
        told[max(0, found.start() - 60) : found.end() + 30] for id in ids for found in word(id).finditer(told)
    ] == []


LABS = {"rule_lab": {"hangzhou", "guangzhou", "douyin-main"}, "rule_example": {"douyin-main", "douyin-outlet"}}
"""Pages on which rules are typed: ids stand in these, and in no table."""


@pytest.mark.parametrize("page", LABS)
def test_where_rules_are_typed_tables_show_names_and_files_ids(load_notebook, ids, monkeypatch, page) -> None:
    drawn, files, table = [], [], ui.table
    monkeypatch.setattr(ui, "table", lambda *given, **more: drawn.append(table(*given, **more)) or drawn[-1])
    monkeypatch.setattr(ui, "download_csv", lambda frame, *_: files.append(frame))
    load_notebook(page).app.run()
    shown = " ".join(pl.DataFrame(one.data).drop(NUMBER, strict=False).write_csv() for one in drawn)
    assert {id for id in LABS[page] if called(id) not in shown} == set()
    assert [id for id in ids if word(id).search(shown)] == []
    kept = " ".join(frame().write_csv() for frame in files)
    assert {id for id in LABS[page] if files and not word(id).search(kept)} == set()
    assert "名" not in kept


def word(id: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(id)}(?![\w-])")


COMMANDS = {
    ("diagnose",): {"guangzhou", "douyin-main"},
    ("audit", "index"): {"douyin-main", "crm"},
    ("audit", "orders"): {"crm", "page", "wms"},
}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_over_the_same_tell_names_and_no_ids(ids, words) -> None:
    done = CliRunner().invoke(cli.build(words[0]), [*words, "--lang", "zh"])
    assert done.exit_code == 0
    assert {id for id in COMMANDS[words] if called(id) not in done.stdout} == set()
    assert [id for id in ids if word(id).search(done.stdout)] == []
