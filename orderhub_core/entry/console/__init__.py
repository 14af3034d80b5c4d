"""The console: one landing page and the marimo apps behind it, as an ASGI application.

hooks ────────────────────────────────▶ the webhook application, untouched
/healthz /readyz /metrics ────────────▶ probes
everything else ─▶ headers ─▶ border ─▶ assets (public files)
                                    └─▶ gate (access token, if one is set) ─▶ guard (sessions) ─▶ pages, marimo apps
"""

# Before anything that could import the standard library's sqlite3 or parse a notebook.
from orderhub_core import runtime

# isort: split
from orderhub_core.entry.console.app import console
from orderhub_core.entry.web import run

__all__ = ["console", "run", "runtime"]
