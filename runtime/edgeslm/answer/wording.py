"""How values, columns and counted things are put into words. Refuses to know rows, shapes and files.

Invariant: a value of a log comes out safe to print and at most `LONGEST_VALUE` cells long.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from edgeslm.answer.query_shape import Item
from edgeslm.answer.terminal import fit, safe
from edgeslm.answer.values import number, shown

LONGEST_VALUE = 100  # cells of one value in a sentence
MOST_NAMED = 5  # values a sentence lists by name
_PLURALS = {
    "ip": "addresses", "user": "users", "host": "hosts", "app": "programs", "component": "components",
    "pid": "process ids", "level": "levels", "level_text": "levels", "port": "ports", "url": "URLs", "path": "paths",
    "status": "status codes",
    "method": "methods", "thread": "threads", "node": "nodes", "message": "messages", "email": "email addresses",
    "mac": "hardware addresses", "agent": "user agents", "referer": "referers", "ts": "times", "source": "files",
    "facility": "facilities", "request_id": "requests", "uuid": "identifiers", "line": "lines",
}  # fmt: skip


def value_text(value: Any) -> str:
    """A value as a sentence shows it."""
    return fit(safe(shown(value)[: 10 * LONGEST_VALUE]), LONGEST_VALUE)


def amount_text(value: Any) -> str:
    """A value that counts or measures: numbers have their thousands marked."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return number(value, grouped=True)
    return value_text(value)


def joined(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def single(subject: str) -> str:
    """The subject for one: `line with 'x'` of `lines with 'x'`."""
    return re.sub(r"\blines\b", "line", subject, count=1)


def within(subject: str) -> str:
    """Where something was found: `the lines with 'x'`, or `the log`."""
    return "the log" if subject == "lines" else f"the {subject}"


def counted(count: int, subject: str) -> str:
    """`1 line with 'x'`, `1,234 lines with 'x'`."""
    return f"{count:,} {single(subject) if count == 1 else subject}"


def is_name(text: str) -> bool:
    """Whether it is a plain column name."""
    return bool(re.fullmatch(r'\w+|"\w+"', text))


def column_name(item: Item) -> str:
    """What a column of the result is called: its column of the view, else its alias, else ''."""
    inner = item.argument if item.is_aggregate else item.text
    if is_name(inner):
        return inner.strip('"')
    return safe(item.alias) if item.alias.lower() not in {item.call, "value", "result", "n"} else ""


def plural(item: Item) -> str:
    """What several different values of a column are called."""
    name = column_name(item)
    return _PLURALS.get(name) or (f"values of {name}" if name else "values")
