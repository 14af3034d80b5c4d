"""Small line drawings for the cards of the landing page, as SVG paths in a 24 × 24 field."""

from __future__ import annotations

GLYPHS = {
    "board": "M4 5h16v14H4zM4 10h16M10 10v9",
    "audit": "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 20 20M7.8 10.6l2 2 3.6-3.9",
    "all": "M4 6h9M4 12h9M4 18h9M15.5 6l1.6 1.6L20.5 4M15.5 12l1.6 1.6 3.4-3.6M15.5 18l1.6 1.6 3.4-3.6",
    "surge": "M4 19h16M4 16c3.5 0 4-2 5.5-6.5S12.3 4 14 8s2.5 6 6 6",
    "health": "M3 12h4l2.5-6 4.5 12 2.5-6h4.5",
    "balance": "M12 4v16M8 20h8M5 7h14M5 7l-2.5 6h5zM19 7l-2.5 6h5z",
    "credibility": "M12 3.5 19 6v5.5c0 4.3-2.9 7.3-7 9-4.1-1.7-7-4.7-7-9V6zM8.8 12l2.3 2.3 4.2-4.6",
    "calendar": "M4 6h16v14H4zM4 10h16M8 3v5M16 3v5",
    "order": "M7 4h10v16l-2.5-1.5L12 20l-2.5-1.5L7 20zM10 9h4M10 13h4",
    "parcel": "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
    "example": "M4 5h7v6H4zM4 14h7v6H4zM5.8 8l1.3 1.3 2.4-2.6M15 8h5M15 17h5M13 5v15",
    "rules": "M5 6h6M5 12h10M5 18h4M16 4l3 3-3 3M19 15v5M16.5 17.5h5",
}


def svg(name: str) -> str:
    """Inline markup; a board where the name is not known. Decorative, so hidden from screen readers."""
    path = GLYPHS.get(name, GLYPHS["board"])
    return f'<svg class="glyph" viewBox="0 0 24 24" aria-hidden="true"><path d="{path}"/></svg>'
