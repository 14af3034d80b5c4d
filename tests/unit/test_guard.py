"""Who is let in, asked over ASGI itself: httpx for requests, plain messages for websocket handshakes."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from orderhub_core.entry.console.gate import Gate, same_site
from orderhub_core.entry.console.guard import SESSION_TTL_S, Border, Guard
from orderhub_core.entry.console.headers import Headers
from orderhub_core.entry.console.owners import Owners

HOME = "http://hub.test"
TOKEN = "open sesame & more"


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    """What lies behind the guards: says where it was reached; over a websocket, accepts."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    headers = {"access-control-allow-origin": "*"}
    await HTMLResponse(f"{scope['path']}?{scope['query_string'].decode()}", headers=headers)(scope, receive, send)


def wall(*, token: str = "", app: ASGIApp = inside, secret: str = "s") -> ASGIApp:
    guarded: ASGIApp = Guard(app, apps=["/apps/a", "/apps/b"], origins={HOME}, secret=secret)
    if token:
        guarded = Gate(guarded, token=token, secret=secret, origins={HOME})
    return Headers(Border(guarded, origins={HOME}), origins=frozenset({HOME}))


def visitor(app: ASGIApp, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME, **options)


def knock(app: ASGIApp, path: str, cookies: httpx.Cookies, *, origin: str | None = HOME, host: str = "hub.test") -> str:
    """The answer to a websocket handshake: `websocket.accept` or `websocket.close`."""
    path, _, query = path.partition("?")
    headers = [("host", host), ("cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()))]
    headers += [("origin", origin)] if origin else []
    scope = {
        "type": "websocket",
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    said: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        said.append(message["type"])

    async def shake() -> None:
        await app(scope, receive, send)

    asyncio.run(shake())
    return said[0]


def get(client: httpx.AsyncClient, *paths: str, **options: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        for path in paths:
            answer = await client.get(path, **options)
        return answer

    return asyncio.run(ask())


def post(client: httpx.AsyncClient, path: str, **options: Any) -> httpx.Response:
    return asyncio.run(client.post(path, **options))


CONTROL = "/apps/a/api/kernel/set_ui_element_value"


def test_a_session_belongs_to_the_visitor_who_opened_it_in_that_app() -> None:
    app = wall()
    ann, bob = visitor(app), visitor(app)
    get(ann, "/")
    get(bob, "/")
    assert knock(app, "/apps/a/ws?session_id=s1", ann.cookies) == "websocket.accept"
    assert knock(app, "/apps/a/ws?session_id=s1", bob.cookies) == "websocket.close"
    assert post(bob, CONTROL, headers={"marimo-session-id": "s1"}).status_code == 403
    assert post(ann, CONTROL, headers={"marimo-session-id": "s1"}).status_code == 200
    assert knock(app, "/apps/b/ws?session_id=s1", bob.cookies) == "websocket.accept"


@pytest.mark.parametrize("query", ["session_id=mine&session_id=s1", "session_id=s1&session_id=mine"])
def test_naming_two_sessions_does_not_smuggle_one_in(query: str) -> None:
    app = wall()
    ann, bob = visitor(app), visitor(app)
    get(ann, "/")
    get(bob, "/")
    knock(app, "/apps/a/ws?session_id=s1", ann.cookies)
    assert knock(app, f"/apps/a/ws?{query}", bob.cookies) == "websocket.close"
    assert post(bob, f"{CONTROL}?session_id=mine", headers={"marimo-session-id": "s1"}).status_code == 403


def test_marimo_s_other_handle_on_a_session_is_refused() -> None:
    assert post(visitor(wall()), CONTROL, headers={"marimo-stable-session-id": "x"}).status_code == 403


def test_a_forged_or_missing_cookie_opens_no_session() -> None:
    app = wall()
    ann, stranger = visitor(app), visitor(wall(secret="another"))
    get(ann, "/")
    get(stranger, "/")
    (name,) = [name for name in ann.cookies if "visitor" in name]
    (theirs,) = [value for name, value in stranger.cookies.items() if "visitor" in name]
    forged = {"nothing": "", "another secret": theirs, "changed": "x" + ann.cookies[name]}
    for how, value in forged.items():
        assert knock(app, "/apps/a/ws?session_id=s", httpx.Cookies({name: value})) == "websocket.close", how


def test_visitors_get_different_names_and_keep_them() -> None:
    app = wall()
    ann, bob = visitor(app), visitor(app)
    first, second = get(ann, "/"), get(ann, "/")
    get(bob, "/")
    assert "HttpOnly" in first.headers["set-cookie"] and "SameSite=Lax" in first.headers["set-cookie"]
    assert "visitor" not in second.headers.get("set-cookie", "")
    assert dict(ann.cookies) != dict(bob.cookies)


@pytest.mark.parametrize("origin", ["http://evil.test", "http://hub.test.evil.test", "https://hub.test", "null", None])
def test_a_websocket_from_elsewhere_is_refused(origin: str | None) -> None:
    app = wall()
    ann = visitor(app)
    get(ann, "/")
    assert knock(app, "/apps/a/ws?session_id=s", ann.cookies, origin=origin) == "websocket.close"


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.test"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_request_that_changes_things_must_come_from_here(method: str, headers: dict[str, str]) -> None:
    assert asyncio.run(visitor(wall()).request(method, CONTROL, headers=headers)).status_code == 403


@pytest.mark.parametrize("host", ["evil.test", "hub.test:81", "127.0.0.1", ""])
def test_a_host_that_is_not_ours_is_refused(host: str) -> None:
    app = wall()
    assert get(visitor(app), "/", headers={"host": host}).status_code == 421
    ann = visitor(app)
    get(ann, "/")
    assert knock(app, "/apps/a/ws?session_id=s", ann.cookies, host=host) == "websocket.close"


def test_the_missing_slash_is_added_and_the_question_kept() -> None:
    answer = get(visitor(wall()), "/apps/a?lang=zh&x=%26")
    assert (answer.status_code, answer.headers["location"]) == (307, "/apps/a/?lang=zh&x=%26")


@pytest.mark.parametrize(
    "path", ["api/status/connections", "api/home/workspace_files", "api/export/html", "terminal/ws"]
)
def test_what_no_page_needs_of_marimo_is_not_there(path: str) -> None:
    assert get(visitor(wall()), f"/apps/a/{path}").status_code == 404


def test_pages_carry_the_policy_and_no_permission_for_other_sites() -> None:
    answer = get(visitor(wall()), "/apps/a/", headers={"origin": "http://evil.test"})
    assert answer.headers["content-security-policy"].startswith("default-src 'self'; script-src 'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers


def test_the_language_of_a_page_is_remembered() -> None:
    ann = visitor(wall(), headers={"accept-language": "en"})
    assert "orderhub_lang=zh" in str(get(ann, "/?lang=zh").headers.get_list("set-cookie"))
    assert "orderhub_lang" not in str(get(ann, "/").headers.get_list("set-cookie"))


# -- the access token


def test_the_token_is_asked_for_once_and_leaves_the_address() -> None:
    app = wall(token=TOKEN)
    ann = visitor(app, headers={"accept": "text/html"})
    assert get(ann, "/").status_code == 401
    answer = get(ann, f"/apps/a/?lang=zh&token={httpx.QueryParams({'t': TOKEN})['t'].replace('&', '%26')}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/apps/a/?lang=zh")
    assert get(ann, "/").status_code == 200
    assert knock(app, "/apps/a/ws?session_id=s", ann.cookies) == "websocket.accept"


@pytest.mark.parametrize("shown", ["", "open sesame", TOKEN + "x", "é", TOKEN.upper()])
def test_a_wrong_token_opens_nothing(shown: str) -> None:
    app = wall(token=TOKEN)
    ann = visitor(app, headers={"accept": "text/html"})
    assert post(ann, "/login", data={"token": shown, "next": "/"}).status_code == 401
    assert get(ann, "/", params={"token": shown}).status_code == 401
    assert get(ann, "/apps/a/").status_code == 401
    assert knock(app, "/apps/a/ws?session_id=s", ann.cookies) == "websocket.close"


def test_the_form_leads_back_to_where_one_was_going() -> None:
    ann = visitor(wall(token=TOKEN), headers={"accept": "text/html"})
    assert 'value="/apps/a/?lang=en"' in get(ann, "/apps/a/?lang=en").text
    answer = post(ann, "/login", data={"token": TOKEN, "next": "/apps/a/?lang=en"}, headers={"origin": HOME})
    assert (answer.status_code, answer.headers["location"]) == (303, "/apps/a/?lang=en")
    assert get(ann, "/apps/a/").status_code == 200


def test_a_pass_for_one_token_does_not_fit_another() -> None:
    ann = visitor(wall(token=TOKEN))
    get(ann, "/", params={"token": TOKEN})
    assert get(visitor(wall(token="changed"), cookies=ann.cookies), "/").status_code == 401


@given(st.text())
@example("//evil.test")
@example("/\\evil.test")
@example("\\\\evil.test")
@example("https://evil.test")
def test_no_address_leads_off_the_site(path: str) -> None:
    safe = same_site(path)
    assert safe.startswith("/") and not safe.startswith(("//", "/\\")) and safe.isprintable()


# -- the table of sessions


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_what_nobody_uses_gives_way() -> None:
    clock = Clock()
    owners = Owners(keep_s=10, clock=clock, limit=2)
    assert owners.claim(("/a", "live"), "ann") and owners.claim(("/a", "idle"), "ann")
    with owners.use(("/a", "live")):
        with pytest.raises(OverflowError):
            owners.claim(("/a", "new"), "bob")
        clock.now = 11
        assert owners.claim(("/a", "new"), "bob")
        assert not owners.claim(("/a", "live"), "bob")
    assert not owners.claim(("/a", "live"), "bob"), "marimo may still hold what was in use until now"
    assert len(owners) == 2


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["ann", "bob"]), st.floats(0, 4)), max_size=60))
def test_a_session_never_changes_hands_while_it_may_live(steps: list[tuple[str, str, float]]) -> None:
    clock = Clock()
    owners = Owners(keep_s=10, clock=clock, limit=2)
    last: dict[str, tuple[str, float]] = {}
    for session, who, passed in steps:
        clock.now += passed
        try:
            granted = owners.claim(("/a", session), who)
        except OverflowError:
            continue
        holder, used_at = last.get(session, (who, clock.now))
        assert granted == (holder == who or clock.now - used_at > 10)
        if granted:
            last[session] = (who, clock.now)
        assert len(owners) <= 2


def test_ownership_outlives_marimo_s_own_memory_of_a_session() -> None:
    assert Guard(inside, apps=[], origins=[], secret="s").owners.keep_s > SESSION_TTL_S
