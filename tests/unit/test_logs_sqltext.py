"""SQL text: quoting, and levels compared as levels."""

import duckdb
import pytest

from edgeslm.logs.sqltext import RESERVED_WORDS, identifier, ordered_levels, quote


def test_literals_and_identifiers_are_quoted() -> None:
    assert (quote("it's"), identifier("user"), identifier("order"), identifier('a"b')) == (
        "'it''s'",
        "user",
        '"order"',
        '"a""b"',
    )


@pytest.mark.parametrize(
    ("sql", "want"),
    [
        ("WHERE level >= 'WARN'", "WHERE level >= 'WARN'::log_level"),
        ("WHERE l.level>'error' AND x", "WHERE l.level>'ERROR'::log_level AND x"),
        ("WHERE 'WARN' <= level", "WHERE 'WARN'::log_level <= level"),
        ("level BETWEEN 'WARN' AND 'FATAL'", "level BETWEEN 'WARN'::log_level AND 'FATAL'::log_level"),
        ("level >= 'WARN' AND 'x' = y", "level >= 'WARN'::log_level AND 'x' = y"),
        ("level >= 'WARN'::log_level", "level >= 'WARN'::log_level"),
        ("level = 'WARN'", "level = 'WARN'"),
        ("level >= 'nope'", "level >= 'nope'"),
        ("message = 'level >= ''WARN'''", "message = 'level >= ''WARN'''"),
        ("-- level >= 'WARN'\n1", "-- level >= 'WARN'\n1"),
        ("my_level >= 'WARN' OR level_text > 'WARN'", "my_level >= 'WARN' OR level_text > 'WARN'"),
    ],
)
def test_a_level_is_ordered_as_a_level(sql: str, want: str) -> None:
    assert ordered_levels(sql) == want


def test_a_word_that_is_reserved_in_duckdb_is_quoted_and_binds() -> None:
    for name in ("left", "map", "array", "show", "unique", "user", "plain"):
        (row,) = duckdb.execute(f"SELECT {identifier(name)} FROM (SELECT 1 AS {identifier(name)})").fetchall()
        assert row == (1,)


def test_every_word_that_this_duckdb_reserves_is_known() -> None:
    reserved = duckdb.execute(
        "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"
    ).fetchall()
    assert {name for (name,) in reserved} - RESERVED_WORDS == set()
