"""One honest sentence about a result, from the query's shape and the rows alone; the question's wording is never read.

What the shape does not show for sure gets a plain sentence ("3 rows."). Invariant: every number in the sentence stands
in the result, is the sum of one of its columns, or is the total the caller counted with the query's own condition.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from edgeslm.answer.query_shape import Item, QueryShape
from edgeslm.answer.terminal import fit, safe
from edgeslm.answer.values import duration, is_nothing, number, plain, shown
from edgeslm.answer.wording import (
    LONGEST_VALUE,
    MOST_NAMED,
    amount_text,
    column_name,
    counted,
    is_name,
    joined,
    plural,
    single,
    value_text,
    within,
)

_NOW = {"given": "the time given", "clock": "the clock", "log end": "the log's last line"}


@dataclass(frozen=True)
class Sentence:
    """The sentence, and whether it says all that the result holds (a table would only repeat it)."""

    text: str
    covers: bool = False


def wants_total(shape: QueryShape | None) -> bool:
    """Whether "286 of 520" needs the count of all groups beside those that a LIMIT leaves."""
    if shape is None or shape.limit is None or shape.having or shape.offset or shape.distinct:
        return False
    at = _measure(shape)
    return bool(shape.group_by) and bool(shape.keys) and at is not None and shape.items[at].counts_lines


def write_sentence(
    shape: QueryShape | None,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    subject: str = "",
    total: int | None = None,
    is_gap: bool = False,
    now: datetime | timedelta | None = None,
    now_source: str = "",
) -> Sentence:
    """What the result says, in one sentence.

    subject: what a matching line is ("lines with 'Failed password'"); total: the lines that match, where the caller
    counted them; is_gap: the query is one for the longest time between lines; now, now_source: the time from which a
    relative time in the query was counted back.
    """
    subject = safe(subject.strip()) or ("matching lines" if shape and shape.where else "lines")
    if is_gap and len(rows) == 1:
        sentence = _seconds(f"The longest time between two {subject} in a row", rows[0][0], subject)
    else:
        sentence = _write(shape, columns, rows, subject, total)
    if now is None or now_source not in _NOW or (shape is not None and not re.search(r"\bts\b", shape.where)):
        return sentence
    note = f"counting back from {_NOW[now_source]}, {shown(now)}"
    return Sentence(f"{sentence.text.removesuffix('.')} ({note}).", sentence.covers)


def _write(
    shape: QueryShape | None, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], subject: str, total: int | None
) -> Sentence:
    if shape is not None and len(shape.items) != len(columns):  # SELECT *
        shape = None if not (shape.is_plain and "line_no" in columns) else shape
    if not rows:
        return Sentence(_none(shape, subject), covers=True)
    if shape is None:
        return _rows(columns, rows)
    if shape.is_plain:
        return _lines(shape, columns, rows, subject)
    if shape.is_one_group and len(rows) == 1:
        return _one_group(shape, columns, rows, subject)
    at = _measure(shape)
    if at is not None and shape.keys and not shape.distinct:
        return _groups(shape, at, rows, subject, total)
    if at is None and (shape.distinct or shape.group_by):
        return _list(shape, rows, subject)
    return _rows(columns, rows)


def _rows(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Sentence:
    if len(rows) == 1 and len(columns) == 1:
        value = rows[0][0]
        named = f" ({safe(columns[0])})" if is_name(columns[0]) else ""
        return Sentence(f"The result{named} is {'empty' if value is None else value_text(value)}.", covers=True)
    return Sentence("1 row." if len(rows) == 1 else f"{len(rows):,} rows.")


def _seconds(what: str, value: Any, subject: str) -> Sentence:
    """A length of time that the query gave in seconds or as an interval."""
    if value is None:
        return Sentence(f"There were no two {subject} with a time to measure between.", covers=True)
    length = value if isinstance(value, timedelta) else timedelta(seconds=float(value))
    return Sentence(
        f"{what} is {duration(length)} ({number(length.total_seconds(), grouped=True)} seconds).", covers=True
    )


def _none(shape: QueryShape | None, subject: str) -> str:
    if shape is None:
        return "There were none: the query found no rows."
    if shape.having:
        return f"There were none: nothing in {within(subject)} meets {fit(safe(shape.having), LONGEST_VALUE)}."
    needed = [
        name for name in re.findall(r"(\w+)\s+IS\s+NOT\s+NULL", shape.where, re.IGNORECASE) if name not in subject
    ]
    return f"There were no {subject}{f' that have {joined(needed)}' if needed else ''}."


# --- one group: count, first and last, average, …


def _one_group(shape: QueryShape, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], subject: str) -> Sentence:
    row = rows[0]
    calls = [(item.call, item.argument.lower()) for item in shape.items]
    if sorted(calls) == [("max", "ts"), ("min", "ts")]:
        if is_nothing(list(rows)):
            return Sentence(f"There were no {subject} that have a time.", covers=True)
        first, last = sorted(row)
        return Sentence(f"The {subject} run from {value_text(first)} to {value_text(last)}.", covers=True)
    if len(row) == 1 and shape.items[0].is_span:
        filters = shape.items[0].filters
        what = "The time from one to the other" if filters else f"The time from the first to the last of the {subject}"
        return _seconds(what, row[0], subject)
    if len(row) == 1 and shape.items[0].is_share:
        return _share(shape, row[0], subject)
    if len(row) == 1:
        return _one_value(shape.items[0], columns, rows, subject)
    parts = [f"{safe(name)} {amount_text(value) or 'none'}" for name, value in zip(columns, row, strict=True)]
    return (
        Sentence(f"Over {within(subject)}: {', '.join(parts)}.") if len(parts) <= MOST_NAMED else _rows(columns, rows)
    )


def _one_value(item: Item, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], subject: str) -> Sentence:
    value = rows[0][0]
    if item.call == "count" and item.distinct:
        amount = "no" if value == 0 else f"{value:,}"
        if value == 1:
            return Sentence(
                f"There was 1 different value of {column_name(item) or 'it'} in {within(subject)}.", covers=True
            )
        return Sentence(f"There were {amount} different {plural(item)} in {within(subject)}.", covers=True)
    if item.call == "count":
        has = "" if item.counts_lines else f" that have {column_name(item) or 'a value'}"
        if value == 0:
            return Sentence(f"There were no {subject}{has}.", covers=True)
        return Sentence(f"There {'was' if value == 1 else 'were'} {counted(value, subject)}{has}.", covers=True)
    if item.call in ("min", "max") and item.argument.lower() == "ts":
        if value is None:
            return Sentence(f"There were no {subject} that have a time.", covers=True)
        return Sentence(f"The {_end(subject, last=item.call == 'max')} was at {value_text(value)}.", covers=True)
    words = {
        "avg": "average", "mean": "average", "median": "median", "sum": "sum", "stddev": "standard deviation",
        "min": "lowest", "max": "highest", "mode": "most frequent",
    }  # fmt: skip
    if item.call not in words:
        return _rows(columns, rows)
    name = column_name(item)
    if value is None:
        return Sentence(f"There were none: no {name or 'value'} in {within(subject)}.", covers=True)
    of = " " if item.call in ("min", "max", "mode") else " of "
    what = f"{words[item.call]}{of}{name}" if name else f"{words[item.call]}{' value' if of == ' ' else ''}"
    amount = value_text(value) if item.call == "mode" else amount_text(value)
    return Sentence(f"The {what} in {within(subject)} is {amount}.", covers=True)


def _share(shape: QueryShape, value: Any, subject: str) -> Sentence:
    whole = "the lines the query looks at" if shape.where else "all lines"
    if value is None:
        return Sentence(f"There were none: no line among {whole}.", covers=True)
    said = subject if subject.startswith("lines ") and not shape.where else ""
    part = f"are {said}" if said else "meet the condition"
    return Sentence(f"{number(float(value))} % of {whole} {part}.", covers=True)


def _end(subject: str, *, last: bool) -> str:
    end = "last" if last else "first"
    return f"{end} {single(subject)}" if re.search(r"\blines\b", subject) else f"{end} of the {subject}"


# --- lines


def _lines(shape: QueryShape, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], subject: str) -> Sentence:
    count = len(rows)
    term, descending = shape.order_by[0] if shape.order_by else ("", False)
    in_time = term.lower() in ("ts", "line_no") and not shape.offset
    if count == 1 and in_time and shape.limit == 1:
        cells = dict(zip(columns, rows[0], strict=True))
        where = [f"line {cells['line_no']}"] if cells.get("line_no") is not None else []
        when = [f"at {value_text(cells['ts'])}"] if cells.get("ts") is not None else []
        if where or when:
            text = f"The {_end(subject, last=descending)} {'is' if where else 'was'} {', '.join(where + when)}."
            return Sentence(text, covers=set(columns) <= {"line_no", "ts"})
    if len(columns) == 1 and count == 1 and shape.limit == 1:
        name = column_name(shape.items[0])
        if in_time and name and rows[0][0] is not None:
            text = f"The {name} of the {_end(subject, last=descending)} is {value_text(rows[0][0])}."
            return Sentence(text, covers=True)
        return _rows(columns, rows)
    if len(columns) == 2 and shape.limit is not None and shape.order_of(1) is not None:
        name, best = column_name(shape.items[1]) or "value", rows[0][1]
        if isinstance(best, int | float | Decimal):
            most = "highest" if shape.order_of(1) else "lowest"
            return Sentence(
                f"{_key_of(shape.items[0], rows[0][0])} had the {most} {name}: {amount_text(best)}.", count == 1
            )
    if shape.limit is not None and count >= shape.limit:
        if in_time:
            return Sentence(f"The {'last' if descending else 'first'} {counted(count, subject)}.")
        return Sentence(f"{counted(count, subject)}; the query asks for at most {shape.limit:,}.")
    return Sentence(f"There {'was' if count == 1 else 'were'} {counted(count, subject)}.")


# --- lists, rankings, series


def _list(shape: QueryShape, rows: Sequence[tuple[Any, ...]], subject: str) -> Sentence:
    count = len(rows)
    cut = shape.limit is not None and count >= shape.limit
    if len(shape.items) > 1:
        kinds = joined([column_name(item) or "value" for item in shape.items])
        return Sentence(f"There were {count:,} different combinations of {kinds} in {within(subject)}.")
    item = shape.items[0]
    if cut:
        return Sentence(f"{count:,} {plural(item)} in {within(subject)}; the query asks for at most {shape.limit:,}.")
    names = [_key(shape, (value,)) for (value,) in rows]
    if count == 1:
        return Sentence(f"The only {column_name(item) or 'value'} in {within(subject)} is {names[0]}.", covers=True)
    listed = f": {joined(names)}" if count <= MOST_NAMED and sum(map(len, names)) <= LONGEST_VALUE else ""
    return Sentence(f"There were {count:,} different {plural(item)} in {within(subject)}{listed}.")


def _measure(shape: QueryShape) -> int | None:
    """The column that says how much each group has: the one that orders them, else the first made by an aggregate."""
    made = [i for i, item in enumerate(shape.items) if item.has_aggregate]
    ordering = [i for i in made if shape.order_of(i) is not None]
    return ordering[0] if ordering else made[0] if made else None


def _key(shape: QueryShape, row: tuple[Any, ...]) -> str:
    """What a group is called."""
    names = []
    for i in shape.keys:
        item, value = shape.items[i], row[i]
        names.append(_key_of(item, value))
    return ", ".join(names)


def _key_of(item: Item, value: Any) -> str:
    if value is None:
        return f"(no {column_name(item) or 'value'})"
    if item.is_time_bucket and item.unit:
        return f"the {item.unit} of {value_text(value)}"
    if item.is_time_bucket and item.call in ("hour", "minute", "day", "month", "year", "week"):
        return f"{item.call} {value_text(value)}"
    return value_text(value)


def _most(item: Item, subject: str, *, most: bool) -> str:
    """The measure at its end: "the most lines", "the lowest average of bytes"."""
    name = column_name(item) or "value"
    if item.call == "count":
        word = "the most" if most else "the fewest"
        if item.distinct:
            return f"{word} different {plural(item)}"
        return f"{word} {subject}" if item.counts_lines else f"{word} {subject} that have {name}"
    if item.argument.lower() == "ts":
        return "the latest time" if most else "the earliest time"
    words = {"sum": "sum of ", "avg": "average of ", "mean": "average of ", "median": "median of "}
    return f"the {'highest' if most else 'lowest'} {words.get(item.call, '')}{name}"


def _groups(shape: QueryShape, at: int, rows: Sequence[tuple[Any, ...]], subject: str, total: int | None) -> Sentence:
    item = shape.items[at]
    values = [row[at] for row in rows]
    order = shape.order_of(at)
    cut = (shape.limit is not None and len(rows) >= shape.limit) or bool(shape.offset)
    if any(not isinstance(plain(value), int | float | str) for value in values) or (cut and order is None):
        return Sentence(f"{len(rows):,} {_groups_name(shape)} in {within(subject)}.")
    if item.counts_lines and not cut and not shape.having:
        total = sum(values)
    best = min(values) if order is False else max(values)
    leaders = [_key(shape, row) for row in rows if row[at] == best]
    if item.counts_lines and order is None and _is_series(shape) and len(rows) > 1:
        at_key = shape.keys[0]
        tops = [value_text(row[at_key]) or "(no time)" for row in rows if row[at] == best]
        peak = f"the most were at {_leaders(tops)}, {amount_text(best)}{' each' if len(tops) > 1 else ''}"
        return Sentence(f"{counted(sum(values), subject)} over {len(rows):,} {_groups_name(shape)}; {peak}.")
    covers = len(rows) == 1 and len(shape.items) == len(shape.keys) + 1
    name = _leaders(leaders)
    name = name[:1].upper() + name[1:] if name.startswith(("the ", "hour ", "day ", "week ", "month ")) else name
    if item.counts_lines and total is not None and len(rows) == 1 and best == total:
        had = f"the only {single(subject)}" if total == 1 else f"all {total:,} {subject}"
        return Sentence(f"{name} had {had}.", covers)
    each = " each" if len(leaders) > 1 else ""
    of = f" of {total:,}" if item.counts_lines and total is not None else ""
    return Sentence(
        f"{name} had {_most(item, subject, most=order is not False)}: {amount_text(best)}{each}{of}.", covers
    )


def _is_series(shape: QueryShape) -> bool:
    return len(shape.keys) == 1 and shape.items[shape.keys[0]].is_time_bucket


def _groups_name(shape: QueryShape) -> str:
    if len(shape.keys) != 1:
        return "groups"
    key = shape.items[shape.keys[0]]
    if not key.is_time_bucket:
        return plural(key)
    unit = key.unit or (key.call if key.call in ("hour", "minute", "day", "month", "year", "week") else "")
    return f"{unit}s" if unit and not unit[0].isdigit() else f"stretches of {unit}" if unit else "stretches of time"


def _leaders(names: Sequence[str]) -> str:
    if len(names) <= 3:
        return joined(names)
    return f"{names[0]}, {names[1]} and {len(names) - 2:,} others"
