from __future__ import annotations

import threading
from itertools import combinations
from typing import Any

import altair as alt
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from orderhub_core import ui
from orderhub_core.charts import theme

LIGHT_CARD, DARK_CARD = "#ffffff", "#1a1d23"

# Machado, Oliveira & Fernandes 2009, severity 1.0, linear RGB.
VISION = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> NDArray[np.float64]:
    channel = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channel <= 0.04045, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    f = np.cbrt(xyz / np.array([0.95047, 1.0, 1.08883]))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    light, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("vision", VISION)
def test_any_two_categories_are_told_apart(vision: str) -> None:
    seen = {colour: lab(VISION[vision] @ linear(colour)) for colour in theme.CATEGORIES}
    distances = {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in combinations(seen, 2)}
    assert min(distances.values()) > 20, distances


@pytest.mark.parametrize("colour", [*theme.CATEGORIES, theme.GOOD, theme.BAD, theme.QUIET])
@pytest.mark.parametrize("card", [LIGHT_CARD, DARK_CARD])
def test_marks_stand_out_from_both_cards(colour: str, card: str) -> None:
    assert contrast(colour, card) >= 3


def spec(language: str) -> Any:
    theme.use(language)
    frame = pl.DataFrame({"at": ["2026-11-11"], "n": [1]})
    return alt.Chart(frame).mark_line().encode(x=alt.X("at:T"), y=alt.Y("n:Q")).to_dict()  # validates


def test_each_thread_speaks_its_own_language() -> None:
    said: dict[int, list[bool]] = {}
    start = threading.Barrier(8)

    def draw(number: int) -> None:
        start.wait()
        said[number] = ["locale" in str(spec("zh" if number % 2 else "en")["config"]) for _ in range(20)]

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {number: [bool(number % 2)] * 20 for number in range(8)}


def test_another_thread_s_transformer_does_not_reach_this_one() -> None:
    before = alt.data_transformers.active, dict(alt.data_transformers.options)

    def switch() -> None:
        alt.data_transformers.enable("default", max_rows=1)
        alt.renderers.enable("json")

    thread = threading.Thread(target=switch)
    thread.start()
    thread.join()
    assert (alt.data_transformers.active, alt.data_transformers.options) == before
    assert alt.renderers.active != "json"


def test_an_unknown_language_gets_english() -> None:
    assert "locale" not in str(spec("fr")["config"])


def test_no_menu_leads_to_an_outside_editor() -> None:
    assert alt.renderers.options["embed_options"] == {"actions": False}


def test_a_picture_that_is_brushed_carries_its_data() -> None:
    """A file of theirs is gone once it is drawn anew."""
    chart = alt.Chart(pl.DataFrame({"x": [1, 2], "y": [3_007, 4]})).mark_point().encode(x="x:Q", y="y:Q")
    with theme.carried():
        picture = ui.brushable(chart, lambda _: None)
    assert "3007" in picture.text
    assert "url" not in picture.text
