"""Rule by example in people's words. English here; each language translates it."""

from __future__ import annotations

INTRO = "Mark orders that a rule should take and orders that it should not: the shortest rules that tell them apart."
HELP = (
    "A rule is found from a few orders of each kind; mark those that show the difference. Orders that it also takes are"
    " listed: mark the wrong ones, and it is looked for again. Orders are as they were when they were paid, or"
    " accepted to be paid later: warehouse, carrier and parcels were not known then. What orders are marked as is"
    " forgotten when this page is closed."
)
ONLY = "Only orders for which this holds (as in a rule: total >= 299; empty: all)"
FOUND = "Orders: {n}. Drag over the picture to list only some; choose, say what they are, and mark them."
FIRST = (
    "Orders: {n}, of which the newest {most} are shown; others are found by a condition, or by their numbers. Drag over"
    " the picture to list only some."
)
NUMBERS = "More order numbers (with commas between)"
ACTS = {"yes": "The rule should take them", "no": "It should not take them", "forget": "They are no examples"}
NOT_YET = "Mark at least one order of each kind: {should} should be taken so far, {should_not} should not."
ELSEWHERE = "{n} marked orders were paid or accepted outside this period and are left out."
NO_RULE = "Nothing is known of the orders that the rule should take: no rule can be made of it."
NONE_SEPARATES = "None of these rules tells the marked orders apart."
BLIND = "What overlaps with the rules of this book is not known: {reason}"
NO_LOOK = "No marked order is wrong, and no other one would tell the rules apart."
WHO = "Write who says so."
TAKEN = "There is a version {version} already: choose it above to go on with it, or give another name."
READ_ONLY = "This is a copy of a hub: save the draft as a file, and put it in at the hub's rule lab."
TRY = "In the rule lab it is the draft to begin with: try it there on past orders, and publish it."
REASONS = {
    "missed": "It should be taken, and is not",
    "wrongly": "It is taken, and should not be",
    "undecided": "The first rule says otherwise of it: marking it decides",
    "nearest": "It is taken, not marked, and much like one that should not be",
}
"""Why an order is worth a look; the first that holds counts."""
