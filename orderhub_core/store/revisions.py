"""Which schema this version works on."""

from __future__ import annotations

REVISIONS = {"inbox": "inbox_0004", "hub": "hub_0023"}
"""The newest migration of each part."""
