"""From a query with handles to the query that is shown and run: every handle replaced by the literal it stands for.

Knows the handles, not the question. Refuses a handle that was not offered. Text always goes through SQL quoting.
"""

import re
from collections.abc import Callable

from edgeslm.ask.link import Candidates, SlotHandle, ValueHandle
from edgeslm.errors import PlanError

_HANDLE = re.compile(r"\b([SVTNA])(\d{1,2})\b")
_LIKE_SHAPE = re.compile(r"\bmessage (NOT )?LIKE (S\d+)\b")
_LIKE_VALUE = re.compile(r"\bline (NOT )?I?LIKE (V\d+)\b")
_IN_TIME = re.compile(r"\bts (NOT )?IN (T\d+)\b")
_COMPARE = re.compile(r"\b(\w+) (=|<>|>=|<=|<|>) (V\d+)\b")
_ITEMS = re.compile(r"^SELECT (?:DISTINCT )?(.*?) FROM ", re.S)


def quote(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def like(column: str, pieces: tuple[str, ...], *, ignore_case: bool = False) -> str:
    """The condition that a column holds these texts in order."""
    operator = "ILIKE" if ignore_case else "LIKE"
    if any(mark in piece for piece in pieces for mark in "%_\\"):
        if len(pieces) == 1 and not ignore_case:
            return f"contains({column}, {quote(pieces[0])})"
        escaped = [re.sub(r"([%_\\])", r"\\\1", piece) for piece in pieces]
        return f"{column} {operator} {quote('%' + '%'.join(escaped) + '%')} ESCAPE '\\'"
    return f"{column} {operator} {quote('%' + '%'.join(pieces) + '%')}"


def expand(sql: str, candidates: Candidates) -> str:
    """Replace every handle of a planned query. Raises PlanError for a handle that was not offered."""
    try:
        return _expand(sql, candidates)
    except (KeyError, StopIteration) as missing:
        raise PlanError("the model named something that it was not offered", reason=f"in {sql}") from missing


def _expand(sql: str, candidates: Candidates) -> str:
    sql = _LIKE_SHAPE.sub(lambda m: _negate(m[1], like("message", candidates.shape(m[2]).fragment.pieces)), sql)
    sql = _LIKE_VALUE.sub(lambda m: _negate(m[1], _text_condition(candidates.value(m[2]))), sql)
    sql = _IN_TIME.sub(lambda m: _negate(m[1], _between_parts(candidates.times[m[2]].sql())), sql)
    sql = _COMPARE.sub(lambda m: _comparison(m[1], m[2], candidates.value(m[3]), candidates), sql)
    sql = _name_slots(sql, candidates)
    return _outside_quotes(sql, lambda text: re.sub(r"\bN\d+\b", lambda m: candidates.numbers[m[0]], text))


def _between_parts(condition: str) -> str:
    return condition


def _negate(negation: str | None, condition: str) -> str:
    return f"NOT ({condition})" if negation else condition


def _text_condition(value: ValueHandle) -> str:
    pieces = tuple(piece.strip() for piece in re.split(r"…|\.\.\.", value.text) if piece.strip()) or (value.text,)
    return like("line", pieces, ignore_case=not value.exact_case)


def _comparison(column: str, operator: str, value: ValueHandle, candidates: Candidates) -> str:
    literal = value.columns[column]
    info = next((one for one in candidates.columns if one.name == column), None)
    numeric = info.numeric if info else column[0] == "A" and candidates.slot(column).slot.numeric
    shown = literal if numeric and re.fullmatch(r"-?\d+(\.\d+)?", literal) else quote(literal)
    if operator == "<>":
        return f"{column} IS DISTINCT FROM {shown}"
    return f"{column} {operator} {shown}"


def slot_expression(slot: SlotHandle) -> str:
    """The SQL that reads a slot's value from a message; NULL where the message has none."""
    read = f"regexp_extract(message, {quote(slot.regex)}, 1)"
    if slot.slot.numeric:
        return f"TRY_CAST({read} AS {'BIGINT' if slot.slot.integral else 'DOUBLE'})"
    return f"nullif({read}, '')"


def _name_slots(sql: str, candidates: Candidates) -> str:
    """Write each A-handle as its expression; where it is a column of the result, once, under a name that the rest uses."""
    named: dict[str, str] = {}
    items = _ITEMS.match(sql)
    taken = {column.name for column in candidates.columns} | {"ts", "line", "message", "line_no", "host", "app", "pid", "level", "count", "value", "level_text"}

    def select_item(match: re.Match[str]) -> str:
        slot = candidates.slot(match[0])
        name = re.sub(r"\W+", "_", slot.name).strip("_").lower() or "value"
        while name in taken or name in _RESERVED or not name[0].isalpha():
            name = f"{name}_value" if name[0].isalpha() else f"v_{name}"
        taken.add(name)
        named[match[0]] = name
        return f"{slot_expression(slot)} AS {name}"

    if items:
        listed = [item if "(" in item else re.sub(r"\bA\d+\b", select_item, item) for item in items[1].split(", ")]
        head = sql[: items.start(1)] + ", ".join(listed)
        tail = sql[items.end(1) :]
    else:
        head, tail = "", sql
    def replace(match: re.Match[str]) -> str:
        return named.get(match[0]) or slot_expression(candidates.slot(match[0]))

    head = _outside_quotes(head, lambda text: re.sub(r"\bA\d+\b", replace, text))
    return head + _outside_quotes(tail, lambda text: re.sub(r"\bA\d+\b", replace, text))


_RESERVED = {"select", "from", "where", "group", "order", "by", "limit", "and", "or", "not", "in", "is", "null", "end", "case", "when", "then", "else", "user", "to", "for", "on", "as", "at", "all", "any", "table", "default", "check", "time", "date", "timestamp", "primary", "offset", "using", "with", "union", "window", "desc", "asc", "do", "into", "only", "some", "true", "false", "having", "column", "create", "references"}  # fmt: skip


def _outside_quotes(sql: str, change: Callable[[str], str]) -> str:
    """Apply a change to the parts of a query that are not string literals."""
    parts = re.split(r"('(?:[^']|'')*')", sql)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(parts))
