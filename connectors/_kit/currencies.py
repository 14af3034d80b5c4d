"""Other words for currencies, by what ISO 4217 calls them: two words for one would look like two currencies."""

from __future__ import annotations

ISO = {"RMB": "CNY", "人民币": "CNY", "元": "CNY", "¥": "CNY", "￥": "CNY", "美元": "USD"}


def iso(word: str) -> str:
    """The code, where the word is another one for a currency we know; else the word as it is."""
    return ISO.get(word.upper(), word)
