"""The house's parts for notebooks: page frame, tiles, notes, tables, downloads. The only core module that knows marimo.

Every text that is passed in is escaped; what is already an element (chart, table, widget) stays live inside the
page. The look is in notebooks/assets/console.css.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

import marimo as mo
import polars as pl

from orderhub_core import i18n, spreadsheets
from orderhub_core.errors import OrderHubError
from orderhub_core.ui.choice import Choice
from orderhub_core.ui.forms import chosen, confirmed, fields, form, questions, reasoned

__all__ = ["chosen", "confirmed", "fields", "form", "questions", "reasoned"]

LANGUAGE_COOKIE = "orderhub_lang"
_TYPED = re.compile(r"`([^`\n]+)`")
_DOORS = re.compile(r"(?:ws|sse|api/kernel/\w+)$")
"""Below an app: where its page asks for what it shows, first and when something is changed."""
_LINE = "\n"

Tone = Literal["good", "bad", "plain"]
Kind = Literal["info", "good", "warn", "bad"]


def language() -> str:
    """The language of this page: what its address asks for, the last choice, the browser's; else English."""
    request = mo.app_meta().request
    if request is None:
        return "en"
    asked = request.query_params.get("lang", [])
    return i18n.choose(
        asked[-1] if asked else None, request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language")
    )


def asked(name: str) -> list[str]:
    """What the address of this page asks under a name, as `link` has it."""
    request = mo.app_meta().request
    said = [] if request is None else request.query_params.get(name, [])
    return [one for text in said for one in text.split(_LINE)]


def page(title: str, subtitle: str, lang: str, *parts: object) -> mo.Html:
    """A whole page: the way back, the title, the language switch, and the parts one below the other."""
    tr = i18n.translator(lang)
    head = (
        f'<header class="oh-head"><nav class="oh-bar"><a class="oh-back" href="/"><span aria-hidden="true">←</span> '
        f'{escape(tr("OrderHub"))}</a><span class="oh-languages" role="group" aria-label="{escape(tr("Language"))}">'
        f"{_language_links(lang)}</span></nav><h1>{escape(title)}</h1>"
        f'<p class="oh-subtitle">{escape(subtitle)}</p></header>'
    )
    spoken = "zh-CN" if lang == "zh" else "en"
    body = "".join(f'<div class="oh-part">{_html(part)}</div>' for part in parts)
    return mo.Html(f'<main class="oh-page" lang="{spoken}">{head}{body}</main>')


@contextmanager
def readable(title: str, subtitle: str, lang: str, *look: object) -> Iterator[None]:
    """A hub that cannot be read, as what is done inside finds, ends the page with the reason. `look`: what has it read
    again; a clock that is not shown does not tick."""
    try:
        yield
    except OrderHubError as error:
        tr = i18n.translator(lang)
        mo.stop(True, page(title, subtitle, lang, failed(tr("The hub cannot be read: {reason}"), error, tr), *look))


def part(lang: str, *parts: object) -> mo.Html:
    """More of a page, shown by a cell of its own: what changes often must not redraw the rest."""
    body = "".join(f'<div class="oh-part">{_html(part)}</div>' for part in parts)
    return mo.Html(f'<div class="oh-page oh-more" lang="{"zh-CN" if lang == "zh" else "en"}">{body}</div>')


def keyed(parts: Mapping[str, object], of: str = "") -> mo.Html:
    """Buttons and inputs that a key press works, while nobody is typing: it presses the one and enters the other. `of`:
    what they stand for now; one press is taken, and further ones when they stand for something else."""
    cells = "".join(
        f'<div class="oh-cell" data-oh-key="{escape(key.lower())}">{_html(one)}</div>' for key, one in parts.items()
    )
    return mo.Html(f'<div class="oh-keys" data-oh-of="{escape(of)}">{cells}</div>')


def anew(button: object, inputs: object) -> mo.Html:
    """Inputs, and below them a button that has them drawn anew: the first of them is entered then."""
    return mo.Html(f'<div data-oh-anew>{_html(inputs)}<div class="oh-asks">{_html(button)}</div></div>')


def notes(said: Iterable[tuple[str, Kind]]) -> mo.Html:
    """Remarks one below the other."""
    return mo.Html("".join(f'<div class="oh-part">{note(*one).text}</div>' for one in said))


def gauge(done: int, of: int, said: str) -> mo.Html:
    """A bar, and below it how far one is in words."""
    bar = f'<progress value="{done}" max="{max(of, 1)}" aria-label="{escape(said)}"></progress>'
    return mo.Html(f'<div class="oh-gauge">{bar}<div class="oh-kpi-note">{escape(said)}</div></div>')


def timeline(title: str, moments: Iterable[tuple[str, str, str]], nothing: str) -> mo.Html:
    """What happened, oldest first, in a fold: when, what, and who said so."""
    rows = "".join(
        f"<li><time>{escape(when)}</time> <span>{escape(what)}</span> <small>{escape(who)}</small></li>"
        for when, what, who in moments
    )
    return fold(title, mo.Html(f'<ol class="oh-timeline">{rows}</ol>') if rows else nothing)


def fold(title: str, *parts: object, unfolded: bool = True) -> mo.Html:
    """Parts under a heading that hides and shows them."""
    body = "".join(map(_html, parts))
    return mo.Html(
        f'<details class="oh-fold"{" open" if unfolded else ""}><summary>{escape(title)}</summary>{body}</details>'
    )


def section(title: str, *parts: object) -> mo.Html:
    """Parts under a heading of their own. They live as long as it does: marimo forgets an element, and what is done
    with it, that nothing leads to."""
    made = mo.Html(f'<section class="oh-section"><h2>{escape(title)}</h2>{"".join(map(_html, parts))}</section>')
    made.__dict__["parts"] = parts
    return made


def link(text: str, app: str, asked: Mapping[str, Iterable[str]] = {}) -> mo.Html:
    """A way to another app; `asked`: what its address asks for, of each several texts of one line."""
    address = f"/apps/{app}/?{urlencode({name: _LINE.join(some) for name, some in asked.items()})}"
    return mo.Html(f'<p><a href="{escape(address)}">{escape(text)}</a></p>')


def grid(*items: object, min: str = "260px") -> mo.Html:
    """Items side by side, as many in a row as fit when none is narrower than `min`."""
    cells = "".join(f'<div class="oh-cell">{_html(item)}</div>' for item in items)
    return mo.Html(f'<div class="oh-grid" style="--oh-min:{escape(min)}">{cells}</div>')


def kpi(label: str, value: str, note: str = "", tone: Tone = "plain") -> mo.Html:
    """One figure with its name. `tone` colours the note and adds a sign, so that colour is never the only clue."""
    sign = {"good": "✓ ", "bad": "▲ ", "plain": ""}[tone]
    below = f'<div class="oh-kpi-note oh-{tone}">{sign}{_said(note)}</div>' if note else ""
    return mo.Html(
        f'<div class="oh-kpi"><div class="oh-kpi-label">{escape(label)}</div>'
        f'<div class="oh-kpi-value">{escape(value)}</div>{below}</div>'
    )


def kpis(tiles: Iterable[tuple[str, str, str, Tone]], *, min: str = "150px") -> mo.Html:
    """Figures side by side."""
    return grid(*(kpi(*tile) for tile in tiles), min=min)


def note(text: str, kind: Kind = "info") -> mo.Html:
    """A remark in a box; one of several lines keeps them, and what stands below what. A bad one is announced to screen
    readers."""
    role, lines = "alert" if kind == "bad" else "note", " oh-lines" if "\n" in text else ""
    return mo.Html(f'<div class="oh-note oh-note-{kind}{lines}" role="{role}">{_said(text)}</div>')


def failed(text: str, reason: OrderHubError, tr: i18n.Translate) -> mo.Html:
    """A bad note: what cannot be done, and at its `{reason}` why, in the reader's language."""
    return note(text.format(reason=reason.told(tr)), "bad")


class Names(Protocol):
    """As `names.Names`."""

    def rows(self, table: pl.DataFrame, /) -> pl.DataFrame: ...


def table(
    frame: pl.DataFrame,
    names: Names | None = None,
    *,
    page_size: int = 10,
    selection: Any = None,
    wide: Mapping[str, int] = {},
    **options: Any,
) -> mo.ui.table:
    """A table as the house shows it; `options` are marimo's. Enums become text, because its search skips them. With a
    `selection` it is a Choice. `names`: what stands in place of ids; rows that are chosen have the ids. `wide`: columns
    of sentences, which are wrapped, and their widths in pixels."""
    words = frame.with_columns(
        pl.col(name).cast(pl.String)
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.Enum | pl.Categorical)
    )
    house: dict[str, Any] = {
        "page_size": page_size,
        "selection": selection,
        "pagination": frame.height > page_size,
        "show_column_summaries": False,
        "show_data_types": False,
        "show_download": False,
    }
    house |= {"wrapped_columns": list(wide), "column_widths": dict(wide)} if wide else {}
    shown = words if names is None else names.rows(words)
    return (
        mo.ui.table(shown, **(house | options))
        if selection is None
        else Choice(words, shown=shown, **(house | options))
    )


def pickable(frame: pl.DataFrame, act: Callable[[int], None], wide: Mapping[str, int] = {}) -> mo.ui.table:
    """A table of which one row may be chosen; what is done with it is told its place in the frame. `wide`: as of
    `table`."""

    def chosen(_: Any) -> None:
        for place in picked.places:
            act(place)

    picked: Any = table(frame, selection="single", on_change=chosen, wide=wide)
    made: mo.ui.table = picked
    return made


class Listed(Protocol):
    """A table under its title, what it means, and its `file`; where it would be empty, what that means. `kind`: what a
    row stands for; empty where nothing is done with one."""

    @property
    def title(self) -> str: ...
    @property
    def shown(self) -> pl.DataFrame: ...
    @property
    def file(self) -> Callable[[], pl.DataFrame]: ...
    @property
    def kind(self) -> str: ...
    @property
    def note(self) -> str: ...
    @property
    def nothing(self) -> str: ...


def listing(one: Listed, file: str, tr: i18n.Translate, act: Callable[[int], None]) -> mo.Html:
    """A section of it, with its file; what is done with a row that is chosen is told its place."""
    told = [mo.Html(f'<p class="oh-kpi-note">{escape(one.note)}</p>')] if one.note else []
    if one.shown.is_empty():
        return section(one.title, *told, rows(one.shown, one.nothing))
    shown = pickable(one.shown, act) if one.kind else table(one.shown)
    return section(one.title, *told, shown, download_csv(one.file, f"{file}.csv", tr("Download CSV")))


def showing(
    live: dict[str, object], file: str, tr: i18n.Translate, act: Callable[[Any, int], None]
) -> Callable[[Any], mo.Html]:  # fmt: skip
    """Shows what `listing` does, and keeps it `live` under its title; what is done with a row is told the section."""

    def show(one: Any) -> mo.Html:
        made = listing(one, file, tr, lambda row: act(one, row))
        live[one.title] = made
        return made

    return show


def clickable(chart: Any, act: Callable[[Mapping[str, Any]], None]) -> mo.ui.altair_chart:
    """A chart with a selection of its own; what is done with a click is told the values of its fields."""

    def clicked(_: Any) -> None:
        for found in drawn.selections.values():
            values = {name: some[0] for name, some in found.items() if isinstance(some, list) and some}
            if values:
                act(values)

    drawn = mo.ui.altair_chart(chart, chart_selection=False, legend_selection=False, on_change=clicked)
    return drawn


def brushable(chart: Any, act: Callable[[pl.DataFrame], None]) -> mo.ui.altair_chart:
    """A chart of which a region may be chosen; what is done with it is told what of the chart's data lies there: of no
    region any more, nothing. One that is drawn anew often had better carry its data (`charts.theme.carried`)."""
    some = False

    def brushed(found: Any) -> None:
        nonlocal some
        # A chart also tells of the region that nobody has chosen yet, when it is drawn.
        if found.height or some:
            some = bool(found.height)
            act(found)

    return mo.ui.altair_chart(chart, chart_selection="interval", legend_selection=False, on_change=brushed)


def rows(frame: pl.DataFrame, nothing: str, names: Names | None = None) -> mo.Html:
    """A table, or where it would be empty, what that means."""
    return table(frame, names) if frame.height else note(nothing, "good")


def progress(steps: Sequence[Any], title: str) -> Iterable[Any]:
    """The steps, one after the other, while a bar shows how many are done."""
    bar: Iterable[Any] = mo.status.progress_bar(
        steps, title=title, show_rate=False, show_eta=False, remove_on_exit=True
    )
    return bar


def download_csv(frame: pl.DataFrame | Callable[[], pl.DataFrame], filename: str, label: str) -> mo.download:
    """A button that writes the frame as CSV when it is pressed, not before; makes it then, if it is a function."""

    def write() -> bytes:
        return spreadsheets.csv(frame if isinstance(frame, pl.DataFrame) else frame())

    return mo.download(write, filename=filename, mimetype="text/csv", label=label)


def download_text(text: str, filename: str, label: str) -> mo.download:
    """A button that saves a text as a file."""
    return mo.download(text.encode(), filename=filename, mimetype="text/plain", label=label)


def download_xlsx(write: Callable[[], bytes], filename: str, tr: i18n.Translate) -> mo.download:
    """A button that makes a workbook when it is pressed, not before."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return mo.download(write, filename=filename, mimetype=kind, label=tr("Download XLSX"))


def download_pdf(write: Callable[[], bytes], filename: str, tr: i18n.Translate) -> mo.download:
    """A button that makes a page of paper when it is pressed, not before."""
    return mo.download(write, filename=filename, mimetype="application/pdf", label=tr("Download PDF"))


def _said(text: str) -> str:
    """As markup: what stands between backticks is to be typed, and looks like it."""
    return _TYPED.sub(r"<code>\1</code>", escape(text))


def _html(part: object) -> str:
    return f"<p>{escape(part)}</p>" if isinstance(part, str) else mo.as_html(part).text


def _language_links(lang: str) -> str:
    # Whole paths: marimo's <base> points at its assets, so a bare "?lang=" would lead there.
    request = mo.app_meta().request
    here = _DOORS.sub("", str(request.url["path"])) if request else ""
    present = {lang: ' aria-current="true"'}
    return "".join(
        f'<a href="{escape(here)}?lang={code}" lang="{code}" hreflang="{code}"{present.get(code, "")}>{name}</a>'
        for code, name in i18n.LANGUAGES.items()
    )
