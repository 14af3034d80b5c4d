"""A spot audit on one page of paper (A4, PDF), in either language.

The page is an SVG that vl-convert turns into PDF; letters come from the fonts of the machine it runs on. Where those
lack Chinese, boxes would be printed in its place, so the page is refused instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import escape

import polars as pl
import vl_convert

from orderhub_core.audit.spot import export, tables, texts
from orderhub_core.audit.spot.book import Book
from orderhub_core.audit.spot.result import Result
from orderhub_core.audit.xml import written
from orderhub_core.charts import theme
from orderhub_core.errors import UserMistake
from orderhub_core.i18n import Translate, is_wide

WIDTH, HEIGHT, MARGIN = 595, 842, 42
"""A4 in points."""
FONT = (
    "Noto Sans CJK SC, Noto Sans SC, Source Han Sans SC, WenQuanYi Micro Hei, PingFang SC, Microsoft YaHei, sans-serif"
)
MOST_DISAGREEMENTS, MOST_WEEKS = 12, 6
LEAST_LEFT = 90
"""Points below which no further disagreement is begun: one may take five lines, and what follows two."""
WEEK_HEADING, WEEK_LINE = 42, 16
"""Points that the weeks take: heading and what is said of those left out; each of them."""
_LATIN_EM = 0.56
"""The width of a letter of the Latin alphabet, on the safe side; Chinese ones are as wide as they are high."""
_PROBES = ("核", "对")


class Page:
    """Lines of text from top to bottom; what is longer than the page is wide goes on in the next line."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = float(MARGIN)

    def text(self, said: str, size: float = 9.5, *, x: float = MARGIN, width: float | None = None,
             bold: bool = False, colour: str = "#1b1d22") -> None:  # fmt: skip
        weight = ' font-weight="bold"' if bold else ""
        for line in wrapped(written(said), size, WIDTH - MARGIN - x if width is None else width):
            self.y += size * 1.45
            self.parts.append(
                f'<text x="{x}" y="{self.y:.1f}" font-size="{size}" fill="{colour}"{weight}>{escape(line)}</text>'
            )

    def row(self, cells: Sequence[str], widths: Sequence[float], size: float = 9.0, *, bold: bool = False) -> None:
        """Cells side by side; the row is as high as the highest."""
        top, lowest, x = self.y, self.y, float(MARGIN)
        for cell, width in zip(cells, widths, strict=True):
            self.y = top
            self.text(cell, size, x=x, width=width - 8, bold=bold)
            lowest, x = max(lowest, self.y), x + width
        self.y = lowest + 2
        self.rule(MARGIN, WIDTH - MARGIN, self.y + 2, "#e2e2dc", 0.5)

    def rule(self, start: float, end: float, y: float, colour: str, width: float) -> None:
        at = f'x1="{start:.1f}" x2="{end:.1f}" y1="{y:.1f}" y2="{y:.1f}"'
        self.parts.append(f'<line {at} stroke="{colour}" stroke-width="{width}"/>')

    def heading(self, said: str) -> None:
        self.y += 9
        self.text(said, 11.5, bold=True)

    def place(self, part: Page) -> None:
        """What was drawn as the beginning of another page, here."""
        down = self.y - MARGIN
        self.parts += [f'<g transform="translate(0 {down:.1f})">', *part.parts, "</g>"]
        self.y = part.y + down

    @property
    def left(self) -> float:
        """Points to the lower margin."""
        return HEIGHT - MARGIN - self.y

    def svg(self) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="{escape(FONT)}">'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>{"".join(self.parts)}</svg>'
        )


def pdf(book: Book, reviews: pl.DataFrame, found: Result, weeks: pl.DataFrame, zone: str, tr: Translate) -> bytes:
    """The page; `found` and `weeks` as `spot.result` works them out.

    Raises UserMistake where this machine has no letters for what stands on it."""
    made = page(book, reviews, found, weeks, zone, tr).svg()
    if any(is_wide(letter) for letter in made) and not letters():
        raise UserMistake("this machine has no Chinese font; on Debian: apt-get install fonts-noto-cjk")
    written: bytes = vl_convert.svg_to_pdf(made)
    return written


def page(book: Book, reviews: pl.DataFrame, found: Result, weeks: pl.DataFrame, zone: str, tr: Translate) -> Page:
    sheet, paper = book.sheet, Page()
    paper.text(tr("Spot audit"), 20, bold=True)
    paper.text(f"{sheet.audit} · {texts.described(sheet, zone, tr)}", colour="#565b66")
    figures = Page()
    _figures(figures, book, reviews, found, weeks, tr)
    _sources(paper, [said for said, _ in texts.sources(sheet, zone, tr)], figures.y - MARGIN + 2 * LEAST_LEFT, tr)
    paper.place(figures)
    if weeks.height > 1:
        _weeks(paper, weeks, tr)
    _disagreements(paper, book, reviews, zone, tr)
    if paper.left > LEAST_LEFT:
        paper.y += 8
        paper.text(tr(texts.HELP), 8, colour="#565b66")
    return paper


def _sources(paper: Page, notes: list[str], least_left: float, tr: Translate) -> None:
    """How the touchpoints were read, as far as there is room beside what must stand on the page."""
    told = 0
    while told < len(notes) and paper.left >= least_left:
        paper.text(shortened(notes[told], 160), colour="#8a5300")
        told += 1
    _more(paper, len(notes) - told, tr)


def _more(paper: Page, left_out: int, tr: Translate) -> None:
    if left_out:
        paper.text(tr("and {n} more: see the workbook").format(n=left_out))


def _figures(paper: Page, book: Book, reviews: pl.DataFrame, found: Result, weeks: pl.DataFrame, tr: Translate) -> None:
    paper.y += 4
    for name, value, note in export.summary(found, book, weeks, tr):
        if note:
            paper.row((name, value, note), (150, 110, 251))
        else:
            paper.row((name, value), (150, 361))
    _confusion(paper, book, reviews, tr)


def _confusion(paper: Page, book: Book, reviews: pl.DataFrame, tr: Translate) -> None:
    table = tables.confusion(book, reviews, tr)
    paper.heading(tr("Machine and people"))
    paper.row(table.columns, (150, 110, 110, 141), bold=True)
    for row in table.iter_rows():
        paper.row([str(cell) for cell in row], (150, 110, 110, 141))


def _weeks(paper: Page, weeks: pl.DataFrame, tr: Translate) -> None:
    """One line per week, the latest ones: its rate and the interval, also drawn, from 0 at the left to 100 % at the
    right."""
    room = int((paper.left - LEAST_LEFT - WEEK_HEADING) // WEEK_LINE)
    if room < 1:
        return
    earlier, weeks = weeks.height - min(room, MOST_WEEKS), weeks.tail(min(room, MOST_WEEKS))
    paper.heading(tr("Week by week"))
    start, width = MARGIN + 300.0, 200.0
    for row, (low, high, rate) in zip(
        tables.weeks(weeks, tr).iter_rows(), weeks.select("low", "high", "rate").iter_rows(), strict=True
    ):
        paper.row([str(cell) for cell in row], (90, 60, 60, 301))
        if rate is not None:
            y = paper.y - 5
            paper.rule(start + low * width, start + high * width, y, theme.QUIET, 2)
            paper.parts.append(f'<circle cx="{start + rate * width:.1f}" cy="{y:.1f}" r="3" fill="{theme.ACCENT}"/>')
    _more(paper, max(0, earlier), tr)


def _disagreements(paper: Page, book: Book, reviews: pl.DataFrame, zone: str, tr: Translate) -> None:
    table = tables.disagreements(book, reviews, zone, tr)
    paper.heading(tr("Where people say otherwise than the machine, or than each other"))
    if table.is_empty():
        paper.text(tr("None."))
        return
    names = [tr("Order number"), tr("Machine's verdict"), tr("People's verdict"), tr("Notes")]
    paper.row(names, (160, 110, 90, 151), bold=True)
    shown = 0
    for row in table.select(names).head(MOST_DISAGREEMENTS).iter_rows():
        if paper.left < LEAST_LEFT:
            break
        paper.row([shortened(cell, 60) for cell in row], (160, 110, 90, 151))
        shown += 1
    _more(paper, table.height - shown, tr)


def shortened(said: str, most: int) -> str:
    """The whole of it stands in the workbook."""
    return said if len(said) <= most else said[: most - 1] + "…"


def wrapped(said: str, size: float, width: float) -> Iterator[str]:
    """Lines no wider than `width` points; broken at blanks and between Chinese letters, else anywhere."""
    line, used = "", 0.0
    for word in _words(said):
        needs = sum(size * (1.0 if is_wide(letter) else _LATIN_EM) for letter in word)
        if line and used + needs > width:
            yield line.rstrip()
            line, used, word = "", 0.0, word.lstrip()
        line, used = line + word, used + needs
    yield line


def _words(said: str) -> Iterator[str]:
    """What must not be broken: Latin words of up to 24 letters with the blank before them, Chinese letters alone."""
    word = ""
    for letter in said:
        if word and (is_wide(letter) or letter == " " or is_wide(word[-1]) or len(word) >= 24):
            yield word
            word = ""
        word += letter
    if word:
        yield word


@lru_cache
def letters() -> bool:
    """Whether Chinese can be printed here: two different letters look different only where a font has them."""
    shapes = {vl_convert.svg_to_png(_probe(letter)) for letter in _PROBES}
    return len(shapes) == len(_PROBES)


def _probe(letter: str) -> str:
    text = f'<text x="2" y="20" font-size="18" font-family="{escape(FONT)}">{letter}</text>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24">{text}</svg>'
