"""Forms: what is asked side by side, and a button that does something with the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import marimo as mo

from orderhub_core import i18n
from orderhub_core.ui.choice import Choice

Came = tuple[i18n.Said, Mapping[str, Any]]
"""What was told of an answer, and the answer."""


class Asked(Protocol):
    """A field of a form: a text, or what may be chosen, by what is shown."""

    @property
    def label(self) -> str: ...
    @property
    def options(self) -> Mapping[str, str]: ...
    @property
    def value(self) -> str | None: ...


def fields(asked: Mapping[str, Asked]) -> dict[str, Any]:
    """For `form`."""
    return {
        name: mo.ui.dropdown(dict(one.options), value=one.value, label=one.label, full_width=True)
        if one.options
        else mo.ui.text(label=one.label, full_width=True)
        for name, one in asked.items()
    }


def form(
    fields: Mapping[str, Any],
    label: str,
    act: Callable[[Any], None],
    lacks: Callable[[Any], str] = lambda _: "",
    min: str = "180px",
) -> mo.Html:
    """Fields side by side, as many in a row as fit when none is narrower than `min`, and a button that does something
    with their values, by name, once `lacks` says of them that nothing is missing or wrong."""
    holes = "".join(f'<div class="oh-cell">{{{name}}}</div>' for name in fields)
    parts = mo.Html(f'<div class="oh-grid" style="--oh-min:{min}">{holes}</div>').batch(**fields)

    def wrong(sent: Any) -> str | None:
        return lacks({name: _meant(fields[name], one) for name, one in sent.items()}) or None

    made: mo.Html = parts.form(bordered=False, submit_button_label=label, on_change=act, validate=wrong)
    return made


def _meant(field: Any, sent: Any) -> Any:
    """The value of what the browser sends to be looked at: of a list and of buttons that is what is shown."""
    if isinstance(field, mo.ui.radio):
        return field.options.get(sent)
    if not isinstance(field, mo.ui.dropdown):
        return sent
    return field.options[sent[0]] if sent else None


def confirmed(
    table: mo.ui.table,
    asks: Mapping[str, Any],
    sure: str,
    label: str,
    tr: i18n.Translate,
    act: Callable[[Any], None],
    lacks: Callable[[Any], str] = lambda _: "",
) -> mo.Html:
    """A table, perhaps to choose from, what is asked besides, and a button that does something with `rows`, those
    chosen, and the answers, once `sure` is ticked and `lacks` says of the answers that nothing is missing."""
    cells = "".join(f'<div class="oh-sure">{{{name}}}</div>' for name in (*asks, "sure"))
    parts = mo.Html("{rows}" + cells).batch(rows=table, **asks, sure=mo.ui.checkbox(label=sure))
    return _asking(
        parts, label, tr, act, lambda asked: lacks(asked) or ("" if asked["sure"] else tr("Tick the box first."))
    )


def chosen(
    table: mo.ui.table,
    asks: Mapping[str, Any],
    label: str,
    tr: i18n.Translate,
    act: Callable[[Any], None],
    lacks: Callable[[Any], str],
) -> mo.Html:
    """A table to choose from, what is asked besides, side by side, and a button that does something with `rows`, those
    chosen, and the answers, once `lacks` says that nothing is missing."""
    holes = "".join(f'<div class="oh-cell">{{{name}}}</div>' for name in asks)
    parts = mo.Html(f'{{rows}}<div class="oh-grid oh-asks" style="--oh-min:260px">{holes}</div>').batch(
        rows=table, **asks
    )
    return _asking(parts, label, tr, act, lacks)


def reasoned(
    table: mo.ui.table, fields: Mapping[str, str], label: str, tr: i18n.Translate, act: Callable[[Any], None]
) -> mo.Html:
    """A table to choose from, a text for each of `fields` (name to label), and a button that does something with
    `rows`, those chosen, and the texts, once rows are chosen and the first text is written."""
    first = next(iter(fields))

    def lacks(asked: Any) -> str:
        if not len(asked["rows"]):
            return tr("Choose rows first.")
        return "" if (asked[first] or "").strip() else tr("Give a reason first.")

    holes = "".join(f'<div class="oh-cell">{{{name}}}</div>' for name in fields)
    texts = {name: mo.ui.text(label=said, full_width=True) for name, said in fields.items()}
    parts = mo.Html(f'{{rows}}<div class="oh-grid" style="--oh-min:220px">{holes}</div>').batch(rows=table, **texts)
    return _asking(parts, label, tr, act, lacks)


def _asking(
    parts: Any, label: str, tr: i18n.Translate, act: Callable[[Any], None], lacks: Callable[[Any], str]
) -> mo.Html:
    """A form that acts once nothing is missing, a choice is made from each list, and only on what still is in its
    tables and lists."""
    stale = tr("The table has changed meanwhile. Nothing was done: choose again.")
    tables = {name: one for name, one in parts.items() if isinstance(one, Choice)}
    lists = {name: one for name, one in parts.items() if isinstance(one, mo.ui.dropdown)}

    def lacking(asked: Any) -> str:
        if not all(asked[name] for name in lists):
            return tr("Choose from the list first.")
        gone = any(one.stale(asked[name]) for name, one in tables.items())
        gone = gone or not all(one.options.keys() >= set(asked[name]) for name, one in lists.items())
        return stale if gone else lacks({name: _meant(parts.elements[name], sent) for name, sent in asked.items()})

    def missing(asked: Any) -> str | None:
        told = lacking(asked)
        if told:  # the form says it above its table, which on a phone is out of sight of its button
            mo.status.toast(told, kind="danger")
        return told or None

    def done(asked: Any) -> None:
        # The table may change after it was asked what is missing.
        if any(asking.element[name].missed for name in tables):
            mo.status.toast(stale, kind="danger")
        else:
            act(asked)

    asking: Any = parts.form(
        bordered=False, submit_button_label=label, clear_on_submit=True, validate=missing, on_change=done
    )
    made: mo.Html = asking
    return made


def questions(
    label: str,
    choices: Mapping[str, str],
    words: Mapping[str, str],
    which: Mapping[str, tuple[str, Sequence[str]]] | None = None,
    *,
    came: Came | tuple[()] = (),
) -> dict[str, Any]:
    """For `confirmed`: what to `do`, the first choice unless another is made, what is asked in words, and before them
    lists to choose from: their labels and names. No name is chosen yet. `came`: what came of the answer before this;
    one that was refused still stands there, to be mended."""
    before = came[1] if came and came[0][1] == "bad" else {}
    lists = {
        name: mo.ui.dropdown(list(some), value=_among(some, before.get(name)), label=said, full_width=True)
        for name, (said, some) in (which or {}).items()
    }
    asked = {name: mo.ui.text(before.get(name) or "", label=text, full_width=True) for name, text in words.items()}
    chosen = next((said for said, act in choices.items() if act == before.get("do")), next(iter(choices)))
    return {**lists, "do": mo.ui.radio(dict(choices), value=chosen, label=label), **asked}


def _among(some: Sequence[str], name: str | None) -> str | None:
    return name if name in some else None
