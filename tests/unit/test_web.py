"""What every web process of the hub shares."""

import asyncio

import pytest

from orderhub_core.entry.web import forwarded

SAID = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"203.0.113.9")]


@pytest.mark.parametrize(
    ("trusted", "comes_from", "seen"),
    [
        (None, "127.0.0.1", ("https", "203.0.113.9")),
        (None, "198.51.100.7", ("http", "198.51.100.7")),
        ("198.51.100.7", "198.51.100.7", ("https", "203.0.113.9")),
    ],
)
def test_only_a_proxy_that_is_trusted_says_how_a_visitor_came(monkeypatch, trusted, comes_from, seen):
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if trusted:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    told = []

    async def app(scope, receive, send):
        told.append((scope["scheme"], scope["client"][0]))

    asyncio.run(
        forwarded(app)({"type": "http", "scheme": "http", "client": (comes_from, 1), "headers": SAID}, None, None)
    )
    assert told == [seen]
