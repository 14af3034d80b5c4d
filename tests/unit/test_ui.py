from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderhub_core import frames, ui
from orderhub_core.entry.console import pages

ROOT = Path(__file__).parents[2]


def test_without_a_page_the_language_is_english() -> None:
    assert ui.language() == "en"


@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    parts = [ui.kpi(text, text, text, "bad"), ui.note(text), ui.section(text, text), ui.page(text, text, "en", text)]
    for part in parts:
        without_ours = re.sub(
            r"</?(?:div|section|main|header|nav|a|span|h1|h2|p|code)(?: [a-z-]+=\"[^\"<>]*\")*>", "", part.text
        )
        assert "<" not in without_ours and ">" not in without_ours


def test_what_is_to_be_typed_looks_like_it() -> None:
    assert "<code>orderhub holds list</code> tells &lt;all&gt;" in ui.note("`orderhub holds list` tells <all>").text
    assert "<code>inbox conflicts</code>" in ui.kpi("a", "1", "see `inbox conflicts`").text
    assert "one ` alone" in ui.note("one ` alone").text


def test_an_element_inside_a_grid_is_kept_as_it_is() -> None:
    assert "<marimo-table" in ui.grid(ui.table(pl.DataFrame({"a": [1]}))).text


def test_enum_columns_can_be_searched() -> None:
    table = ui.table(pl.DataFrame({"headline": ["paid"]}, schema={"headline": frames.HEADLINE}))
    assert table.data.schema == {"headline": pl.String}  # type: ignore[union-attr]  # a polars frame, as given


def test_the_chinese_page_says_so_and_marks_its_switch() -> None:
    text = ui.page("标题", "", "zh").text
    assert '<main class="oh-page" lang="zh-CN">' in text
    assert re.search(r'lang="zh" hreflang="zh" aria-current="true">中文', text)
    assert "订单中枢" in text


@pytest.mark.parametrize("door", ["", "ws", "sse", "api/kernel/instantiate", "api/kernel/set_ui_element_value"])
def test_the_language_switch_leads_to_the_page_whatever_drew_it(door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request = SimpleNamespace(url={"path": f"/apps/rule_lab/{door}"})
    monkeypatch.setattr(ui.mo, "app_meta", lambda: SimpleNamespace(request=request))
    assert re.findall('href="([^"]*lang=[^"]*)"', ui.page("Title", "", "en").text) == [
        "/apps/rule_lab/?lang=en",
        "/apps/rule_lab/?lang=zh",
    ]


def colours(css: str) -> list[str]:
    return re.findall(r"--oh-[a-z]+: #[0-9a-f]{6}", css)


def test_landing_page_and_apps_share_their_colours() -> None:
    apps = (ROOT / "notebooks/assets/console.css").read_text()
    assert colours(apps) == colours((pages.STATIC / "console.css").read_text()) != []


def test_text_colours_are_readable() -> None:
    css = colours((ROOT / "notebooks/assets/console.css").read_text())
    tones = [dict(re.findall(r"(--oh-[a-z]+): (#\w+)", " ".join(css[at::1][:10]))) for at in (0, len(css) // 2)]

    def light(colour: str) -> float:
        channel = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channel)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    for tone in tones:
        for text in ("ink", "soft", "accent", "good", "bad", "warn"):
            for ground in ("ground", "card"):
                high, low = sorted((light(tone[f"--oh-{text}"]), light(tone[f"--oh-{ground}"])), reverse=True)
                assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground, tone)


def test_after_a_refusal_what_was_entered_still_stands_in_the_form() -> None:
    choices, which = {"Save": "save", "Publish": "publish"}, {"version": ("Version", ["v1", "v2"])}
    answer = {"do": "publish", "by": "ann", "version": "v2", "sure": True}

    def standing(came: Any, some: Any = which) -> dict[str, Any]:
        asked = ui.questions("What to do", choices, {"by": "Your name"}, some, came=came)
        return {name: one.value for name, one in asked.items()}

    empty = {"version": None, "do": "save", "by": ""}
    assert standing(()) == empty
    assert standing((("the name is taken", "bad"), answer)) == {"version": "v2", "do": "publish", "by": "ann"}
    assert standing((("done", "good"), answer)) == empty, "the next answer begins anew"
    gone = {"version": ("Version", ["v1"])}
    assert standing((("there is no v2", "bad"), answer), gone)["version"] is None
