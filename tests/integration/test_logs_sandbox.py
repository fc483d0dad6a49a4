"""The sandbox: one SELECT over the log and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeslm.errors import QueryError
from edgeslm.logs import LogSet, open_logs
from edgeslm.logs.sandbox import MAX_SQL


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogSet]:
    path = tmp_path_factory.mktemp("logs") / "x.log"
    path.write_text("Jan  1 00:00:00 h a[1]: one\nJan  1 00:00:01 h a[1]: two\n")
    with open_logs([path], year=2024) as opened:
        yield opened


def refusal(logs: LogSet, sql: str, timeout_s: float = 20.0) -> QueryError:
    with pytest.raises(QueryError) as caught:
        logs.query(sql, timeout_s=timeout_s)
    return caught.value


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM logs",
        "WITH a AS (SELECT * FROM logs) SELECT count(*) FROM a",
        "FROM logs SELECT count(*)",
        "SELECT count(*) FROM logs;",
    ],
)
def test_a_select_is_run(logs: LogSet, sql: str) -> None:
    result = logs.query(sql)
    assert (result.columns, result.types, result.rows) == (["count_star()"], ["BIGINT"], [(2,)])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('/etc/hostname')",
        "SELECT * FROM read_blob('/etc/host*')",
        "SELECT * FROM read_json('/etc/hostname')",
        "SELECT * FROM read_parquet('/etc/hostname')",
        "SELECT * FROM sniff_csv('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
    ],
)
def test_another_file_cannot_be_read(logs: LogSet, sql: str) -> None:
    error = refusal(logs, sql)
    assert error.message == "the query is refused"
    assert error.reason.startswith("it reaches outside the log: Permission Error")


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("COPY logs TO '{path}'", "COPY"),
        ("COPY (SELECT 1) TO '{path}'", "COPY"),
        ("EXPORT DATABASE '{path}'", "EXPORT"),
        ("ATTACH '{path}'", "ATTACH"),
        ("INSTALL httpfs", "LOAD"),
        ("LOAD json", "LOAD"),
        ("SET threads = 4", "SET"),
        ("RESET memory_limit", "SET"),
        ("PRAGMA version", "PRAGMA"),
        ("CALL pragma_version()", "CALL"),
        ("CREATE TABLE t (i INT)", "CREATE"),
        ("DROP VIEW logs", "DROP"),
        ("INSERT INTO logs VALUES (1)", "INSERT"),
        ("DELETE FROM logs", "DELETE"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("PREPARE x AS SELECT 1", "PREPARE"),
    ],
)
def test_anything_but_a_select_is_refused(logs: LogSet, sql: str, what: str, tmp_path: Path) -> None:
    error = refusal(logs, sql.format(path=tmp_path / "out"))
    assert (error.message, error.reason) == (f"{what} is refused", "only SELECT is allowed on a log")
    assert list(tmp_path.iterdir()) == []


def test_settings_are_locked_even_past_the_statement_check(logs: LogSet) -> None:
    with pytest.raises(Exception, match="locked"):
        logs.connection.execute("SET enable_external_access = true")


def test_the_connection_itself_cannot_write_files(logs: LogSet, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="Permission Error"):
        logs.connection.execute(f"COPY (SELECT 1) TO '{tmp_path}/out.csv'")


def test_python_variables_are_out_of_reach(logs: LogSet) -> None:
    secret = [("secret",)]
    assert refusal(logs, "SELECT * FROM secret").message == "the query failed", secret


def test_several_statements_are_refused(logs: LogSet) -> None:
    error = refusal(logs, "SELECT 1; DROP VIEW logs")
    assert (error.message, error.reason) == ("only one statement is run at a time", "this is 2")


def test_no_statement_is_refused(logs: LogSet) -> None:
    assert refusal(logs, " -- nothing").message == "there is no SQL to run"


def test_wrong_sql_says_what_is_wrong(logs: LogSet) -> None:
    error = refusal(logs, "SELECT nothing FROM logs")
    assert error.message == "the query failed"
    assert error.reason.startswith('Binder Error: Referenced column "nothing" not found')


def test_sql_of_any_length_is_not_taken(logs: LogSet) -> None:
    assert refusal(logs, "SELECT 1 --" + "x" * MAX_SQL).message == "the SQL is too long"


def test_a_query_that_runs_too_long_is_stopped_and_the_next_one_runs(logs: LogSet) -> None:
    error = refusal(logs, "SELECT count(*) FROM range(100000000000) a, range(1000000) b", timeout_s=0.3)
    assert error.message == "the query took longer than 0.3 s"
    assert logs.query("SELECT count(*) FROM logs").rows == [(2,)]


def test_a_query_that_needs_too_much_memory_is_an_error(logs: LogSet) -> None:
    sql = "SELECT length(string_agg(repeat('x', 1000000), '')) FROM range(3000)"
    assert refusal(logs, sql).message == "the query needs too much memory"


def test_a_sort_larger_than_memory_spills_and_is_right(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("".join(f"{n * 7919 % 300_007:>9} {'y' * 200}\n" for n in range(300_000)))
    with open_logs([path], memory_limit_mb=40, threads=2) as logs:
        assert logs.query("SELECT count(*), count(DISTINCT line) FROM logs").rows == [(300_000, 300_000)]
