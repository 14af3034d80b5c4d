"""The console's own pages: landing page and sign-in form. Values in, HTML out; every value is escaped here."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from html import escape
from pathlib import Path
from string import Template
from zoneinfo import ZoneInfo

from orderhub_core import i18n
from orderhub_core.entry.console.cards import Card
from orderhub_core.entry.console.figures import QUEUE, Figures
from orderhub_core.entry.console.glyphs import svg

HERE = Path(__file__).parent
STATIC = HERE / "static"


@lru_cache
def static_url() -> str:
    """Where the pages' own files lie: an address that changes with their content."""
    content = b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()) if path.is_file())
    return f"/_oh/{hashlib.sha256(content).hexdigest()[:12]}"


@lru_cache
def _template(name: str) -> Template:
    return Template((HERE / "templates" / f"{name}.html").read_text(encoding="utf-8"))


def _page(name: str, language: str, title: str = "", **values: str) -> str:
    """Fill a template; `values` are HTML already. Texts between {braces} in it are looked up in the catalogue, and so
    is the `title`, which stands before the product's name."""
    tr = i18n.translator(language)
    common = {"lang": "zh-CN" if language == "zh" else "en", "static": static_url(), "product": escape(tr("OrderHub"))}
    whole = f"{escape(tr(title))} · {common['product']}" if title else common["product"]
    head = _template("head").substitute(common, title=whole)
    filled = _template(name).substitute(common | values, head=head)
    parts = filled.split("{{")
    return parts[0] + "".join(escape(tr(text)) + rest for text, _, rest in (part.partition("}}") for part in parts[1:]))


def clock(at: int, language: str, time_zone: str) -> tuple[str, str]:
    """An instant for machines and for people: ISO 8601, and the wall clock of the zone in which people work."""
    moment = dt.datetime.fromtimestamp(at // 1_000_000, dt.UTC).astimezone(ZoneInfo(time_zone))
    shown = (
        f"{moment:%Y}年{moment.month}月{moment.day}日 {moment:%H:%M}"
        if language == "zh"
        else f"{moment:%d %b %Y, %H:%M}"
    )
    return moment.isoformat(), shown


FIND, HEALTH = "order", "health"
"""Apps that the landing page leads to by more than their cards, where they are there."""


def landing(language: str, cards: Iterable[Card], figures: Figures, *, read_only: bool, time_zone: str) -> str:
    tr = i18n.translator(language)
    machine, shown = clock(figures.as_of, language, time_zone)
    cards = list(cards)
    urls = {card.name: card.url for card in cards}
    return _page(
        "landing",
        language,
        languages=language_links(language),
        badge=f'<span class="badge">{escape(tr("Read only"))}</span>' if read_only else "",
        as_of=f'<time datetime="{machine}" data-live="as_of">{shown}</time>',
        counts="".join(
            _count(tr(label), label, value, urls.get(HEALTH) if label in QUEUE else None)
            for label, value in figures.counts.items()
        ),
        find=_find(tr, urls[FIND]) if FIND in urls else "",
        shares="".join(_share(n, value) for n, value in enumerate(figures.stages.values())),
        stages="".join(_stage(tr(stage), n, value) for n, (stage, value) in enumerate(figures.stages.items())),
        cards="".join(_card(tr, card) for card in cards),
    )


def live(language: str, figures: Figures, time_zone: str) -> dict[str, dict[str, str] | list[int] | str]:
    """What the landing page's script puts in place of the first figures."""
    return {
        "as_of": clock(figures.as_of, language, time_zone)[1],
        "counts": {label: f"{value:,}" for label, value in figures.counts.items()},
        "stages": list(figures.stages.values()),
    }


def login(language: str, *, after: str, wrong: bool) -> str:
    tr = i18n.translator(language)
    message = f'<p class="wrong" role="alert">{escape(tr("That token is not right."))}</p>' if wrong else ""
    return _page("login", language, "Sign in", after=escape(after), message=message)


def missing(language: str) -> str:
    return _page("missing", language, "There is no such page")


def language_links(language: str) -> str:
    """One link for each language, in that language; the present one is marked."""
    present = {language: ' aria-current="true"'}
    return "".join(
        f'<a href="?lang={code}" lang="{code}" hreflang="{code}"{present.get(code, "")}>{name}</a>'
        for code, name in i18n.LANGUAGES.items()
    )


def _count(label: str, key: str, value: int, url: str | None) -> str:
    """`url`: where more is told of it."""
    told = escape(label) if url is None else f'<a href="{escape(url)}/">{escape(label)}</a>'
    return f'<div class="count"><dt>{told}</dt><dd data-live="{escape(key)}">{value:,}</dd></div>'


def _find(tr: i18n.Translate, url: str) -> str:
    """Where a number is typed that somebody is asked about."""
    return (
        f'<form class="find" role="search" action="{escape(url)}/"><label for="order">'
        f'{escape(tr("Order number or tracking number"))}</label><span><input id="order" name="order" type="search"'
        f' required autocomplete="off" maxlength="200"><button>{escape(tr("Look"))}</button></span></form>'
    )


def _share(n: int, value: int) -> str:
    return f'<i class="stage-{n}" style="--orders:{value}"></i>'


def _stage(label: str, n: int, value: int) -> str:
    return f'<li class="stage-{n}"><span>{escape(label)}</span><b>{value:,}</b></li>'


def _card(tr: i18n.Translate, card: Card) -> str:
    return (
        f'<li><a class="card" href="{escape(card.url)}/">{svg(card.glyph)}<h2>{escape(tr(card.title))}</h2>'
        f"<p>{escape(tr(card.description))}</p></a></li>"
    )
