"""Files that never change under their address: compressed once per process, cached by the browser for good."""

from __future__ import annotations

import gzip
import mimetypes
from functools import lru_cache
from pathlib import Path

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
COMPRESSED_ALREADY = {".woff2", ".woff", ".png", ".jpg", ".ico", ".gz"}


class Assets:
    """An ASGI application over one folder. Its address must change when its files do."""

    def __init__(self, folder: Path) -> None:
        root = folder.resolve()
        self.files = {f"/{path.relative_to(root).as_posix()}": path for path in root.rglob("*") if path.is_file()}
        self._read = lru_cache(maxsize=None)(self._load)

    def _load(self, name: str, compressed: bool) -> bytes:
        content = self.files[name].read_bytes()
        return gzip.compress(content, 6) if compressed else content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(scope.get("root_path", ""))
        if name not in self.files or scope["method"] not in ("GET", "HEAD"):
            await PlainTextResponse("no such file", 404)(scope, receive, send)
            return
        suffix = self.files[name].suffix
        compressed = suffix not in COMPRESSED_ALREADY and "gzip" in Headers(scope=scope).get("accept-encoding", "")
        content = await to_thread.run_sync(self._read, name, compressed)
        headers = FOREVER | ({"Content-Encoding": "gzip"} if compressed else {})
        media_type = mimetypes.types_map.get(suffix, "application/octet-stream")
        await Response(content, headers=headers, media_type=media_type)(scope, receive, send)
