"""What people call warehouses and shops: by their names in the settings, warehouses by the rulebook's words, too."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orderhub_core.errors import UserMistake
from orderhub_core.rules.dictionary import nearest
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Settings
from orderhub_core.store import aside
from orderhub_core.store.base import Store


def warehouses(settings: Settings, book: Rulebook) -> dict[str, str]:
    """From each word that a warehouse is called by to its name in the settings."""
    names = {one.id: one.id for one in settings.warehouses}
    return {one.word: one.value for one in book.words if one.of == "warehouse" and one.value in names} | names


def named(words: Collection[str], known: Mapping[str, str]) -> dict[str, str]:
    """The warehouses that these words mean, of `warehouses`. Raises UserMistake that tells all others, each with the
    nearest right word."""
    if others := [word for word in words if word not in known]:
        told = tuple(f"{word}{_perhaps(word, known)}" for word in sorted(others))
        text = "the settings have no warehouse {told}; they have {known}"
        raise UserMistake(text, told=told, known=tuple(dict.fromkeys(known.values())))
    return {word: known[word] for word in words}


def check_shop(store: Store, settings: Settings, shop: str) -> None:
    """Raises UserMistake for a shop that neither the settings have nor any order is of."""
    known = [one.id for one in settings.shops]
    if shop not in known and shop not in (known := sorted({*known, *aside.shops(store)})):
        text = "there is no shop {shop}; there are {known}"
        raise UserMistake(text, shop=f"{shop}{_perhaps(shop, known)}", known=tuple(known))


def _perhaps(word: str, known: Collection[str]) -> str:
    near = nearest(word, known)
    return f" ({near}?)" if near else ""
