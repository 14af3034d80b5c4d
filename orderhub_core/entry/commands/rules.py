"""`orderhub rules`: what a rulebook says, and what is wrong or doubtful about it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from orderhub_core import hub, i18n
from orderhub_core.entry.commands import rules_eval, rules_example, rules_lab, rules_versions
from orderhub_core.entry.options import AsJson, InLanguage, Lang, tell
from orderhub_core.errors import OrderHubError, UserMistake
from orderhub_core.flows import settled
from orderhub_core.rules import rulebook
from orderhub_core.rules.check import Finding, check, sentence
from orderhub_core.rules.language import mistakes
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.printing import print_actions, print_rule
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.tree import Group, Rulebook
from orderhub_core.settings import FILE_NAME, load, read_text
from orderhub_core.store import homes, ledger
from orderhub_core.store.home import Home

app = typer.Typer(no_args_is_help=True, help="Rulebooks, and the versions that the hub decides by.")
app.command("eval")(rules_eval.evaluate)
app.command("explain")(rules_eval.explain)
app.command("example")(rules_example.example)
app.add_typer(rules_versions.app)
app.add_typer(rules_lab.app)

MISTAKEN, DOUBTFUL = 2, 1
"""Exit codes: the book cannot be used; it can, and does not do what it says."""


@app.command("check")
def check_file(
    file: Annotated[Path, typer.Argument(help="The rulebook, a TOML file.")],
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it again, all of it in that language; comments are left out."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="The hub that has its names (ORDERHUB_DATA; default ./data)."),
    ] = None,
    lang: InLanguage = Lang.EN,
    as_json: AsJson = False,
) -> None:
    """Read a rulebook aloud: each rule as one line, and all that is wrong with it or doubtful about it.

    Exit code 2 where it cannot be used, and nothing is written; 1 where a rule does not do what it says.
    """
    draft = rulebook.read(read_text(file, "rulebook"))
    tr = i18n.translator(lang.value)
    refused, notes = _held_against(draft.book, data, tr) if _names_are_whole(draft) else ([], [])
    findings = [] if draft.mistakes else check(draft.book)
    answer = _answer(draft, findings, lang.value)
    named = [f"{file}: {sentence}" for sentence in refused]
    shown = (
        "\n".join([rulebook.refusal(file, draft.mistakes, tr), *_notes(notes, tr), *named])
        if draft.mistakes
        else _shown(draft.book, findings, notes, named, lang.value)
    )
    answer |= {"refused": refused, "notes": notes}
    usable = not draft.mistakes and not refused
    if write and usable:
        _write(rulebook.dump(draft.book, lang.value), write)
        answer |= {"written": str(write)}
        shown += "\n" + tr("written to {path}").format(path=write)
    tell(answer, shown, as_json=as_json)
    if not usable:
        raise typer.Exit(MISTAKEN)
    if any(finding.level == "warning" for finding in findings):
        raise typer.Exit(DOUBTFUL)


def _names_are_whole(draft: rulebook.Draft) -> bool:
    """Of a book with mistakes, too, the names in what could be read are looked at, unless one of its own words may be
    among what could not."""
    return not any(one.code == "not_toml" or (one.place or ("",))[0].startswith("words") for one in draft.mistakes)


def _held_against(book: Rulebook, data: Path | None, tr: i18n.Translate) -> tuple[list[str], list[str]]:
    """What the settings do not have, and what to know beside that."""
    folder = hub.home().data if data is None else data
    if data is not None and not data.is_dir():
        raise UserMistake("--data {data}: there is no such folder; give that of a hub, or leave it out", data=data)
    unheard = settled.unheard(book, _skus(hub.home()._replace(data=folder)), tr)
    if not (folder / FILE_NAME).exists():
        told = tr("names of warehouses, bases and notifiers are not looked at: no settings here (--data DIR)")
        return [], [told, *unheard]
    settings = load(folder)
    return settled.unknown(book, settings, tr), [*settled.unmeasured(book, settings, tr), *unheard]


def _skus(home: Home) -> dict[str, bool]:
    """As `ledger.skus`; none where no hub lies there. A database is not asked: it may be far away."""
    if home.database:
        return {}
    try:
        with contextlib.closing(homes.open_store(home)) as store:
            return ledger.skus(store)
    except OrderHubError:
        return {}


def _write(text: str, path: Path) -> None:
    """At once: whoever reads the file meanwhile has the old book or the new one."""
    part = path.resolve().with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path.resolve())
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserMistake("--write {path}: cannot be written ({why})", path=path, why=error.strerror) from None


def _shown(
    book: Rulebook, findings: Sequence[Finding], notes: Sequence[str], refused: Sequence[str], language: Language
) -> str:
    tr, speech = i18n.translator(language), of_book(book)
    rules = sum(len(group.rules) for group in book.every_group)
    told = [
        tr("version {version}, rules: {rules}, groups: {groups}").format(
            rules=rules, groups=len(book.every_group), version=book.version
        )
    ]
    for group in book.every_group:
        how = tr("the first that holds acts") if group.match == "first" else tr("each that holds acts")
        of = tr("of each parcel: {how}").format(how=how) if group in book.parcels else how
        told += ["", f"{group.name} ({of})"]
        told += [f"  {rule.name}: {print_rule(rule, speech, language)}" for rule in group.rules]
        told += _otherwise(group, book, language)
    told += ["", *(_line(finding, book, language) for finding in findings)]
    told += _notes(notes, tr)
    warnings = sum(finding.level == "warning" for finding in findings)
    counted = tr("warnings: {warnings}, notes: {notes}").format(
        warnings=warnings, notes=len(findings) - warnings + len(notes)
    )
    if findings or not refused:
        told.append(counted if findings else tr("no findings"))
    return "\n".join([*told, *refused])


def _notes(notes: Sequence[str], tr: i18n.Translate) -> list[str]:
    return [f"{tr('note')}{tr(': ')}{note}" for note in notes]


def _otherwise(group: Group, book: Rulebook, language: Language) -> list[str]:
    if not group.otherwise:
        return []
    tr = i18n.translator(language)
    return [f"  {tr('otherwise')}: {print_actions(group.otherwise, of_book(book), language)}"]


def _line(finding: Finding, book: Rulebook, language: Language) -> str:
    tr = i18n.translator(language)
    level = tr("warning") if finding.level == "warning" else tr("note")
    place = tr(", ").join(filter(None, (finding.group, finding.rule)))
    told = sentence(finding, of_book(book), language)
    return tr(": ").join(filter(None, (level, place, told)))


def _answer(draft: rulebook.Draft, findings: Sequence[Finding], language: Language) -> dict[str, Any]:
    book, speech, tr = draft.book, of_book(draft.book), i18n.translator(language)
    usable = [] if draft.mistakes else [(group, rule) for group in book.every_group for rule in group.rules]
    return {
        "version": book.version,
        "rules": [
            {"group": group.name, "rule": rule.name, "line": print_rule(rule, speech, language), "note": rule.note}
            for group, rule in usable
        ],
        "mistakes": [
            {
                "code": mistake.code,
                "place": mistake.place,
                "text": mistake.text,
                "column": mistake.column,
                "marked": mistake.text[mistake.start : mistake.end],
                "suggestion": mistake.suggestion,
                "sentence": mistakes.sentence(mistake, tr),
            }
            for mistake in draft.mistakes
        ],
        "findings": [
            {
                "code": finding.code,
                "level": finding.level,
                "group": finding.group,
                "rule": finding.rule,
                "other": finding.other,
                "sentence": sentence(finding, speech, language),
            }
            for finding in findings
        ],
    }
