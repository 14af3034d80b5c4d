"""From the tree to a readable line, in either language. Law: what is printed is read as the same tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orderhub_core.rules import ways
from orderhub_core.rules.actions import VERBS
from orderhub_core.rules.dictionary import FIELDS, MEASURED, Field
from orderhub_core.rules.language import operators as said
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.values import word, written
from orderhub_core.rules.language.vocabulary import Vocabulary
from orderhub_core.rules.tree import Action, Condition, Either, Every, Leaf, Lines, Not, Op, Rule


def print_rule(rule: Rule, speech: Vocabulary, language: Language) -> str:
    when, then = print_condition(rule.when, speech, language), print_actions(rule.then, speech, language)
    return f"{when} {said.ARROW.printed(language)} {then}"


def print_condition(condition: Condition, speech: Vocabulary, language: Language) -> str:
    """Of a valid tree: one that `validity.mistakes` finds nothing wrong with."""
    match condition:
        case Leaf():
            return _leaf(condition, speech, language)
        case Every(()):
            return said.ALWAYS.printed(language)
        case Every(parts) | Either(parts):
            joiner = said.AND if isinstance(condition, Every) else said.OR
            told = (_part(part, speech, language) for part in parts)
            return f" {joiner.printed(language)} ".join(told)
        case Not(part):
            return f"{said.NOT.printed(language)} ({print_condition(part, speech, language)})"
        case Lines(which, part):
            return f"{said.LINES[which].printed(language)} ({print_condition(part, speech, language)})"


def _part(part: Condition, speech: Vocabulary, language: Language) -> str:
    """In brackets if it joins parts of its own: nobody has to know which joiner binds more closely."""
    told = print_condition(part, speech, language)
    return f"({told})" if isinstance(part, Every | Either) and part.parts else told


def _leaf(leaf: Leaf, speech: Vocabulary, language: Language) -> str:
    field = FIELDS[leaf.field]
    name = name_of(field, speech, language)
    op = said.OPERATORS[leaf.op].printed(language)
    values = [written(value, field, speech, language) for value in leaf.values]
    if leaf.op in (Op.AMONG, Op.NOT_AMONG):
        return f"{name} {op} ({', '.join(values)})"
    joined = f" {said.TO.printed(language)} ".join(values)
    return f"{name} {op} {joined}" if values else f"{name} {op}"


def name_of(field: Field, speech: Vocabulary, language: Language) -> str:
    """With the word of what it is told of: `负荷(杭州仓)`."""
    base = MEASURED.get(field.signal) if field.subject else None
    if base is None:
        return field.zh if language == "zh" else field.name
    subject = word(field.subject, speech.of_field(FIELDS[field.about]), language)
    return f"{base.zh if language == 'zh' else base.name}({subject})"


def print_actions(actions: Sequence[Action], speech: Vocabulary, language: Language) -> str:
    return "; ".join(_action(action, speech, language) for action in actions)


def _action(action: Action, speech: Vocabulary, language: Language) -> str:
    verb = VERBS[action.verb]
    name = verb.zh if language == "zh" else verb.en
    argument = print_argument(action.verb, action.argument, speech, language)
    pieces = f" × {action.quantity}" if action.quantity != 1 else ""
    clauses = ((said.CLAUSES[clause], getattr(action, clause)) for clause in said.CLAUSES)
    return f"{name} {argument}{pieces}" + "".join(f" {each.printed(language)} {n}" for each, n in clauses if n)


def print_argument(verb: str, argument: str, speech: Vocabulary, language: Language) -> str:
    """What stands after a verb: a hold's kind, a warehouse, a carrier."""
    taking, meanings = VERBS[verb], speech.of_verb(VERBS[verb])
    if taking.parcels:
        return of_way(argument, lambda kind: word(kind, meanings, language), language)
    return argument if taking.takes == "number" else word(argument, meanings, language)


def of_way(argument: str, word: Callable[[str], str], language: Language) -> str:
    """An argument of `split`, its kind by its word: `按品类 最多 3`."""
    way = ways.read(argument)
    return word(way.kind) if way.limit is None else f"{word(way.kind)} {said.PARCELS.printed(language)} {way.limit}"
