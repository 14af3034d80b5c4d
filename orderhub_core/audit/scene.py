"""Everything a pass looks at: aligned sources, their words understood, their combinations numbered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from orderhub_core.audit.align import Aligned, picked
from orderhub_core.audit.combos import Numbers, combinations
from orderhub_core.audit.fields import Field
from orderhub_core.audit.meanings import Meanings
from orderhub_core.audit.sources import NEVER, Instants, Source
from orderhub_core.audit.verdicts import Story


@dataclass(frozen=True, eq=False)
class Scene:
    sources: Sequence[Source]
    aligned: Aligned
    meanings: Meanings
    fields: Sequence[Field]
    numbers: Numbers
    """Per order the number of its combination of status words."""
    story: Story
    """One column per combination."""
    facts: dict[str, Instants] = field(default_factory=dict)
    """Of the hub's orders, by column, in the order of `aligned`."""

    def at(self, source: int) -> Instants:
        """When a touchpoint updated each order."""
        own = self.sources[source].at
        return np.full(self.aligned.size, NEVER) if own is None else picked(own, self.aligned.rows[source], NEVER)

    def take(self, places: npt.NDArray[np.int64]) -> Scene:
        facts = {name: known[places] for name, known in self.facts.items()}
        return Scene(
            self.sources, self.aligned.take(places), self.meanings, self.fields, self.numbers[places], self.story, facts
        )

    def stories(self) -> Story:
        """One column per order."""
        return self.story.take(self.numbers)


def scene(
    sources: Sequence[Source],
    aligned: Aligned,
    meanings: Meanings,
    fields: Sequence[Field],
    facts: Mapping[str, Instants] | None = None,
) -> Scene:
    """`facts`: instants by column, per row of the population that `aligned` was made with."""
    codes = [
        picked(meanings.codes[place][own.status.codes], aligned.rows[place], 0) for place, own in enumerate(sources)
    ]
    numbers, table = combinations(codes, [len(kinds) for kinds in meanings.kinds])
    known = {} if facts is None or aligned.population is None else dict(facts)
    placed = {name: values_[aligned.population] for name, values_ in known.items()}
    return Scene(sources, aligned, meanings, fields, numbers, meanings.story(table), placed)
