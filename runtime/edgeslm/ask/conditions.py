"""The conditions of a query over handles: what stands in its WHERE and its FILTERs, and how they are joined.

It reads the forms of grammar.py only, and refuses to know what a condition means.
"""

import re

_FILTER = re.compile(r"FILTER \(WHERE (.+?)\)(?= /|\) -|\) FROM| FROM)")
_WHERE = re.compile(r" WHERE (.+?)(?= GROUP BY | ORDER BY | LIMIT | HAVING |$)")
_GAP = "SELECT max(gap) FROM ("  # the only form whose WHERE stands in brackets


def filters(handle_sql: str) -> list[str]:
    """What stands in each FILTER, in order."""
    return _FILTER.findall(handle_sql)


def where(handle_sql: str) -> str:
    """What stands after the query's own WHERE; "" without one."""
    sql = handle_sql.removesuffix(")") if handle_sql.startswith(_GAP) else handle_sql
    found = _WHERE.search(_FILTER.sub("", sql))
    return found[1] if found else ""


def joined(conditions: str, joint: str) -> list[str]:
    """The conditions between the joints (" AND ", " OR ") that stand in no brackets of their own; none of none."""
    found, depth, start = [], 0, 0
    for at, letter in enumerate(conditions):
        depth += (letter == "(") - (letter == ")")
        if not depth and conditions.startswith(joint, at):
            found.append(conditions[start:at])
            start = at + len(joint)
    return [*found, conditions[start:]] if conditions else []
