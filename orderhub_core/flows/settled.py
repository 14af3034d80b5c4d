"""A rulebook against the settings and what the hub has heard of: names that these do not have, and what it asks for
that nobody will measure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from orderhub_core.i18n import Translate
from orderhub_core.rules.actions import NEAREST
from orderhub_core.rules.choices import CARRIER_NAMES
from orderhub_core.rules.dictionary import nearest
from orderhub_core.rules.needs import asked, rules_on
from orderhub_core.rules.tree import Action, Leaf, Op, Rulebook, leaves
from orderhub_core.settings import Settings

NAMING = (Op.IS, Op.AMONG)
"""Of a condition, that its values must be those that there are."""


def unknown(book: Rulebook, settings: Settings, tr: Translate = str) -> list[str]:
    """Each place that no order can be sent to or nobody can tell the load of, and whoever cannot be told, in a sentence
    with the nearest right name. Where the settings have no warehouse, orders are handed over by hand, wherever to."""
    return list(dict.fromkeys([*_asked(book, settings, tr), *_named(book, settings, tr)]))


def unmeasured(book: Rulebook, settings: Settings, tr: Translate = str, *, counted: bool = True) -> list[str]:
    """Rules that ask for the load of a warehouse that takes any number of orders a day, as it has none; for stock,
    where nobody has `counted` any; and for parcels from elsewhere."""
    limits = {one.id: one.orders_per_day for one in settings.warehouses}
    text = tr(
        "rule {rule!r} asks for the load of {name!r}, which has no orders_per_day in the settings: nobody measures it,"
        " and the rule never holds for it unless somebody reports it (`orderhub signals report`)"
    )
    loads = [
        text.format(rule=rule.name, name=field.subject)
        for field, rule in asked(book)
        if field.about == "warehouse" and field.signal == "load" and limits.get(field.subject) == 0
    ]
    text = tr(
        "rules ask for stock ({rules}), and no warehouse has reported any: until one does (`orderhub stock report`,"
        " `orderhub stock ask`) nothing is known of it, and what they ask of it holds for no order"
    )
    rules = [] if counted else rules_on(book, "stock")
    return [*loads, *_elsewhere(book, list(limits), tr), *([text.format(rules=tr(", ").join(rules))] if rules else [])]


def unheard(book: Rulebook, skus: Mapping[str, bool], tr: Translate = str) -> list[str]:
    """Carriers that neither the hub nor the book itself knows, and SKUs that are none of `skus` (with whether one was
    ever a gift), where there are any: they may be misspelt, a sentence each. Nobody is kept from using them."""
    return list(dict.fromkeys([*_carriers(book, tr), *(_skus(book, skus, tr) if skus else ())]))


def _carriers(book: Rulebook, tr: Translate) -> Iterator[str]:
    own = {word.value for word in book.words if word.of == "carrier"}
    text = tr(
        "group {group!r} names the carrier {name!r}, which the hub does not know, and warehouses are told it as it is"
        " written; one of your own goes under [words.carrier]"
    )
    for group, action in _actions(book):
        if action.verb == "carrier" and action.argument not in own.union(CARRIER_NAMES):
            yield text.format(group=group, name=action.argument) + _perhaps(action.argument, CARRIER_NAMES, tr)


def _skus(book: Rulebook, skus: Mapping[str, bool], tr: Translate) -> Iterator[str]:
    text = tr(
        "group {group!r} gives {sku!r}, which stands in none of the latest orders and no warehouse has reported: look"
        " how it is spelt"
    )
    gifts = [sku for sku, given in skus.items() if given]
    for group, action in _actions(book):
        if action.verb == "add_gift" and action.argument not in skus:
            yield text.format(group=group, sku=action.argument) + _perhaps(action.argument, gifts or skus, tr)
    text = tr(
        "rule {rule!r} asks for {sku!r}, which stands in none of the latest orders and no warehouse has reported: look"
        " how it is spelt"
    )
    for rule in (rule for group in book.every_group for rule in group.rules):
        for sku in (str(value) for leaf in leaves(rule.when) if _names_skus(leaf) for value in leaf.values):
            if sku not in skus:
                yield text.format(rule=rule.name, sku=sku) + _perhaps(sku, skus, tr)


def _names_skus(leaf: Leaf) -> bool:
    return leaf.field == "sku" and leaf.op in NAMING


def _perhaps(word: str, names: Iterable[str], tr: Translate) -> str:
    near = nearest(word, names)
    return tr("; {near!r}?").format(near=near) if near else ""


def _elsewhere(book: Rulebook, known: Sequence[str], tr: Translate) -> Iterator[str]:
    """Rules on parcels from warehouses that the settings do not have; where they have none, any may be meant."""
    text = tr(
        "rule {rule!r} asks for parcels from {name!r}, which the settings do not have: none leaves from there, unless"
        " an order's channel names it"
    )
    for rule in (rule for group in book.parcels for rule in group.rules):
        for leaf in leaves(rule.when):
            for name in map(str, leaf.values if leaf.field == "warehouse" and leaf.op in NAMING and known else ()):
                if name not in known:
                    yield text.format(rule=rule.name, name=name) + _instead(name, known, tr)


def _asked(book: Rulebook, settings: Settings, tr: Translate) -> Iterator[str]:
    names = [one.id for one in settings.warehouses]
    for field, rule in asked(book):
        if field.about == "warehouse" and names and field.subject not in names:
            told = tr("rule {rule!r} asks after the warehouse {name!r}, which the settings do not have")
            yield told.format(rule=rule.name, name=field.subject) + _instead(field.subject, names, tr)


def _named(book: Rulebook, settings: Settings, tr: Translate) -> Iterator[str]:
    warehouses, bases, notifiers = (
        [one.id for one in some] for some in (settings.warehouses, settings.bases, settings.notifiers)
    )
    known = {
        "notify": (tr("notifier"), notifiers),
        "work_order": (tr("production base"), [*bases, *([NEAREST] if bases else [])]),
        **({"assign_warehouse": (tr("warehouse"), [*warehouses, NEAREST])} if warehouses else {}),
    }
    for group, action in _actions(book):
        if action.argument == NEAREST and action.verb == "assign_warehouse" and not warehouses:
            yield tr("group {group!r} asks for the nearest warehouse, but the settings have none").format(group=group)
        what, names = known.get(action.verb, ("", [action.argument]))
        if action.argument not in names:
            told = tr("group {group!r} names the {what} {name!r}, which the settings do not have")
            said = told.format(group=group, what=what, name=action.argument)
            own = [one.word for one in book.words if one.of == "warehouse"] if action.verb == "assign_warehouse" else []
            near = _instead(action.argument, [*(name for name in names if name != NEAREST), *own], tr)
            is_word = action.verb == "assign_warehouse" and not action.argument.isascii()
            yield said + near + (tr("; a word for one of them goes under [words.warehouse]") if is_word else "")


def _actions(book: Rulebook) -> Iterator[tuple[str, Action]]:
    for group in book.every_group:
        for action in (*group.otherwise, *(action for rule in group.rules for action in rule.then)):
            yield group.name, action


def _instead(word: str, names: Sequence[str], tr: Translate) -> str:
    return _perhaps(word, names, tr) or tr("; they have {names}").format(names=tr(", ").join(names) or tr("none"))
