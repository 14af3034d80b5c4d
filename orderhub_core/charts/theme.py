"""The house style of every chart. Import this module before building charts; call `use(language)` in each session.

Altair keeps its active theme, renderer and data transformer in process-wide registries, but a marimo server runs
each visitor's session in a thread of its own, and marimo switches those registries for every chart it shows.
Importing this module makes the active choice a matter of each thread: one visitor's language or transformer
never reaches another's chart.

No text colour is set: marimo draws charts on a transparent ground and flips the text for dark pages itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import altair as alt
from altair.utils.plugin_registry import PluginRegistry
from altair.vegalite.v6.theme import themes

from orderhub_core import i18n

FONT = (
    '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, '
    '"PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans", sans-serif'
)


CATEGORIES = ("#3d6fd9", "#c06c00", "#22a574", "#975e8a", "#9686d1", "#dd2149")
"""Any two are told apart by normal, protan, deutan and tritan eyes; each stands out ≥ 3:1 from light and dark cards."""
GOOD, BAD, QUIET = CATEGORIES[2], CATEGORIES[5], "#8a94a3"
ACCENT = CATEGORIES[0]
RAMP = ("#cfdcf7", "#94b2ec", "#5d8ae0", "#3565c4", "#214690")
"""Light to dark for one measure, e.g. a heatmap."""

DAY_AND_TIME = "%m-%d %H:%M"
"""Of an axis over days."""

CHINESE = {
    "number": {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["¥", ""]},
    "time": {
        "dateTime": "%Y年%-m月%-d日 %A %H:%M:%S",
        "date": "%Y年%-m月%-d日",
        "time": "%H:%M:%S",
        "periods": ["上午", "下午"],
        "days": [f"星期{day}" for day in "日一二三四五六"],
        "shortDays": [f"周{day}" for day in "日一二三四五六"],
        "months": [f"{month}月" for month in range(1, 13)],
        "shortMonths": [f"{month}月" for month in range(1, 13)],
    },
}


def config(language: str) -> alt.theme.ThemeConfig:
    """The Vega-Lite configuration; Chinese pages also get Chinese dates and numbers."""
    style: dict[str, Any] = {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "domain": False,
            "ticks": False,
            "grid": True,
            "gridColor": QUIET,
            "gridOpacity": 0.22,
            "labelFontSize": 12,
            "labelPadding": 6,
            "titleFontSize": 12,
            "titleFontWeight": 400,
            "titlePadding": 10,
        },
        "axisBand": {"grid": False},
        "axisQuantitative": {"tickCount": 5},
        "axisX": {"labelOverlap": "greedy", "labelSeparation": 6},
        "header": {"labelFontSize": 12, "titleFontSize": 12},
        "legend": {
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 400,
            "orient": "top",
            "symbolOpacity": 1,
            "symbolType": "circle",
        },
        "title": {"anchor": "start", "fontSize": 14, "fontWeight": 600, "offset": 12},
        "bar": {"color": ACCENT},
        "line": {"color": ACCENT, "strokeWidth": 2},
        "area": {"color": ACCENT, "fillOpacity": 0.85},
        "point": {"color": ACCENT, "filled": True, "size": 48},
        "rule": {"color": QUIET},
        "range": {"category": list(CATEGORIES), "heatmap": list(RAMP), "ramp": list(RAMP)},
    }
    if language == "zh":
        style["locale"] = CHINESE
    return alt.theme.ThemeConfig({"config": style})  # type: ignore[typeddict-item]  # checked by Vega-Lite's schema in the tests


ABOVE = alt.Axis(
    domain=False, ticks=False, grid=False, labelAlign="left", labelBaseline="bottom", labelPadding=-2, labelLimit=0
)
"""Names above their bars, because phones are narrow. A mark of text would be black on a dark page, too."""


_CARRIED = "marimo_carried"
"""marimo leaves a transformer of that prefix as it is."""


def use(language: str) -> None:
    """Draw this thread's charts in the house style of a language from now on."""
    alt.theme.enable(_name(language))


@contextmanager
def carried() -> Iterator[None]:
    """Charts that marimo takes within this carry their data. Otherwise it makes a file of them, which is gone as soon
    as the chart is drawn anew, maybe before the browser has asked for it."""
    with alt.data_transformers.enable(_CARRIED, max_rows=None):
        yield


def _name(language: str) -> str:
    return f"orderhub-{language if language in i18n.LANGUAGES else 'en'}"


class _Choice(threading.local):
    """What one thread has chosen; every new thread starts from the choice of the process."""

    def __init__(self, **start: Any) -> None:
        for name, value in start.items():
            setattr(self, name, dict(value) if isinstance(value, dict) else value)


def _per_thread(registry: PluginRegistry[Any, Any]) -> None:
    """Turn the registry's active choice into one choice for each thread; what is registered stays shared."""
    names = ("_active", "_active_name", "_options", "_global_settings")
    choice = _Choice(**{name: registry.__dict__.pop(name) for name in names})

    def slot(name: str) -> property:
        return property(lambda _: getattr(choice, name), lambda _, value: setattr(choice, name, value))

    kind = type(registry)
    registry.__class__ = type(f"PerThread{kind.__name__}", (kind,), {name: slot(name) for name in names})


for _language in i18n.LANGUAGES:
    alt.theme.register(_name(_language), enable=False)(lambda language=_language: config(language))
alt.data_transformers.register(_CARRIED, alt.default_data_transformer)
use("en")
alt.renderers.set_embed_options(actions=False)
for _registry in (themes, alt.data_transformers, alt.renderers):
    _per_thread(_registry)
