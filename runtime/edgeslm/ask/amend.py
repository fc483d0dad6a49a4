"""A planned query that leaves out what the question gives for certain, with that put in: a time, an address, a name.

Refuses queries with FILTERs, where it can't be known which condition it belongs to. Knows the forms of grammar.py only.
"""

import re

from edgeslm.ask.candidates import Candidates
from edgeslm.ask.conditions import filters
from edgeslm.ask.grammar import may_be_text
from edgeslm.ask.sense import left_unsaid

_TAIL = re.compile(r"(?= GROUP BY | ORDER BY | LIMIT |$)")


def amend(handle_sql: str, candidates: Candidates) -> str:
    """The query with what it leaves unsaid; "" where there is nothing of that, or no place for it."""
    missing = left_unsaid(handle_sql, candidates)
    gone = [f"message NOT LIKE {handle}" for handle in sorted(candidates.gone)[:1] if " NOT " not in handle_sql]
    if any(handle in candidates.numbers for handle in missing):
        return ""  # what it bounds is not known
    conditions = [*(_condition(handle, candidates) for handle in missing), *gone]
    if not conditions or not all(conditions) or filters(handle_sql) or handle_sql.startswith("SELECT max(gap)"):
        return ""
    if " IN T" in handle_sql and any(handle in candidates.times for handle in missing):
        return ""  # of two times one or the other may be meant, never both at once
    said = " AND ".join(conditions)
    if " WHERE " in handle_sql:
        return handle_sql.replace(" WHERE ", f" WHERE {said} AND ", 1)
    at = _TAIL.search(handle_sql, handle_sql.index(" FROM logs") + len(" FROM logs"))
    return f"{handle_sql[: at.start()]} WHERE {said}{handle_sql[at.start() :]}" if at else ""


def _condition(handle: str, candidates: Candidates) -> str:
    """What a time or a value says of lines."""
    if handle in candidates.times:
        return f"ts IN {handle}"
    value, out = candidates.value(handle), handle in candidates.asked.left_out
    shown = {column.name for column in candidates.columns}
    if columns := sorted(value.columns, key=lambda name: name not in shown):
        return f"{columns[0]} {'<>' if out else '='} {handle}"
    return f"line {'NOT ' if out else ''}LIKE {handle}" if may_be_text(value) else ""
