"""Letters that XML has no way to write: workbooks and the page of paper are XML, and strangers write anything."""

from __future__ import annotations

import re

UNWRITABLE = "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
"""A pattern for Python and Polars (XML 1.0, section 2.2)."""


def written(said: str) -> str:
    """The text without what cannot be written."""
    return re.sub(UNWRITABLE, "", said)
