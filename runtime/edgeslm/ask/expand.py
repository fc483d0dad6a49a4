"""From a query with handles to the query that is shown and run: every handle replaced by the literal it stands for.

Knows the handles, not the question. Refuses a handle that was not offered. Text always goes through SQL quoting, and
handles are replaced in one pass: what stands in a literal is never read again, so no text can pose as a handle.
"""

import re

from edgeslm.ask.candidates import Candidates, SlotHandle, ValueHandle
from edgeslm.ask.measures import convert
from edgeslm.ask.profile import ENTITY_SLOTS, NEVER_SHOWN
from edgeslm.errors import PlanError
from edgeslm.logs.sqltext import RESERVED_WORDS, identifier

_HANDLES = re.compile(
    r"\bmessage (?P<not_shape>NOT )?LIKE (?P<shape>S\d+)\b"
    r"|\bline (?P<not_text>NOT )?LIKE (?P<text>V\d+)\b"
    r"|\bts (?P<not_time>NOT )?IN (?P<time>T\d+)\b"
    r"|\b(?P<column>\w+) (?P<operator>=|<>|>=|<=|<|>) (?P<value>V\d+)\b"
    r"|\b(?P<measured>A\d+) (?P<than>=|<>|>=|<=|<|>) (?P<amount>N\d+)\b"
    r"|\b(?P<slot>A\d+)\b|\b(?P<number>N\d+)\b"
)
_AGGREGATE = re.compile(r"^(SELECT (?:(avg|max|min|sum|median)\(|count\((DISTINCT) )(A\d+)\))(?= FROM )")
_BETWEEN = re.compile(r"^SELECT (epoch\(min\(ts\) .*\)) FROM logs")
_ITEMS = re.compile(r"^SELECT (?:DISTINCT )?(.*?) FROM ", re.S)
# Columns of every view, listed or not, and names that planned queries use: a result's column must not hide them.
_OWN_NAMES = NEVER_SHOWN | ENTITY_SLOTS | {"port", "host", "app", "pid", "level", "count", "value"}
_MISREAD = {"user", "time", "date", "timestamp"}  # as a name alone DuckDB takes these for a function or a type


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
        sql = _AGGREGATE.sub(lambda match: f"{match[1]} AS {_aggregate_name(match, candidates)}", sql)
        sql = _BETWEEN.sub(r"SELECT abs(\1) FROM logs", sql)  # the time between two events has no sign
        names = _name_slots(sql, candidates)
        return _HANDLES.sub(lambda match: _expand_one(match, names, candidates), sql)
    except (KeyError, StopIteration) as missing:
        raise PlanError("the model named something that it was not offered", reason=f"in {sql}") from missing


def _expand_one(match: re.Match[str], names: dict[str, str], candidates: Candidates) -> str:
    """names: A-handle -> its name in the result; where the result lists it, it is written out under that name."""
    if shape := match["shape"]:
        return _negate(match["not_shape"], like("message", candidates.shape(shape).fragment.pieces))
    if text := match["text"]:
        return _negate(match["not_text"], _text_condition(candidates.value(text)))
    if span := match["time"]:
        return _negate(match["not_time"], candidates.times[span].sql())
    if value := match["value"]:
        column = match["column"]
        shown = _slot(column, names, candidates) if re.fullmatch(r"A\d+", column) else column
        return _comparison(column, shown, match["operator"], candidates.value(value), candidates)
    if number := match["amount"]:
        slot = candidates.slot(match["measured"])
        amount = convert(candidates.numbers[number], candidates.asked.units.get(number, ""), slot.unit)
        return f"{_slot(slot.handle, names, candidates)} {match['than']} {amount}"
    if number := match["number"]:
        return candidates.numbers[number]
    handle = match["slot"]
    items = _ITEMS.match(match.string)
    if handle in names and items and match.end() <= items.end(1) and _is_item(match, items.start(1), items.end(1)):
        expression = slot_expression(candidates.slot(handle))
        return expression if expression == names[handle] else f"{expression} AS {names[handle]}"
    return _slot(handle, names, candidates)


def _aggregate_name(match: re.Match[str], candidates: Candidates) -> str:
    """A heading for an aggregate over a slot: `avg_time`, `distinct_state`."""
    label = re.sub(r"\W+", "_", candidates.slot(match[4]).name).strip("_").lower() or "value"
    return f"{match[2] or 'distinct'}_{label}"


def _is_item(match: re.Match[str], start: int, end: int) -> bool:
    """The match is a whole item of the select list, which goes from start to end."""
    before, after = match.string[start : match.start()], match.string[match.end() : end]
    return before[-2:] in ("", ", ") and (not after or after.startswith(", "))


def _slot(handle: str, names: dict[str, str], candidates: Candidates) -> str:
    return names.get(handle) or slot_expression(candidates.slot(handle))


def _negate(negation: str | None, condition: str) -> str:
    return f"NOT ({condition})" if negation else condition


def _text_condition(value: ValueHandle) -> str:
    if value.whole:
        return f"lower(trim(message)) = {quote(value.text.strip().lower())}"
    pieces = tuple(piece.strip() for piece in re.split(r"…|\.\.\.", value.text) if piece.strip()) or (value.text,)
    return like("line", pieces, ignore_case=not value.exact_case)


def _comparison(column: str, shown: str, operator: str, value: ValueHandle, candidates: Candidates) -> str:
    """column: as planned; shown: as written out."""
    if column == "level" and value.level_text and operator in ("=", "<>"):
        column, shown = "level_text", "lower(level_text)"
        literal = value.level_text
    else:
        literal = value.columns[column]
    info = next((one for one in candidates.columns if one.name == column), None)
    numeric = info.numeric if info else column[0] == "A" and candidates.slot(column).slot.numeric
    right = literal if numeric and re.fullmatch(r"-?\d+(\.\d+)?", literal) else quote(literal)
    if operator == "<>":
        return f"{shown} IS DISTINCT FROM {right}"
    return f"{shown} {operator} {right}"


def slot_expression(slot: SlotHandle) -> str:
    """The SQL that reads a slot's value from a message; NULL where the message has none."""
    if slot.column:
        return identifier(slot.column)
    patterns = [slot.regex, *([rf"(?:^|[^\w.-])({slot.form})(?:$|[^\w-])"] if slot.form else []), *slot.also]
    reads = [f"regexp_extract(message, {quote(pattern)}, 1)" for pattern in patterns]
    if slot.slot.numeric:
        values = [f"TRY_CAST({read} AS {'BIGINT' if slot.slot.integral else 'DOUBLE'})" for read in reads]
    else:
        values = [f"nullif({read}, '')" for read in reads]
    return f"coalesce({', '.join(values)})" if len(values) > 1 else values[0]


def _name_slots(sql: str, candidates: Candidates) -> dict[str, str]:
    """A name for each A-handle that is a column of the result; the rest of the query uses it too."""
    items = _ITEMS.match(sql)
    names: dict[str, str] = {}
    taken = {column.name for column in candidates.columns} | _OWN_NAMES | _MISREAD | RESERVED_WORDS
    for handle in items[1].split(", ") if items else ():
        if not re.fullmatch(r"A\d+", handle):
            continue
        name = re.sub(r"\W+", "_", candidates.slot(handle).name).strip("_").lower() or "value"
        while name in taken or not name[0].isalpha():
            name = f"{name}_value" if name[0].isalpha() else f"v_{name}"
        taken.add(name)
        names[handle] = name
    return names
