"""What the document of the rules shows can be used as it stands, and it leaves nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rule_lines import read_line

from orderhub_core import i18n
from orderhub_core.rules import rulebook
from orderhub_core.rules.actions import HOLDS, VERBS
from orderhub_core.rules.check import check
from orderhub_core.rules.dictionary import FIELDS, MEASURED
from orderhub_core.rules.language import mistakes
from orderhub_core.rules.language.operators import OPERATORS
from orderhub_core.rules.language.vocabulary import vocabulary
from orderhub_core.rules.tree import Word

DOCS = Path(__file__).parents[2] / "docs"
SPEECH = vocabulary([Word("warehouse", "杭州仓", "hangzhou")])
NAMES = ["rules.md", "rules.zh-CN.md"]


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text(name), re.DOTALL)


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_shown_can_be_read(name: str) -> None:
    lines = [line for block in blocks(name, "rules") for line in block.splitlines()]
    assert len(lines) >= 20
    for line in lines:
        assert (told := mistakes.told(read_line(line, SPEECH).mistakes, i18n.translator("en"))) == "", told


def test_one_rule_in_two_languages_is_one_tree() -> None:
    chinese, english = blocks("rules.md", "rules")[0].splitlines()
    assert read_line(chinese, SPEECH) == read_line(english, SPEECH)


@pytest.mark.parametrize("name", NAMES)
def test_the_book_shown_is_without_fault(name: str) -> None:
    (book,) = blocks(name, "toml")
    draft = rulebook.read(book)
    assert (draft.mistakes, check(draft.book)) == ((), [])


@pytest.mark.parametrize(("name", "language"), list(zip(NAMES, ("en", "zh"), strict=True)))
def test_every_field_action_and_hold_is_listed_with_what_it_means(name: str, language: str) -> None:
    tr = i18n.translator(language)
    told = [(field.name, field.zh, field.doc) for field in (*FIELDS.values(), *MEASURED.values())]
    told += [(verb.en, verb.zh, verb.doc) for verb in VERBS.values()]
    told += [(kind, hold.zh, hold.doc) for kind, hold in HOLDS.items()]
    rows = [row for row in text(name).splitlines() if row.startswith("|")]
    for english, chinese, doc in told:
        assert any(f"`{english}`" in row and chinese in row and tr(doc) in row for row in rows), english
        assert language == "en" or tr(doc) != doc


@pytest.mark.parametrize("name", NAMES)
def test_every_operator_is_listed(name: str) -> None:
    for spoken in OPERATORS.values():
        assert spoken.en[0] in text(name)
        assert spoken.zh[0] in text(name)


def test_both_languages_show_the_same_rules() -> None:
    shown = [[line for block in blocks(name, "rules") for line in block.splitlines()] for name in NAMES]
    english, chinese = ([read_line(line, SPEECH) for line in lines] for lines in shown)
    assert english == chinese


@pytest.mark.parametrize("name", NAMES)
def test_there_are_ten_recipes(name: str) -> None:
    assert len(re.findall(r"^### \d+\. ", text(name), re.MULTILINE)) == 10
