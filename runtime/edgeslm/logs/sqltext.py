"""How Python strings become SQL literals and identifiers, and what a level in a query is compared as.

Refuses to parse SQL beyond the tokens it must tell apart: literals, comments, comparisons of `level`.
"""

import re
from functools import cache

import duckdb

from edgeslm.logs.levels import level_of


def quote(text: str) -> str:
    """The SQL string literal of a text."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """The SQL identifier of a name, quoted only where it must be."""
    if name.isidentifier() and name.isascii() and name == name.lower() and name not in reserved_words():
        return name
    return '"' + name.replace('"', '""') + '"'


@cache
def reserved_words() -> frozenset[str]:
    """The words that DuckDB does not take as a name everywhere, by its own list."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"
        ).fetchall()
    return frozenset(name for (name,) in rows)


_SKIPPED = r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/"
_LEVEL = r'(?<![\w"])(?:\w+\.)?"?level"?(?![\w"])'
_COMPARED = re.compile(
    rf"(?P<column>{_LEVEL})(?P<between>\s*(?:<=|>=|<|>)\s*|\s+(?:NOT\s+)?BETWEEN\s+)'(?P<low>\w+)'(?!\s*::)"
    rf"(?:(?P<and>\s+AND\s+)'(?P<high>\w+)')?"
    rf"|'(?P<left>\w+)'(?P<operator>\s*(?:<=|>=|<|>)\s*{_LEVEL})"
    rf"|{_SKIPPED}",
    re.IGNORECASE | re.DOTALL,
)


def ordered_levels(sql: str) -> str:
    """The SQL with the words that `level` is ordered against read as levels: level >= 'WARN'::log_level.

    DuckDB compares an enum with a text as text, so that FATAL would stand before WARN and a person's
    `level >= 'WARN'` would silently leave it out. Words that are no level are left alone.
    """

    def typed(match: re.Match[str]) -> str:
        found = match.groupdict()
        if found["left"]:
            return f"{_level_literal(found['left'])}{found['operator']}"
        if not found["low"]:
            return match[0]
        is_range = "between" in found["between"].lower()
        rest = found["and"] or ""
        if found["high"]:
            rest += _level_literal(found["high"]) if is_range else f"'{found['high']}'"
        return f"{found['column']}{found['between']}{_level_literal(found['low'])}{rest}"

    return _COMPARED.sub(typed, sql)


def _level_literal(word: str) -> str:
    level = level_of(word)
    return f"'{level}'::log_level" if level else f"'{word}'"
