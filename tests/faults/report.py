"""What a fault harness found. One line per harness in the table of `make faults`; every line names its seed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """`rounds` are kills, cuts or steps. Whatever stands in `broken` breaks a promise, with the seed that shows it."""

    name: str
    seed: int
    rounds: int = 0
    children: int = 0
    """Kills of processes that others have started to write for them."""
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    double_effects: int = 0
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        return not (self.broken or self.lost or self.doubled or self.double_effects)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.rounds} rounds in {self.seconds:.0f} s, seed {self.seed}: {self.acknowledged} "
            f"acknowledged, {self.lost} lost, {self.doubled} doubled, {self.double_effects} double effects"
            + "".join(f"\n  BROKEN {line}" for line in self.broken)
        )
