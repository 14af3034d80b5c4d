"""The pictures in the documentation, drawn from the lifecycle table so that they cannot disagree with it."""

from __future__ import annotations

import sys
from pathlib import Path

from orderhub_core.lifecycle import GUARDS, INITIAL, TRANSITIONS
from orderhub_core.model import Axis

BEGIN, END = "<!-- lifecycle: drawn from the table by `make diagram` -->", "<!-- /lifecycle -->"


def mermaid(axis: Axis) -> str:
    """One axis as a Mermaid state diagram; guards stand behind their event."""
    lines = ["stateDiagram-v2", f"  [*] --> {INITIAL[axis].value}"]
    for state, edges in TRANSITIONS[axis].items():
        for event, after in edges.items():
            needs = ", ".join(fact for fact, _ in GUARDS.get(event, ()))
            label = event.value.partition(".")[2] + (f" [needs {needs}]" if needs else "")
            lines.append(f"  {state.value} --> {after.value}: {label}")
        if not edges:
            lines.append(f"  {state.value} --> [*]")
    return "\n".join(lines)


def section() -> str:
    """All five axes, as they stand in README between its two marks."""
    parts = [f"**{axis.value}**\n\n```mermaid\n{mermaid(axis)}\n```" for axis in Axis]
    return "\n\n".join([BEGIN, *parts, END])


def redrawn(text: str) -> str:
    """The document with its section drawn anew; unchanged where it has no such section."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    return head + section() + tail if begin and end else text


def main() -> None:
    """Redraw the section in the documents named on the command line."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(redrawn(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
