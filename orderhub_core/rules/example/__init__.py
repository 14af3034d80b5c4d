"""Rule by example: select orders that a rule should take and others that it should not, and get the shortest rule that
tells them apart."""

from orderhub_core.rules.example.called import Called
from orderhub_core.rules.example.finding import Alike, Candidate, Findings, Overlap, by_example

__all__ = ["Alike", "Called", "Candidate", "Findings", "Overlap", "by_example"]
