"""Putting the console together."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from urllib.parse import urlsplit

import marimo
import structlog
from anyio import create_task_group, to_thread
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

import orderhub_core
from orderhub_core import charts, i18n
from orderhub_core.entry.console import cards, figures, pages
from orderhub_core.entry.console.assets import Assets
from orderhub_core.entry.console.gate import Gate
from orderhub_core.entry.console.guard import SESSION_TTL_S, Border, Guard
from orderhub_core.entry.console.headers import Headers
from orderhub_core.entry.console.refusal import language
from orderhub_core.entry.metrics import Meters
from orderhub_core.entry.probes import PATHS, Probes
from orderhub_core.entry.web import Probed, forwarded
from orderhub_core.errors import OrderHubError

log = structlog.get_logger()

NOTEBOOKS = Path(orderhub_core.__file__).parents[1] / "notebooks"
MARIMO_URL = f"/_mo/{marimo.__version__}"
"""One copy of marimo's front end for all apps; the version in the address lets browsers keep it for good."""


class Console:
    """Sends webhooks and probes past the guards, everything else through them."""

    def __init__(self, *, hooks: ASGIApp | None, probes: ASGIApp, front: ASGIApp, pages: Starlette) -> None:
        self.hooks, self.probes, self.front, self.pages = hooks, probes, front, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "lifespan":
            await self.pages(scope, receive, send)
        elif scope["type"] == "http" and path in PATHS:
            await self.probes(scope, receive, send)
        elif self.hooks is not None and path.startswith("/hooks/"):
            await self.hooks(scope, receive, send)
        else:
            await self.front(scope, receive, send)


def console(
    *,
    hub: figures.Board,
    hooks: ASGIApp | None,
    origins: set[str],
    secret: str,
    read_only: bool,
    token: str | None,
    notebooks: Path = NOTEBOOKS,
    time_zone: str = "Asia/Shanghai",
    check: Callable[[], None] = lambda: None,
    meters: Meters | None = None,
) -> Console:
    """The console over one hub.

    `origins` are the addresses under which browsers reach it, e.g. `http://127.0.0.1:8800`; requests for any other
    host are refused, except to `hooks`, which gets everything under `/hooks/` as it came. `secret` signs cookies:
    keep it the same across restarts. With a `token`, nobody sees a page without having shown it once, nor metrics
    without showing it each time. `check` raises an OrderHubError while the process is not ready for other reasons than
    its pages. Without `meters` there are no metrics. Raises UserMistake for a notebook whose card cannot be read.
    """
    found = cards.find(notebooks)
    latest = figures.Cached(hub)
    inside = _pages(found, latest, read_only=read_only, time_zone=time_zone)
    guarded: ASGIApp = Guard(inside, apps=[card.url for card in found], origins=origins, secret=secret)
    if token:
        guarded = Gate(guarded, token=token, secret=secret, origins=origins)
    public = {
        f"{MARIMO_URL}/": Assets(Path(marimo.__file__).parent / "_static"),
        f"{pages.static_url()}/": Assets(pages.STATIC),
    }
    front = forwarded(Headers(Border(_Shelf(public, guarded), origins=origins), origins=frozenset(origins)))
    hosts = {urlsplit(origin).netloc for origin in origins}
    probes = Probes(meters, _Ready(latest, check), token=token, hosts=hosts)
    return Console(hooks=hooks, probes=Probed(probes), front=front, pages=inside)


class _Ready:
    """The pages can be shown, and whatever else there is to `check` holds."""

    def __init__(self, latest: figures.Cached, check: Callable[[], None]) -> None:
        self.latest, self.check = latest, check

    def __call__(self) -> None:
        self.check()
        self.latest()


class _Shelf:
    """Public files by the first part of their address; what is not a file goes on."""

    def __init__(self, files: dict[str, Assets], others: ASGIApp) -> None:
        self.files, self.others = files, GZipMiddleware(others, minimum_size=1024, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for start, assets in self.files.items():
            if scope["type"] == "http" and scope["path"].startswith(start):
                await assets({**scope, "root_path": start[:-1]}, receive, send)
                return
        await self.others(scope, receive, send)


class _Known:
    """The apps, and at any other address a page that says that there is none."""

    def __init__(self, urls: Collection[str], apps: ASGIApp) -> None:
        self.urls, self.apps = urls, apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = any(f"{scope['path']}/".startswith(f"{url}/") for url in self.urls)
        if known or scope["type"] != "http":
            await self.apps(scope, receive, send)
            return
        told = pages.missing(language(Request(scope)))
        await HTMLResponse(told, 404, {"Cache-Control": "no-store"})(scope, receive, send)


def _pages(found: list[cards.Card], latest: figures.Cached, *, read_only: bool, time_zone: str) -> Starlette:
    async def landing(request: Request) -> Response:
        shown = await to_thread.run_sync(latest)
        spoken = language(request)
        return HTMLResponse(pages.landing(spoken, found, shown, read_only=read_only, time_zone=time_zone))

    async def live(request: Request) -> Response:
        return JSONResponse(pages.live(language(request), await to_thread.run_sync(latest), time_zone))

    async def icon(_: Request) -> Response:
        return RedirectResponse(f"{pages.static_url()}/mark.svg", 303)

    async def home(_: Request) -> Response:
        return RedirectResponse("/", 303)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with create_task_group() as background:
            background.start_soon(to_thread.run_sync, _warm_up, latest)
            yield

    async def trouble(request: Request, failure: Exception) -> Response:
        told = failure.told(i18n.translator(language(request))) if isinstance(failure, OrderHubError) else ""
        log.error("a page cannot be shown", path=request.url.path, reason=str(failure))
        return PlainTextResponse(told, 503, {"Cache-Control": "no-store"})

    routes = [
        Route("/", landing),
        Route("/figures.json", live),
        Route("/login", home),
        Route("/favicon.ico", icon),
        Route("/apps/{name}/favicon.ico", icon),
        Mount("/", _Known([card.url for card in found], _apps(found))),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={OrderHubError: trouble})


def _apps(found: Collection[cards.Card]) -> ASGIApp:
    builder = marimo.create_asgi_app(quiet=True, include_code=False, session_ttl=SESSION_TTL_S, asset_url=MARIMO_URL)
    for card in found:
        builder = builder.with_app(path=card.url, root=card.file)
    return builder.build()


def _warm_up(latest: figures.Cached) -> None:
    """Do before the first visitor what the first visitor would wait for: read the frames, import the charts."""
    with contextlib.suppress(OrderHubError):
        latest()
    for module in pkgutil.iter_modules(charts.__path__, f"{charts.__name__}."):
        importlib.import_module(module.name)
