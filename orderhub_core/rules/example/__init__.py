"""Rule by example: select orders that a rule should take and others that it should not, and get the shortest rule that
tells them apart."""

from orderhub_core.rules.example.finding import Alike, Candidate, Findings, Overlap, by_example

__all__ = ["Alike", "Candidate", "Findings", "Overlap", "by_example"]
