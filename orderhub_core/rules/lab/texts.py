"""The rule lab in people's words. English here; each language translates it. Money is shown in major units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from orderhub_core.i18n import Named, Tile, Translate, by_id
from orderhub_core.rules.actions import VERBS as _VERBS
from orderhub_core.rules.dictionary import FIELDS as _FIELDS
from orderhub_core.rules.lab.result import Figures
from orderhub_core.rules.lab.thresholds import Threshold
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.printing import of_way, print_condition
from orderhub_core.rules.language.vocabulary import Vocabulary
from orderhub_core.rules.tree import Rulebook

INTRO = (
    "Try a draft of the rulebook on past orders: who goes elsewhere, what it costs, whose gift is lost. Nothing is "
    "changed until you publish."
)
HELP = (
    "Both books decide on the same orders by the function that decides live, on each order as it was when it was paid, "
    "or accepted to be paid later. Stock and room are not asked: an order may want a warehouse that has nothing left. "
    "Addresses, amounts and lines are as they stand now."
)
NO_ORDERS = "No order is paid or accepted yet: connect a shop or import a file, then try rules on them."
WRITE = "Change the draft's text (it is read when you leave the field)"
CLICK = "Click a cell, or choose a row of any table of this page: its orders are listed here below, and why."
NEAR = (
    "Orders within 5 % of an amount or a number, or 30 minutes of a time, for which that threshold decides. Just in: "
    "the rule holds, and would not if the threshold moved a little; just out: the other way round."
)
MANY = "Orders: {n}. Choose one to see why."
MISSED = (
    "Orders paid or accepted, neither refunded nor cancelled, to which the draft's rules give a gift that no line of"
    " theirs has."
)
NONE_MISSED = "No order misses a gift."
OLDER = (
    "The same of orders that were paid or accepted before the rule decided: no version that was active then has it, by"
    " its group and name. Nothing was missed there; it is what the rule would have given."
)
ANY_AGE = "When rules began to decide is not known here: orders that are older than a rule are among them."
READ_ONLY = "This is a copy of a hub: drafts are kept and published in the hub itself."
ASKED = {"version": "Version (empty: the draft's own)", "by": "Who says so", "comment": "Why"}
ACTS = {
    "save": "Save as a draft",
    "shadow": "Save, and let it decide beside the active one; nothing is done of it",
    "publish": "Save and publish: it decides on all new orders",
    "anyway": "Publish although some rule does not do what it says",
}
STEPS = {
    "publish": "Publish it, or go back to it",
    "review": "Say that you have looked at it and agree",
    "shadow": "Let it decide beside the active one",
    "pause": "Pause it",
    "discard": "Throw the draft away",
}
WHY = {"after": "Why, under the draft", "before": "Why, in force"}
FINDINGS = {
    "never_hit": "No order meets it",
    "shadowed": "Others take all its orders",
    "worthless": "Left out, nothing would change",
}
KEPT_AS = {
    "draft": "Draft",
    "reviewed": "Reviewed",
    "shadow": "Shadow",
    "rollout": "Rollout",
    "paused": "Paused",
    "active": "Active",
    "archived": "Archived",
}
RISKS = {"held": "Wait for a person", "queue": "Behind others of their warehouse"}
KINDS = {"added": "Added", "removed": "Removed", "changed": "Changed", "moved": "Moved", "settings": "Setting"}
SPANS = {0: "All orders", 1: "Last 24 hours", 7: "Last 7 days", 30: "Last 30 days"}
OUTCOMES = {"acts": "acts", "passed over": "passed over", "fails": "does not hold", "unknown": "lacks a value"}
NONE, WHOLE, OTHERWISE = "(none)", "(whole)", "otherwise"
OF_PARCELS = (
    "Rules on parcels are not tried here, and no figure has what they say: {rules}. `orderhub rules eval` and `explain`"
    " ask them."
)
BY_PLACE = (
    "Which parcels an order makes that is split by warehouse or stock is settled with the stock of the moment: here"
    " their number and their freight are not known."
)
SAME = "Both say the same, so that nothing can differ: change the draft, or compare it with another version."


def why(order_no: str, draft: Rulebook, force: Rulebook, tr: Translate) -> dict[str, Rulebook]:
    """Two books, by the headings over what each says of one order."""
    return {f"{tr(WHY[side])}{tr(': ')}{order_no}": book for side, book in (("after", draft), ("before", force))}


_NAMED_AS = {"warehouse": "warehouse", "carrier": "carrier", "base": "target", "notifier": "target"}
"""By what an argument is a value of, as `names` has it."""


class Words:
    """What a book's values are called in a language: where people have a name for one, by that."""

    def __init__(self, speech: Vocabulary, language: Language, tr: Translate, names: Named = by_id) -> None:
        self.speech, self.language, self.tr, self._names = speech, language, tr, names

    @property
    def plain(self) -> Words:
        """For files: without these names."""
        return Words(self.speech, self.language, self.tr)

    def verb(self, verb: str) -> str:
        known = _VERBS[verb]
        return known.zh if self.language == "zh" else known.en

    def argument(self, verb: str, argument: str) -> str:
        if not argument:
            return {"priority": "", "split": self.tr(WHOLE)}.get(verb, self.tr(NONE))
        words = self.speech.of_verb(_VERBS[verb]).written[self.language]
        if _VERBS[verb].parcels:
            return of_way(argument, lambda kind: words.get(kind, kind), self.language)
        named = self._names(_NAMED_AS.get(_VERBS[verb].of, ""), argument)
        return words.get(argument, argument) if named == argument else named

    def shops(self, values: pl.Series) -> pl.Series:
        known = {value: self._names("shop", value) for value in values.drop_nulls().unique()}
        return values.replace_strict(known, return_dtype=pl.String) if known else values

    def channels(self, values: pl.Series) -> pl.Series:
        """By the words that conditions have for them."""
        return values.cast(pl.String).replace(dict(self.speech.of_field(_FIELDS["channel"]).written[self.language]))

    def arguments(self, verb: str, values: pl.Series) -> pl.Series:
        """Of a column of arguments."""
        known = {value: self.argument(verb, value) for value in values.unique()}
        return values.replace_strict(known, return_dtype=pl.String) if known else values

    def rule(self, name: str) -> str:
        return self.tr(OTHERWISE) if name == OTHERWISE else name


def tiles(found: Figures, tr: Translate, *, limited: bool = False) -> Iterator[Tile]:
    """The figures that matter first; what nobody can know is left out. `limited`: whether a book limits its gifts."""
    yield tr("Orders compared"), f"{found.orders:,}", tr("{n} change").format(n=f"{found.changed:,}"), "plain"
    yield tr("Go to another warehouse"), f"{found.moved:,}", _share(found.moved, found.orders), "plain"
    gifts = tr("{won} orders get more, {lost} less").format(won=f"{found.gifts_won:,}", lost=f"{found.gifts_lost:,}")
    if limited:
        gifts += " · " + tr("limits of gifts are not counted here: pieces are what orders earn")
    yield tr("Pieces of gifts"), _pair(found.pieces), gifts, "bad" if found.gifts_lost else "plain"
    held = tr("{won} more, {lost} no longer").format(won=f"{found.held_won:,}", lost=f"{found.held_lost:,}")
    yield tr("Wait for a person"), _pair(found.held), held, _worse(found.held)
    if found.parcels:
        yield tr("Parcels"), _pair(found.parcels), "", "plain"
    if found.freight_minor:
        note = tr("{n} orders without a price").format(n=f"{found.unpriced[1]:,}") if any(found.unpriced) else ""
        yield tr("Freight"), _amounts(found.freight_minor), note, "bad" if found.unpriced[1] else "plain"
    if found.hours_over:
        yield tr("Hours over the limit"), _pair(found.hours_over), "", _worse(found.hours_over)
    if found.at_risk:
        yield tr("Promises at risk"), _pair(found.at_risk), "", _worse(found.at_risk)


def _pair(pair: tuple[int, int]) -> str:
    return f"{pair[0]:,} → {pair[1]:,}" if pair[0] != pair[1] else f"{pair[0]:,}"


def _amounts(pair: tuple[int, int]) -> str:
    return f"{pair[0] / 100:,.2f} → {pair[1] / 100:,.2f}"


def _share(some: int, of: int) -> str:
    return f"{some / of:.1%}" if of else ""


def _worse(pair: tuple[int, int]) -> str:
    return "bad" if pair[1] > pair[0] else "good" if pair[1] < pair[0] else "plain"


# -- sliders


def thresholds(known: Sequence[Threshold], words: Words) -> dict[str, Threshold]:
    """To choose from, each by what it says."""
    told: dict[str, Threshold] = {}
    for place, one in enumerate(known):
        name = f"{one.rule}: {print_condition(one.asked, words.speech, words.language)}"
        if len(one.asked.values) > 1:
            name += f" ({words.tr('from') if one.end == 0 else words.tr('to')})"
        told[name if name not in told else f"{name} · {place + 1}"] = one
    return told
