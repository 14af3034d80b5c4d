"""Keyed hashes: a buyer is recognised, and two receivers are compared, without the value standing anywhere.

The key (pepper) comes from ORDERHUB_PEPPER or a file beside the data, never from the source tree. A keyed hash
of a phone number is still personal information; it only cannot be reversed by trying all numbers without the key.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from orderhub_core.errors import UserMistake
from orderhub_core.model import Person

BETWEEN = re.compile(r"(?<=\d)[\W_]+(?=\d)|([\W_]+)")
"""Signs between two numbers, which tell 1-12 from 11-2; or others."""
NOT_DIGITS = re.compile(r"[\s\-()+]")


class Pseudonyms:
    """Raises UserMistake for a key under 16 bytes."""

    def __init__(self, pepper: bytes) -> None:
        if len(pepper) < 16:
            raise UserMistake("ORDERHUB_PEPPER is too short: give it at least 16 characters of randomness")
        key = hashlib.blake2b(pepper, digest_size=32).digest()
        # Copied for every value: setting up a keyed hash costs more than hashing a name.
        self._fresh = {
            purpose: hashlib.blake2b(digest_size=16, key=key, person=purpose.encode())
            for purpose in ("phone", "buyer", "person", "receiver", "address")
        }

    @property
    def fingerprint(self) -> str:
        """Tells one key from another, and says nothing of it."""
        return self.buyer("backup", "which key is it")

    def phone(self, phone: str) -> str:
        """The pseudonym of a full phone number however it is written; empty for a masked or missing one."""
        digits = NOT_DIGITS.sub("", unicodedata.normalize("NFKC", phone))
        if not digits.isdigit() or not 7 <= len(digits) <= 15:
            return ""
        return self._hash("phone", digits.removeprefix("86") if len(digits) == 13 else digits).hex()

    def buyer(self, shop: str, ref: str) -> str:
        """The pseudonym of a channel's buyer id; empty for an empty one."""
        return self._hash("buyer", f"{shop}\0{ref}").hex() if ref else ""

    def person(self, person: Person, note: str = "") -> bytes:
        """Whether two statements name the same receiver and note can be told from this, and nothing else."""
        return self._hash("person", "\0".join((person.name, person.phone, person.address, note)))

    def receiver(self, name: str) -> str:
        """The pseudonym of a receiver's name however it is spaced; empty for a masked or missing one."""
        return self._alike("receiver", name)

    def address(self, address: str) -> str:
        """That of an address, likewise; signs between its parts count where they keep two numbers apart."""
        return self._alike("address", address)

    def _alike(self, purpose: str, value: str) -> str:
        plain = unicodedata.normalize("NFKC", value).casefold()
        told = BETWEEN.sub(lambda signs: "" if signs[1] else "-", plain)
        return self._hash(purpose, told).hex() if told and "*" not in plain else ""

    def _hash(self, purpose: str, value: str) -> bytes:
        digest = self._fresh[purpose].copy()
        digest.update(value.encode())
        return digest.digest()


FILE_NAME = "pepper.key"


def name(env: Mapping[str, str]) -> str:
    """Where the key comes from."""
    return "ORDERHUB_PEPPER" if env.get("ORDERHUB_PEPPER") else FILE_NAME


def is_there(data: Path, env: Mapping[str, str]) -> bool:
    """Whether there is a key, and none need be made."""
    return bool(env.get("ORDERHUB_PEPPER")) or (data / FILE_NAME).exists()


def load(data: Path, env: Mapping[str, str] = os.environ) -> Pseudonyms:
    """The installation's pseudonyms. Without ORDERHUB_PEPPER a key is made once, in a file only its owner can read."""
    if given := env.get("ORDERHUB_PEPPER"):
        return Pseudonyms(given.encode())
    path = data / FILE_NAME
    if not path.exists():
        _make(path)
    return Pseudonyms(path.read_bytes())


def _make(path: Path) -> None:
    """Whole or not at all: of two processes that start together, one makes the key and both read it."""
    fresh = path.with_name(f".pepper-{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(secrets.token_hex(32).encode())
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(fresh)
    fresh.unlink()
