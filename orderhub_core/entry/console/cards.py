"""The notebooks that make up the console, found by looking into their folder. A new notebook is one new file.

What its card on the landing page says stands in the notebook's own script header, in English (Chinese comes from
the catalogues like every other text):

    # /// script
    # [tool.orderhub]
    # title = "Spot audit"
    # description = "Draw a sample and compare every touchpoint with the log."
    # glyph = "audit"      # one of the drawings in glyphs.py; left out: a plain board
    # position = 1         # order of the cards; left out: last
    # ///
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from orderhub_core.errors import UserMistake

HEADER = re.compile(r"(?m)^# /// script$\s(?P<body>(^#(| .*)$\s)+)^# ///$")


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str = ""
    description: str = ""
    glyph: str = "board"
    position: int = 99
    name: str = ""
    file: str = ""

    @property
    def url(self) -> str:
        """Where the app is mounted; without the closing slash."""
        return f"/apps/{self.name}"


def read(notebook: Path) -> Card:
    """The card of one notebook; its file name in words where the header says nothing. Raises UserMistake."""
    header = HEADER.search(notebook.read_text(encoding="utf-8"))
    said: dict[str, object] = {}
    if header:
        body = "\n".join(line[2:] for line in header["body"].splitlines())
        try:
            said = tomllib.loads(body).get("tool", {}).get("orderhub", {})
        except tomllib.TOMLDecodeError as error:
            raise UserMistake(
                "{notebook}: the script header is not TOML ({error})", notebook=notebook, error=error
            ) from None
    place = {"name": notebook.stem, "file": str(notebook)}
    try:
        return msgspec.convert({"title": notebook.stem.replace("_", " ").capitalize()} | said | place, Card)
    except msgspec.ValidationError as error:
        raise UserMistake(
            "{notebook}: [tool.orderhub] in the script header: {error}", notebook=notebook, error=error
        ) from None


def find(folder: Path) -> list[Card]:
    """Every notebook of the folder, in the order of their cards."""
    notebooks = (path for path in folder.glob("*.py") if not path.name.startswith("_"))
    return sorted((read(path) for path in notebooks), key=lambda card: (card.position, card.name))
