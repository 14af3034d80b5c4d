"""Random rules, of every form that the language has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from orderhub_core.rules.actions import VERBS
from orderhub_core.rules.dictionary import FIELDS, MEASURED, Kind, of_subject
from orderhub_core.rules.language.operators import FITTING
from orderhub_core.rules.of_parcels import VERBS as MARKS
from orderhub_core.rules.tree import Action, Either, Every, Group, Leaf, Lines, Not, Op, Rule, Rulebook, Word

OWN = (
    Word("warehouse", "杭州仓", "hangzhou"),
    Word("warehouse", "主仓", "hangzhou"),
    Word("warehouse", "guangzhou", "gz-2"),
    Word("channel", "视频号", "wechat_channels"),
    Word("tag", "加急", "urgent order"),
    Word("sku", "福袋", "GIFT-01"),
)
TRICKY = (
    *("且", "或", "not", "to", "always", "x", "×", "是", "含", "->", "a->b", "→", "=", "2026-11-01 20:00", "杭州仓"),
    *('say "so"', "back\\slash", "two words", "（全角）", "a,b", "a、b", "line\nbreak", "tab\t", "“弯”", " ", "-"),
    *("guangzhou", "广东", "GIFT-01", "福袋", "hangzhou", "20:00", "¥299", "299.00", "yes", "\x7f", "\u2028", "'"),
    *("\ufeff", "ｘ", "!=", "2026-11-01"),
)
texts = st.sampled_from(TRICKY) | st.text(min_size=1, max_size=6)
zones = st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-3, minutes=-30))])
instants = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=zones)
whole = st.integers(-(2**63) + 1, 2**63 - 1) | st.integers(-200, 200_000)


def values(field):
    match field.kind:
        case Kind.TEXT:
            return texts
        case Kind.CHOICE:
            return st.sampled_from(sorted({*field.words.values(), *(w.value for w in OWN if w.of == field.name)}))
        case Kind.NUMBER | Kind.MONEY:
            return whole
        case Kind.INSTANT:
            return instants
        case Kind.TIME_OF_DAY:
            return st.integers(0, 1439)
        case Kind.FLAG:
            return st.booleans()


def asked(field, op):
    one = values(field)
    if op in (Op.IS_KNOWN, Op.IS_MISSING):
        return st.just(())
    if op in (Op.AMONG, Op.NOT_AMONG):
        return st.lists(one, min_size=1, max_size=3).map(tuple)
    if op is not Op.WITHIN:
        return one.map(lambda value: (value,))
    if field.kind is Kind.TIME_OF_DAY:
        return st.tuples(one, st.integers(0, 1440)).filter(lambda ends: ends[0] != ends[1])
    return st.tuples(one, one).filter(lambda ends: ends[0] != ends[1]).map(lambda ends: tuple(sorted(ends)))


@st.composite
def leaves(draw, level=None):
    told = [of_subject(field, draw(texts)) for field in MEASURED.values()] if level in (None, "signal") else []
    known = [one for one in FIELDS.values() if one.level == level or (level is None and one.level != "parcel")]
    field = draw(st.sampled_from([*known, *told]))
    op = draw(st.sampled_from(FITTING[field.kind]))
    return Leaf(field.name, op, draw(asked(field, op)))


def joined(parts):
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return several.map(Every) | several.map(Either) | parts.map(Not)


of_lines = st.recursive(leaves("line") | st.just(Every()), joined, max_leaves=4)
conditions = st.recursive(
    leaves() | st.builds(Lines, st.sampled_from(["some", "every", "no"]), of_lines) | st.just(Every()),
    joined,
    max_leaves=8,
)


of_parcels = st.recursive(leaves() | leaves("parcel") | st.just(Every()), joined, max_leaves=5)
splits = st.just("never") | st.builds(
    lambda kind, most: f"{kind} at most {most}" if most else kind,
    st.sampled_from(["category", "sku", "warehouse", "stock"]),
    st.none() | st.integers(2, 10),
)


@st.composite
def actions(draw, verbs=tuple(VERBS)):
    verb = VERBS[draw(st.sampled_from(verbs))]
    arguments = {
        "name": texts,
        "number": st.integers(-1000, 1000).map(str),
        "choice": st.sampled_from(sorted(verb.words.values()) or [""]),
    }
    if verb.parcels:
        return Action(verb.name, draw(splits))
    if not verb.quantity:
        return Action(verb.name, draw(arguments[verb.takes]))
    clauses = draw(st.lists(st.just(0) | st.integers(1, 10**8), min_size=4, max_size=4))
    return Action(verb.name, draw(arguments[verb.takes]), draw(st.integers(1, 10_000)), *clauses)


deeds = st.lists(actions(), min_size=1, max_size=3).map(tuple)


marks = st.lists(actions(MARKS), min_size=1, max_size=2).map(tuple)


@st.composite
def groups(draw, name, names, when, then):
    match = draw(st.sampled_from(["first", "all"]))
    rules = [
        Rule(next(names), draw(when), draw(then), draw(st.just("") | texts)) for _ in range(draw(st.integers(0, 3)))
    ]
    otherwise = draw(st.just(()) | then) if match == "first" else ()
    return Group(name, match, tuple(rules), otherwise)


@st.composite
def books(draw):
    names = iter(f"rule-{number}" for number in range(99))
    own = [draw(groups(f"group-{n}", names, conditions, deeds)) for n in range(draw(st.integers(0, 3)))]
    parcels = [draw(groups(f"parcels-{n}", names, of_parcels, marks)) for n in range(draw(st.integers(0, 2)))]
    zone = draw(st.sampled_from(["Asia/Shanghai", "UTC", "America/New_York"]))
    return Rulebook(draw(texts), tuple(own), zone, OWN, tuple(parcels))
