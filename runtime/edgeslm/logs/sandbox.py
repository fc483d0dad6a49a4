"""A DuckDB that can read the given files and nothing else, and a query that is one SELECT and ends in time.

Refuses to know what the view means. Invariant: after `locked_connection` no setting can change, no other file can be
read, none can be written, no extension loaded; a query that runs too long or needs too much memory is an error.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeslm.errors import QueryError
from edgeslm.logs.levels import LEVELS
from edgeslm.logs.scratch import scratch_directory
from edgeslm.logs.sqltext import quote

if TYPE_CHECKING:
    import duckdb
else:
    # The C module alone: the Python package around it brings metadata, sockets and e-mail, 0.13 s of every start.
    try:
        import _duckdb as duckdb
    except ImportError:
        import duckdb

MAX_SQL = 20_000
MAX_SPILL = "2GB"


@dataclass(frozen=True)
class Result:
    """What a query gave: column names, DuckDB type names, rows."""

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]


def locked_connection(
    paths: Sequence[Path], views: dict[str, str], *, memory_limit_mb: int, threads: int | None
) -> duckdb.DuckDBPyConnection:
    """An in-memory database with these views over these files, closed to everything else."""
    spill = scratch_directory() / "spill"
    spill.mkdir(mode=0o700, exist_ok=True)
    config: dict[str, Any] = {
        "memory_limit": f"{memory_limit_mb}MB",
        "temp_directory": str(spill),
        "max_temp_directory_size": MAX_SPILL,
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",
        "allow_community_extensions": "false",
    }
    if threads:
        config["threads"] = threads
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET allowed_paths = [" + ", ".join(quote(str(path)) for path in paths) + "]")
    connection.execute(f"SET allowed_directories = [{quote(str(spill))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("CREATE TYPE log_level AS ENUM (" + ", ".join(quote(level) for level in LEVELS) + ")")
    for name, select in views.items():
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS {select}")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET lock_configuration = true")
    return connection


def run_select(connection: duckdb.DuckDBPyConnection, sql: str, timeout_s: float) -> Result:
    """The result of one SELECT. Raises QueryError for any other statement, a failure, or a run beyond timeout_s."""
    _refuse_other(connection, sql)
    expired = threading.Event()

    def stop() -> None:
        expired.set()
        connection.interrupt()

    timer = threading.Timer(timeout_s, stop)
    timer.daemon = True
    timer.start()
    try:
        connection.execute(sql)
        description = connection.description or []
        rows = connection.fetchall()
    except duckdb.Error as error:
        raise _query_error(error, expired.is_set(), timeout_s) from error
    finally:
        timer.cancel()
        timer.join()
    return Result([d[0] for d in description], [str(d[1]) for d in description], rows)


def _refuse_other(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    if len(sql) > MAX_SQL:
        raise QueryError("the SQL is too long", reason=f"{len(sql):,} characters, at most {MAX_SQL:,} are taken")
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise _query_error(error, False, 0) from error
    if not statements:
        raise QueryError("there is no SQL to run")
    if len(statements) > 1:
        raise QueryError("only one statement is run at a time", reason=f"this is {len(statements)}")
    kind = statements[0].type.name
    if kind != "SELECT":
        raise QueryError(f"{kind.replace('_', ' ')} is refused", reason="only SELECT is allowed on a log")


def _query_error(error: duckdb.Error, expired: bool, timeout_s: float) -> QueryError:
    text = str(error)
    if expired:
        return QueryError(f"the query took longer than {timeout_s:g} s", hint="narrow it, or allow it more time")
    if isinstance(error, duckdb.PermissionException):
        return QueryError("the query is refused", reason="it reaches outside the log: " + _first_line(text))
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError("the query needs too much memory", hint="narrow it, or raise the memory limit")
    if isinstance(error, duckdb.InterruptException):
        return QueryError("the query was interrupted")
    return QueryError("the query failed", reason=_first_line(text))


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0]
