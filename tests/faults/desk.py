"""What the hub's own people say in the stateful harness: of versions of the rulebook, of the world outside, of orders
that are held. Every book stands here twice: as its file has it, and in plain Python, which is all that the model knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from talk import BOOK, DAWN, SECOND, Said

from orderhub_core.flows.ops import OPS, TURN_KEY
from orderhub_core.model import Line, RawMessage
from orderhub_core.people import BookAct, BookChange, Keep, Release
from orderhub_core.signals import Measurement, Signal, SignalEnd

# -- books


class Asked(NamedTuple):
    """What a rule may know of an order."""

    sold: Sequence[Line]
    total: int
    storm: int | None
    audience: int | None
    outage: int | None

    @property
    def first(self) -> int | None:
        """The line that a gift for the whole order goes with."""
        return min((line.line_no for line in self.sold), default=None)


class Wish(NamedTuple):
    """What a rule wants done."""

    group: str
    rule: str
    action: str
    argument: str
    quantity: int = 1
    parent: int | None = None


NOTHING = Wish("", "", "", "", 0)
"""What is noted of a shadow that was asked and wanted nothing."""
Wishes = Callable[[Asked], list[Wish]]


class Book(NamedTuple):
    version: str
    wishes: Wishes


def _first(asked: Asked) -> list[Wish]:
    onesies = any(line.category == "连体衣" for line in asked.sold)
    route = ("onesies-south", "guangzhou") if onesies else ("otherwise", "hangzhou")
    wishes = [Wish("routing", route[0], "assign_warehouse", route[1])]
    if asked.total >= 10_000:
        wishes.append(Wish("gifts", "over-100", "add_gift", "GIFT-1", 1, asked.first))
    if ones := [line.line_no for line in asked.sold if line.sku == "ONE"]:
        wishes.append(Wish("gifts", "onesie-bib", "add_gift", "BIB", 1, min(ones)))
        wishes.append(_apart_by_sku(asked))
    return wishes


def _apart_by_sku(asked: Asked) -> Wish:
    """A parcel for each SKU."""
    return Wish("parcels", "apart", "split", "sku", max(1, len({line.sku for line in asked.sold})))


FIRST = Book(BOOK.version, _first)
"""The book of the settings: it speaks until a version is published."""


def _weather(asked: Asked) -> list[Wish]:
    route = ("wet", "xian") if asked.storm else ("otherwise", "ningbo")
    wishes = [Wish("routing", route[0], "assign_warehouse", route[1])]
    if (asked.audience or 0) >= 1_000:
        wishes += [Wish("care", "crowd", "tag", "busy"), Wish("care", "crowd", "priority", "50")]
    if asked.outage:
        wishes.append(Wish("care", "stuck", "hold", "address"))
    return wishes


def _tags(asked: Asked) -> list[Wish]:
    return [Wish("tags", "dear", "tag", "dear")] if asked.total >= 20_000 else []


def _cautious(asked: Asked) -> list[Wish]:
    wishes = [Wish("routing", "otherwise", "assign_warehouse", "guangzhou")]
    if asked.total >= 5_000:
        wishes += [Wish("care", "looked-at", "hold", "review"), Wish("care", "looked-at", "notify", "duty")]
    if any(line.sku == "HOODIE" for line in asked.sold):
        wishes.append(Wish("care", "hoodies", "approve", "boss"))
    return wishes


def _generous(asked: Asked) -> list[Wish]:
    wishes = [Wish("routing", "otherwise", "assign_warehouse", "hangzhou")]
    if asked.total >= 5_000:
        wishes.append(Wish("gifts", "welcome", "add_gift", "FREE-1", 2, asked.first))
    return wishes


def _told(asked: Asked) -> list[Wish]:
    if (asked.audience or 0) >= 1_000:
        return [Wish("news", "crowd", "notify", "studio")]
    return []


def _apart(asked: Asked) -> list[Wish]:
    """Where it is dear, a parcel for each SKU; where it is very dear, all of them wait for a person."""
    wishes = [Wish("routing", "otherwise", "assign_warehouse", "hangzhou")]
    if asked.total >= 5_000:
        wishes.append(Wish("gifts", "welcome", "add_gift", "FREE-1", 2, asked.first))
        wishes.append(_apart_by_sku(asked))
    if asked.total >= 20_000:
        wishes.append(Wish("parcels", "dear", "hold", "review"))
    return wishes


def _routed(warehouse: str, routes: str = "") -> str:
    return f'[[groups]]\nname = "routing"\nmatch = "first"\notherwise = "assign {warehouse}"\n{routes}'


def _rule(name: str, when: str, then: str) -> str:
    return f'[[groups.rules]]\nname = "{name}"\nwhen = "{when}"\nthen = "{then}"\n'


def _all(group: str, *rules: str) -> str:
    return f'[[groups]]\nname = "{group}"\nmatch = "all"\n{"".join(rules)}'


CROWD = "livestream_audience >= 1000"
BODIES: tuple[tuple[Wishes, str], ...] = (
    (_generous, _routed("hangzhou") + _all("gifts", _rule("welcome", "total >= 50", "gift FREE-1 × 2"))),
    (
        _weather,
        _routed("ningbo", _rule("wet", "storm", "assign xian"))
        + _all(
            "care", _rule("crowd", CROWD, "tag busy; priority 50"), _rule("stuck", "courier_outage", "hold address")
        ),
    ),
    (
        _cautious,
        _routed("guangzhou")
        + _all(
            "care",
            _rule("looked-at", "total >= 50", "hold review; notify duty"),
            _rule("hoodies", "sku = HOODIE", "approve boss"),
        ),
    ),
    (
        _apart,
        _routed("hangzhou")
        + _all("gifts", _rule("welcome", "total >= 50", "gift FREE-1 × 2"))
        + _all("parcels", _rule("apart", "total >= 50", "split sku"), _rule("dear", "total >= 200", "hold review")),
    ),
    (_tags, _all("tags", _rule("dear", "total >= 200", "tag dear"))),
    (_told, _all("news", _rule("crowd", CROWD, "notify studio"))),
)
VERSIONS = ("spring", "summer", "autumn")
"""So few that people want different things of one."""
OUTDATED = "winter"
"""Asks for what the hub cannot carry out any more: of such a trial nothing comes. It is never published: all would
wait until somebody mends the hub."""


def _text(version: str, body: str) -> str:
    return f'version = "{version}"\n{body}'


TEXTS = {version: [_text(version, body) for _, body in BODIES] for version in VERSIONS} | {
    OUTDATED: [_text(OUTDATED, _routed("hangzhou") + _all("care", _rule("any", "total >= 0", "hold courier")))]
}
BOOKS = {_text(version, body): Book(version, wishes) for version in VERSIONS for wishes, body in BODIES}
"""By their text; those that can be carried out."""

# -- words

_TRYING: tuple[BookAct, ...] = ("save", "review", "shadow", "rollout", "pause", "discard")
_USING: tuple[BookAct, ...] = (*_TRYING, "publish", "publish", "rollback", "rollback")
ACTS = [*((version, act) for version in VERSIONS for act in _USING), *((OUTDATED, act) for act in _TRYING)]
"""What may be said of which version."""
USES: tuple[BookAct, ...] = ("publish", "publish", "shadow", "rollout")
SHARES = (2_500, 5_000, 9_999)
STAFF = ("ann", "bob")
HINTS = (TURN_KEY, TURN_KEY, TURN_KEY, "", "A1")
"""A word without the right one is passed on to the lane where all of them are said in turn."""


def change(number: int, version: str, act: BookAct, which: int, *, seen: int = 0) -> Said:
    """A word on a version. `seen`: the message that had changed it last."""
    text = TEXTS[version][which % 7 % len(TEXTS[version])] if act == "save" else ""
    share = SHARES[which % 3] if act == "rollout" else 0
    said = BookChange(act, version, STAFF[which % 2], f"comment {which % 5}", text, share, seen)
    return Said(_message(number, "rulebook", said, HINTS[which % 11 % len(HINTS)]), said)


FIELDS = (("storm", "province", "浙江"), ("livestream_audience", "shop", "shop-1"), ("courier_outage", "city", "杭州"))
"""Each with what its reports are about, if not about all orders."""


def signal(number: int, which: int, begin: int, end: int) -> Said:
    """A report that holds from second `begin` on up to second `end`, if that is later: else until further notice."""
    field, of, subject = FIELDS[which % 3]
    amount = (500, 1_000, 20_000)[which // 3 % 3] if field == "livestream_audience" else int(which // 3 % 3 > 0)
    about = (of, subject) if which // 9 % 2 else ("", "")
    until = None if end <= begin else DAWN + end * SECOND
    said = Signal(field, amount, DAWN + begin * SECOND, STAFF[which % 2], until, *about)
    return Said(_message(number, "signal", said, HINTS[which % 11 % len(HINTS)]), said)


def signal_end(number: int, name: str, which: int) -> Said:
    said = SignalEnd(name, STAFF[which % 2])
    return Said(_message(number, "signal_end", said, HINTS[which % 11 % len(HINTS)]), said)


MEASURED = "livestream_audience", "shop", ("shop-1", "shop-2")
"""What the hub measures, of whom."""
HUB = "orderhub"


def measurement(number: int, which: int, begin: int, lasts: int) -> Said:
    """What the hub has measured in second `begin`, and holds for so many seconds if it does not say so again."""
    field, of, subjects = MEASURED
    news = {one: which // (3 * n + 2) % 3 for n, one in enumerate(subjects)}  # another figure, none any more, as before
    rows = tuple((one, (500, 1_000, 20_000)[which // 7 % 3]) for one in subjects if news[one] == 0)
    over = tuple(one for one in subjects if news[one] == 1)
    since = DAWN + begin * SECOND
    said = Measurement(field, of, since, since + lasts * SECOND, HUB, rows, over)
    return Said(_message(number, "measurement", said, HINTS[which % 11 % len(HINTS)]), said)


def release(number: int, shop: str, order_no: str, which: int) -> Said:
    said = Release(shop, order_no, "it is all right", STAFF[which % 2], (0, 0, 2, 1)[which // 2 % 4])
    return Said(_message(number, "release", said, order_no), said)


def keep(number: int, shop: str, order_no: str, which: int) -> Said:
    said = Keep(shop, order_no, "the buyer phoned", STAFF[which % 2])
    return Said(_message(number, "keep", said, order_no), said)


def _message(number: int, kind: str, said: object, hint: str) -> RawMessage:
    return RawMessage(OPS, f"m{number}", kind, msgspec.json.encode(said), hint)
