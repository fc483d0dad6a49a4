"""What no question means: queries that the grammar allows and that say one thing twice, ask for what they state, or
leave out a time or a value that the question gives.

The planner chooses among those that pass; what a question asks for is not judged here.
"""

import re

from edgeslm.ask.candidates import Candidates, ShapeHandle, ValueHandle
from edgeslm.ask.conditions import filters, joined, where

_LISTED = re.compile(r"^SELECT (?:DISTINCT (\w+) FROM|count\(DISTINCT (\w+)\) FROM|(\w+), count\(\*\) )")
_PAIR = re.compile(r"^SELECT (A\d+), (A\d+) FROM")
_HANDLE = re.compile(r"\b[VTN]\d\b")
_NUMBER = re.compile(r"\bN\d\b")
_OF_SHAPE = re.compile(r"message LIKE (S\d+)")
_OF_ENTITY = re.compile(r"(ip|mac|email|uuid|url) (?:IS NOT NULL|= )")  # kinds that nothing else in a message reads
_IDENTIFIER = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]{2}|\w_\w|[A-Za-z]\d|\d[A-Za-z]")
_HELD = re.compile(r"\bA\d+\b")
_TEXT = re.compile(r"line LIKE (V\d+)")
_EQUAL = re.compile(r"(\w+) = (V\d+)")


def nonsense(handle_sql: str, candidates: Candidates) -> str:
    """Why nobody asks for this, in words; "" where somebody may."""
    compared = filters(handle_sql)
    if len(compared) == 2 and _as_text(compared[0], candidates) == _as_text(compared[1], candidates):
        return "the time from something to itself"
    every = joined(where(handle_sql), " AND ")
    for conditions in [every, *(joined(one[1:-1], " OR ") for one in every if one.startswith("("))]:
        if len({_as_meant(one, candidates) for one in conditions}) < len(conditions):
            return "one condition twice"
    fixed: dict[str, str] = {}
    for one in every:
        if (equal := _EQUAL.fullmatch(one)) and fixed.setdefault(equal[1], equal[2]) != equal[2]:
            return "one column with two values at once"
        if one.replace(" NOT LIKE ", " LIKE ") != one and one.replace(" NOT LIKE ", " LIKE ") in every:
            return "something and its opposite"
    numbers = _NUMBER.findall(handle_sql)
    if len(set(numbers)) < len(numbers):
        return "one number for two things"
    listed = _LISTED.match(handle_sql)
    if listed and (listed[1] or listed[2] or listed[3]) in fixed:
        return "the values of a column that is given"
    named = set(_HANDLE.findall(handle_sql))
    if left_unsaid(handle_sql, candidates) or _without_capitals(named, handle_sql, candidates):
        return "less than the question says"
    if (candidates.asked.without or candidates.gone) and " NOT " not in handle_sql and "<>" not in handle_sql:
        return "all where something is left out"
    if candidates.absent and named.isdisjoint(value.handle for value in candidates.values if not value.columns):
        return "nothing of what is asked about"
    for handle in (found[1] for one in every if (found := _OF_SHAPE.fullmatch(one))):
        shape = candidates.shape(handle)
        if any((found := _OF_ENTITY.match(one)) and found[1] not in shape.holds for one in every):
            return "a value that those messages lack"
        for column, value in (found.groups() for one in every if (found := _EQUAL.fullmatch(one))):
            beside = shape.stands.get(_column(column, candidates))
            if beside and candidates.value(value).columns.get(column, "") not in beside:
                return "messages beside what they never stand"
        if not shape.lacks.isdisjoint(_HELD.findall(handle_sql)):
            return "a value that those messages lack"
        texts = (candidates.value(found[1]) for one in every if (found := _TEXT.fullmatch(one)))
        if any(_stands_elsewhere(value, shape, candidates) for value in texts):
            return "messages beside what they never stand"
    if handle_sql.startswith("SELECT 100.0 *") and compared and compared[0] in every:
        return "a share that is the whole"
    if candidates.asked.some and handle_sql.startswith("SELECT 100.0 *") and not every:
        return "a share of all lines where one of some is asked for"
    if candidates.grouped and listed and listed[3] and listed[3] != candidates.grouped:
        return "groups of something else than what is named"
    pair = _PAIR.match(handle_sql)
    if pair and candidates.slot(pair[1]).regex == candidates.slot(pair[2]).regex:
        return "one value beside itself"
    return ""


def _stands_elsewhere(value: ValueHandle, shape: ShapeHandle, candidates: Candidates) -> bool:
    """Whether a value of columns stands beside other messages only, and in none of these."""
    beside = {_column(name, candidates): text for name, text in value.columns.items()}
    known = [shape.stands[name] for name in beside if shape.stands.get(name)]
    if not known or len(known) < len(beside) or any(not known_here.isdisjoint(beside.values()) for known_here in known):
        return False
    return value.text.casefold() not in shape.shape.example.casefold()


def _column(name: str, candidates: Candidates) -> str:
    """The view's column that a handle stands for; any other name as it is."""
    return (re.fullmatch(r"A\d+", name) and candidates.slot(name).column) or name


def _without_capitals(named: set[str], handle_sql: str, candidates: Candidates) -> bool:
    """Whether a word that question and messages write in capitals is in none of the texts that a query looks for."""
    named = named | set(re.findall(r"\bS\d\b", handle_sql))
    texts = [" ".join(shape.fragment.pieces) for shape in candidates.shapes if shape.handle in named]
    texts += [value.text for value in candidates.values if value.handle in named]
    return any(not any(word in text for text in texts) for word in candidates.capitals)


def left_unsaid(handle_sql: str, candidates: Candidates) -> list[str]:
    """The handles of what the question gives for certain that a query leaves out."""
    named = set(_HANDLE.findall(handle_sql))
    return [handle for handle in _meant(candidates) if handle not in named]


def _as_text(conditions: str, candidates: Candidates) -> list[str]:
    """Conditions with the texts of their patterns, so that two handles of one text are the same."""
    texts = {shape.handle: " ".join(shape.fragment.pieces) for shape in candidates.shapes}
    return [
        re.sub(r"\bS\d\b", lambda found: texts.get(found.group(), found.group()), one)
        for one in joined(conditions, " AND ")
    ]


def _as_meant(condition: str, candidates: Candidates) -> str:
    """The condition with the text of its value, so that two handles of one value are the same."""
    found = re.search(r"(\w+) (\S+) (V\d+)$", condition)
    if not found:
        return condition
    value = candidates.value(found[3])
    return f"{condition[: found.start(3)]}{value.columns.get(found[1], value.text)}"


def _meant(candidates: Candidates) -> list[str]:
    """The handles that no query can do without: times, texts in quotes, addresses and names that a column holds."""
    values = [
        value
        for value in candidates.values
        if value.quoted or value.handle in candidates.asked.left_out or _is_certain(value) or _is_identifier(value)
    ]
    return [*candidates.times, *sorted(candidates.asked.bounds), *(value.handle for value in values)]


def _is_identifier(value: ValueHandle) -> bool:
    """Whether it is a name as programs have them, `BOOT_COMPLETED` or `TeamViewer`, that no column holds."""
    return not value.plain and not value.guess and not value.columns and _IDENTIFIER.search(value.text) is not None


def _is_certain(value: ValueHandle) -> bool:
    """Whether a column of the log holds it and it is no common word."""
    return not value.plain and any(not re.fullmatch(r"A\d+", name) for name in value.columns)
