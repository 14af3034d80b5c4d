"""Every text that a user may read exists in Chinese, once, with the same blanks to fill."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
from babel.messages import pofile

from orderhub_core import i18n
from orderhub_core.entry.console import app, cards, figures

ROOT = Path(__file__).parents[2]
CORE, NOTEBOOKS = ROOT / "orderhub_core", ROOT / "notebooks"
TRANSLATORS = {"tr", "_", "translate"}
FILES = sorted((i18n.LOCALE_DIR / "zh").glob("*.po"))


def literal_texts(source: Path) -> Iterator[str]:
    """The string literals that a translator is called with."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(text)), *_]) if name in TRANSLATORS:
                yield text


def spoken() -> dict[str, str]:
    """Text to the place that says it."""
    said: dict[str, str] = {}
    for source in [*CORE.rglob("*.py"), *NOTEBOOKS.glob("*.py")]:
        said |= dict.fromkeys(literal_texts(source), source.name)
    for template in CORE.rglob("templates/*.html"):
        said |= dict.fromkeys(re.findall(r"\{\{(.+?)\}\}", template.read_text(encoding="utf-8")), template.name)
    for card in cards.find(app.NOTEBOOKS):
        said |= dict.fromkeys([card.title, card.description], f"{card.name}.py")
    said |= dict.fromkeys([*figures.STAGES, *figures.PULSE.values()], "figures.py")
    return {text: place for text, place in said.items() if text}


def refusals() -> set[str]:
    """The sentences handed to `refuse`, which translates them."""
    folder = CORE / "entry" / "console"
    calls = (node for path in folder.glob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    named = (node for node in calls if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "refuse")
    return {node.args[-1].value for node in named if isinstance(node.args[-1], ast.Constant)}  # type: ignore[misc]


MISTAKES = {"UserMistake", "StoreMissing", "Damaged"}


def mistakes() -> dict[str, str]:
    """The sentences that a user's mistakes are told by, with the place that says each: written where it is raised, or
    given a name just before."""
    said: dict[str, str] = {}
    for source in [*CORE.rglob("*.py"), *(ROOT / "connectors").rglob("*.py")]:
        functions = (node for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
                     if isinstance(node, ast.FunctionDef))  # fmt: skip
        for function in functions:
            nodes = list(ast.walk(function))
            raised = [node.args[0] for node in nodes if isinstance(node, ast.Call)
                      and getattr(node.func, "id", "") in MISTAKES and node.args]  # fmt: skip
            names = {node.id for node in raised if isinstance(node, ast.Name)}
            named = [node.value for node in nodes if isinstance(node, ast.Assign)
                     and any(isinstance(to, ast.Name) and to.id in names for to in node.targets)]  # fmt: skip
            for value in [*raised, *named]:
                either = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
                texts = [each.value for each in either if isinstance(each, ast.Constant)]
                said |= {text: source.name for text in texts if isinstance(text, str)}
    return said


def test_every_sentence_about_a_mistake_exists_in_chinese() -> None:
    said = mistakes()
    known = {message.id for message in i18n.catalogue("zh")}
    assert len(said) > 80
    assert {text: place for text, place in said.items() if text not in known} == {}


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_text_exists_in_chinese() -> None:
    known = {message.id for message in i18n.catalogue("zh")}
    silent = {text: place for text, place in spoken().items() if text not in known}
    assert not silent


def test_every_refusal_exists_in_chinese() -> None:
    said = refusals()
    assert said and not said - {message.id for message in i18n.catalogue("zh")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_catalogue_is_complete_and_fills_the_same_blanks(path: Path) -> None:
    with path.open("rb") as file:
        messages = [message for message in pofile.read_po(file, locale="zh") if message.id]
    assert messages
    assert [message.id for message in messages if not message.string] == []
    assert [m.id for m in messages if "{" in str(m.id) and blanks(str(m.id)) != blanks(str(m.string))] == []


def test_pages_agree_on_the_chinese_for_one_text() -> None:
    """The catalogues are merged: two words for one text would make the page's word depend on file names."""
    words: dict[object, set[object]] = defaultdict(set)
    for path in FILES:
        with path.open("rb") as file:
            for message in pofile.read_po(file, locale="zh"):
                if message.id:
                    words[message.id].add(message.string)
    assert {text: said for text, said in words.items() if len(said) > 1} == {}


def test_english_comes_back_as_it_is() -> None:
    assert i18n.translator("en")("Orders") == "Orders" == i18n.translator("fr")("Orders")


@pytest.mark.parametrize(
    ("asked", "cookie", "browser", "expected"),
    [
        ("zh", "en", "en", "zh"),
        ("fr", "zh", "en", "zh"),
        (None, None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, None, "fr-FR, en;q=0.5", "en"),
        (None, None, None, "en"),
    ],
)
def test_the_address_beats_the_cookie_beats_the_browser(
    asked: str | None, cookie: str | None, browser: str | None, expected: str
) -> None:
    assert i18n.choose(asked, cookie, browser) == expected
