"""Every text that a user may read exists in Chinese, once, with the same blanks to fill."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import pytest
from babel.messages import pofile

from orderhub_core import i18n
from orderhub_core.entry.console import app, cards, figures
from orderhub_core.errors import OrderHubError, Unreachable, Unreadable

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


NOT_TOLD = {"Refusal", "IllegalTransition", "MissingFact", "Overtaken"}
"""Caught where they are raised: the log keeps what was refused as facts, and no sentence of it is shown."""
SOURCES = {path: ast.parse(path.read_text(encoding="utf-8"))
           for path in [*CORE.rglob("*.py"), *(ROOT / "connectors").rglob("*.py")]}  # fmt: skip


def kinds(of: str) -> set[str]:
    """The names of a failure's class and of all that are made of it, anywhere."""
    found: set[str] = {of}
    classes = [node for tree in SOURCES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while more := {one.name for one in classes if found & {getattr(base, "id", "") for base in one.bases}} - found:
        found |= more
    return found


def _own(node: ast.AST) -> list[ast.AST]:
    """What stands in a function, or in a module outside all functions."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return list(ast.walk(node))
    outside = [one for one in node.body if isinstance(one, ast.Assign)] if isinstance(node, ast.Module) else []
    return [part for one in outside for part in ast.walk(one)]


def sentences(names: set[str]) -> Iterator[tuple[str, ast.expr]]:
    """What failures of these classes are made of, with the place: written there, or given a name just before."""
    for source, tree in SOURCES.items():
        for function in ast.walk(tree):
            nodes = _own(function)
            made = [node.args[0] for node in nodes if isinstance(node, ast.Call) and node.args
                    and not isinstance(node.args[0], ast.Starred)
                    and any(getattr(part, "id", getattr(part, "attr", "")) in names
                            for part in ast.walk(node.func))]  # fmt: skip
            called = {node.id for node in made if isinstance(node, ast.Name)}
            named = [node.value for node in nodes if isinstance(node, ast.Assign)
                     and any(isinstance(to, ast.Name) and to.id in called for to in node.targets)]  # fmt: skip
            for value in [*made, *named]:
                for each in [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]:
                    yield source.name, each


def texts(names: set[str]) -> dict[str, str]:
    said = ((value.value, place) for place, value in sentences(names) if isinstance(value, ast.Constant))
    return {text: place for text, place in said if isinstance(text, str)}


def in_catalogue(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        return {str(one.id): str(one.string) for one in pofile.read_po(file, locale="zh") if one.id}


def test_every_sentence_of_a_failure_exists_in_chinese() -> None:
    said = texts(kinds("OrderHubError") - NOT_TOLD)
    known = {message.id for message in i18n.catalogue("zh")}
    assert len(said) > 300
    assert {text: place for text, place in said.items() if text not in known} == {}


def test_no_failure_is_told_in_a_sentence_that_has_its_facts_in_it_already() -> None:
    """Such a one has no words in another language."""
    made = sentences(kinds("OrderHubError") - NOT_TOLD)
    assert [f"{place}: {ast.unparse(text)}" for place, text in made if isinstance(text, ast.JoinedStr)] == []


def test_what_is_kept_of_a_failure_is_known_by_its_sentence() -> None:
    """Why a message is parked or an effect waits is kept in English, and read back by the catalogue of failures."""
    kept = texts(kinds("OrderHubError") - NOT_TOLD - kinds("UserMistake") - kinds("StoreMissing"))
    assert {text: place for text, place in kept.items() if text not in in_catalogue(FAILURES)} == {}


def test_a_word_in_a_failure_exists_in_chinese() -> None:
    said = texts({"Term"})
    assert "the order number" in said
    assert said.keys() - {message.id for message in i18n.catalogue("zh")} == set()


FAILURES = i18n.LOCALE_DIR / "zh" / i18n.FAILURES


def fact(spec: str) -> object:
    """One that is written as a blank asks for."""
    return datetime(2031, 1, 2, tzinfo=UTC) if "%" in spec else 7 if spec else "K-9"


@pytest.mark.parametrize(
    "text", [text for text in in_catalogue(FAILURES) if any(map(str.isalpha, re.sub(r"{.*?}", "", text)))]
)
def test_a_failure_that_was_kept_is_told_as_when_it_happened(text: str) -> None:
    blanks = {name: spec or "" for _, name, spec, _ in Formatter().parse(text) if name is not None}
    failure = OrderHubError(text, **{name: fact(spec) for name, spec in blanks.items()})
    chinese = i18n.translator("zh")
    assert i18n.retold(str(failure), chinese) == failure.told(chinese) != str(failure)


def test_a_failure_within_a_failure_is_told_too() -> None:
    inner = Unreachable("the database does not answer ({kind}); nothing was lost, the work waits", kind="TimeoutError")
    outer = Unreadable("tried {tries} times: {failure}", tries=3, failure=inner)
    told = i18n.retold(str(outer), i18n.translator("zh"))
    assert told == "已试 3 次：数据库没有应答（TimeoutError）；没有丢失任何内容，工作会等着"
    assert i18n.retold(str(outer), i18n.translator("en")) == str(outer)


def test_what_no_failure_says_comes_back_as_it_was() -> None:
    assert i18n.retold("no such SKU here", i18n.translator("zh")) == "no such SKU here"


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
