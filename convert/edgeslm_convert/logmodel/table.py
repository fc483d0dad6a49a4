"""A simulated log as a DuckDB table with the columns that the view would have, and what queries over it return.

Entity columns are the view's own expressions. Knows neither questions nor models.
"""

from collections.abc import Sequence
from typing import Any

import duckdb

from edgeslm.ask.expand import quote
from edgeslm.ask.profile import LEVELS
from edgeslm.logs.entities import load_entities
from edgeslm.logs.sqltext import ordered_levels
from edgeslm_convert.logmodel.simulate import Log

_TYPES = {
    "pid": "BIGINT", "tid": "BIGINT", "status": "BIGINT", "bytes": "BIGINT", "duration": "DOUBLE", "level": "log_level",
}  # fmt: skip


def open_table(log: Log) -> duckdb.DuckDBPyConnection:
    """A connection whose view `logs` holds a simulated log as `ask` would see it."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(f"CREATE TYPE log_level AS ENUM ({', '.join(quote(level) for level in LEVELS)})")
    columns = [name for name in log.columns if name not in ("ts", "message")]
    declared = ["line_no BIGINT", "ts TIMESTAMP", "message VARCHAR", "line VARCHAR"]
    declared += [f"{name} {_TYPES.get(name, 'VARCHAR')}" for name in columns]
    connection.execute(f"CREATE TABLE raw ({', '.join(declared)})")
    values = {name: [record[name] for record in log.records] for name in ("ts", "message", *columns)}
    held = zip(*(values[name] for name in ("ts", *columns, "message")), strict=True)
    lines = [" ".join(map(str, parts)) for parts in held]
    numbers = list(range(1, len(lines) + 1))
    filled = [numbers, values["ts"], values["message"], lines, *(values[name] for name in columns)]
    connection.execute(f"INSERT INTO raw SELECT {', '.join(['unnest(?)'] * len(declared))}", filled)
    read = [f"{entity.sql('message')} AS {name}" for name, entity in load_entities().items() if name not in columns]
    connection.execute(f"CREATE VIEW logs AS SELECT {', '.join(['*', *read])} FROM raw")
    return connection


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query; in an order of their own where the query gives them none that counts."""
    rows = connection.execute(ordered_levels(sql)).fetchall()
    return rows if "ORDER BY" in sql and "LIMIT" not in sql else sorted(rows, key=str)


def is_empty(rows: Sequence[Sequence[Any]]) -> bool:
    """The answer says that there is nothing: no row, nothing but NULL, or a count of 0."""
    held = [value for row in rows for value in row]
    return all(value is None for value in held) or held == [0]
