"""How Python strings become SQL literals and identifiers, and what a level in a query is compared as.

Refuses to parse SQL beyond the tokens it must tell apart: literals, comments, comparisons of `level`.
"""

import re

from edgeslm.logs.levels import level_of

# The words that DuckDB does not take as a name everywhere: `reserved` and `type_function` in its duckdb_keywords().
# Asking for them takes longer than many a question, so they stand here, and a test holds them against DuckDB's list.
RESERVED_WORDS = frozenset(
    """
    all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by case cast
    check collate collation column columns concurrently constraint create cross default deferrable desc describe
    distinct do else end except false fetch for foreign freeze from full generated glob group having ilike in
    initially inner intersect into is isnull join lambda lateral leading left like limit map natural not notnull
    null offset on only or order outer overlaps pivot pivot_longer pivot_wider placing positional primary
    qualify references returning right select semi show similar some struct summarize symmetric table
    tablesample then to trailing true try_cast tuple union unique unpack unpivot using variadic verbose when
    where window with
    """.split()
)


def quote(text: str) -> str:
    """The SQL string literal of a text."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """The SQL identifier of a name, quoted only where it must be."""
    if name.isidentifier() and name.isascii() and name == name.lower() and name not in RESERVED_WORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


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
