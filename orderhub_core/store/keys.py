"""Under which key a hub knows people: under another it would know nobody again, and give each what they had once more.

The key itself never lies in the hub; its fingerprint does, from the first use on.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from orderhub_core import pseudonym
from orderhub_core.errors import UserMistake
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.store import homes, statements
from orderhub_core.store.base import Store
from orderhub_core.store.homes import Home

PURPOSE = "pseudonyms"
KNOWS_SOMEBODY = "SELECT 1 FROM orders WHERE buyer_key <> '' LIMIT 1"
Key = Callable[[Store, Path, Mapping[str, str]], Pseudonyms]


def fingerprint(store: Store) -> str:
    """That of the hub's key; empty where it has used none yet."""
    rows = store.query("hub", "SELECT fingerprint FROM keys WHERE purpose = ?", (PURPOSE,))
    return str(rows[0][0]) if rows else ""


def adopt(store: Store, found: str) -> None:
    """Of several that adopt one at once, one is heard."""
    with store.transaction("hub") as cursor:
        cursor.execute(store.sql(statements.insert_new("keys")), (PURPOSE, found))


def renew(home: Home, env: Mapping[str, str]) -> None:
    """Go on under whatever key there is, or a new one."""
    with contextlib.closing(homes.open_store(home._replace(inbox=""))) as store:
        with store.transaction("hub") as cursor:
            cursor.execute(store.sql("DELETE FROM keys WHERE purpose = ?"), (PURPOSE,))
        adopt(store, pseudonym.load(home.data, env).fingerprint)


def doubt(store: Store, data: Path, env: Mapping[str, str]) -> UserMistake | None:
    """What is wrong with the key that there is, or is not. A hub that has never told its key may know people all the
    same: from before it kept any, or from a backup of then."""
    known = fingerprint(store)
    if not known and (pseudonym.is_there(data, env) or not store.query("hub", KNOWS_SOMEBODY)):
        return None
    if not pseudonym.is_there(data, env):
        return UserMistake(
            "the hub in {data} knows its buyers under a key that is not here: set ORDERHUB_PEPPER as it was, or put its"
            " pepper.key back. If it is lost for good, `orderhub db init --new-key` goes on under another, and no buyer"
            " is known again",
            data=data,
        )
    if pseudonym.load(data, env).fingerprint != known:
        return UserMistake(
            "{name} is not the key under which the hub in {data} knows its buyers: put that one back. If it is lost for"
            " good, `orderhub db init --new-key` goes on under this one, and no buyer is known again",
            name=pseudonym.name(env),
            data=data,
        )
    return None


def kept(store: Store, data: Path, env: Mapping[str, str]) -> Pseudonyms:
    """The hub's pseudonyms, to stay: one that has used none yet adopts the key that it finds, or a new one. Raises
    UserMistake for another key than its own, or none."""
    if not fingerprint(store) and not doubt(store, data, env):
        adopt(store, pseudonym.load(data, env).fingerprint)
    return passing(store, data, env)


def passing(store: Store, data: Path, env: Mapping[str, str]) -> Pseudonyms:
    """As `kept`, for who writes nothing: where there is no key yet, it is one that goes again."""
    if wrong := doubt(store, data, env):
        raise wrong
    return pseudonym.load(data, env) if pseudonym.is_there(data, env) else Pseudonyms(secrets.token_bytes(32))
