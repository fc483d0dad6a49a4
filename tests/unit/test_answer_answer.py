"""Answers put together over a small table, and the lines that prove them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import pytest

from edgeslm.answer.answer import Answer, Query, find_answer, show_only
from edgeslm.answer.values import plain, shown
from edgeslm.errors import QueryError

GAP = "SELECT max(gap) FROM (SELECT epoch(ts) - epoch(lag(ts) OVER (ORDER BY ts)) AS gap FROM logs"


@dataclass
class FakeResult:
    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]


@dataclass
class FakeLine:
    file: str
    line_no: int
    text: str


@dataclass
class FakeCounts:
    read: int
    unparsed: int


@dataclass
class FakeFormat:
    name: str = "syslog"


@dataclass
class FakeColumn:
    name: str


@dataclass
class FakeLog:
    """20 lines: even ones are failures of 10.0.0.(n mod 3), one a minute; keeps the SQL it was asked."""

    asked: list[str] = field(default_factory=list)
    columns: list[FakeColumn] = field(default_factory=list)
    notes: list[str] = field(default_factory=lambda: ["a line was cut"])
    format: FakeFormat = field(default_factory=FakeFormat)
    time_scale: str = "calendar"

    def __post_init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(
            "CREATE TABLE logs AS SELECT n AS line_no, TIMESTAMP '2015-12-10 06:00:00' + INTERVAL (n) MINUTE AS ts,"
            " 'Failed' AS message, '10.0.0.' || (n % 3) AS ip, n * 10 AS bytes FROM range(1, 21) t(n) WHERE n % 2 = 0"
            " UNION ALL SELECT n, TIMESTAMP '2015-12-10 06:00:00' + INTERVAL (n) MINUTE, 'ok', NULL, n"
            " FROM range(1, 21) t(n) WHERE n % 2 = 1 ORDER BY 1"
        )

    def query(self, sql: str, *, timeout_s: float = 20.0) -> FakeResult:
        self.asked.append(sql)
        try:
            relation = self.connection.execute(sql)
        except duckdb.Error as error:
            raise QueryError("the query failed", reason=str(error)) from None
        columns = relation.description or []
        return FakeResult([c[0] for c in columns], [str(c[1]) for c in columns], relation.fetchall())

    def lines(self, line_nos: Sequence[Any]) -> list[FakeLine]:
        places = [n if isinstance(n, tuple) else ("auth.log", n) for n in line_nos]
        return [FakeLine(file, n, f"line {n}") for file, n in places]

    def counts(self) -> FakeCounts:
        return FakeCounts(20, 1)


def ask(sql: str, *, time_scale: str = "calendar", **more: Any) -> tuple[Answer, FakeLog]:
    log = FakeLog(time_scale=time_scale)
    return find_answer(log, Query(sql, **more)), log


def proof(answer: Answer) -> list[int]:
    return [line.line_no for line in answer.evidence]


def test_an_answer_has_everything_the_contract_names() -> None:
    answer, _ = ask(
        "SELECT count(*) AS n FROM logs WHERE message = 'Failed'", subject="failures", timing_ms={"plan": 3.0}
    )
    assert answer.columns == ["n"]
    assert answer.rows == [(10,)]
    assert answer.sentence == "There were 10 failures."
    assert proof(answer) == [2, 4, 6, 8, 10]
    assert (answer.lines_read, answer.lines_unparsed, answer.format) == (20, 1, "syslog")
    assert set(answer.timing_ms) == {"plan", "query", "evidence", "counts"}
    assert answer.exit_status == 0
    assert answer.notes == ["a line was cut"]


@pytest.mark.parametrize(
    "groups", ["GROUP BY ip ORDER BY n DESC, ip", "GROUP BY ALL ORDER BY 2 DESC, 1", "GROUP BY 1 ORDER BY n DESC, 1"]
)
def test_a_cut_ranking_gets_its_total_in_the_same_scan(groups: str) -> None:
    sql = f"SELECT ip, count(*) AS n FROM logs WHERE message = 'Failed' {groups} LIMIT 2"
    answer, log = ask(sql)
    assert answer.sentence == "10.0.0.2 had the most matching lines: 4 of 10."
    assert (answer.columns, answer.rows) == (["ip", "n"], [("10.0.0.2", 4), ("10.0.0.0", 3)])
    assert answer.query.sql == sql
    assert proof(answer) == [2, 4, 6, 8, 10]
    assert len(log.asked) == 2


def test_a_ranking_of_nothing_has_no_total() -> None:
    answer, _ = ask("SELECT ip, count(*) AS n FROM logs WHERE bytes > 1000 GROUP BY ip ORDER BY n DESC LIMIT 2")
    assert answer.sentence == "There were no matching lines."


def test_the_error_of_a_ranking_is_that_of_the_query_as_written() -> None:
    sql = "SELECT nonsense, count(*) AS n FROM logs GROUP BY nonsense ORDER BY n DESC LIMIT 2"
    log = FakeLog()
    with pytest.raises(QueryError):
        find_answer(log, Query(sql))
    assert log.asked[-1] == sql


def test_the_condition_for_the_proof_may_be_another() -> None:
    answer, _ = ask(
        "SELECT ip, count(*) AS n FROM logs GROUP BY ip ORDER BY n DESC LIMIT 1", evidence_where="bytes > 150"
    )
    assert proof(answer) == [16, 18, 20]


def test_lines_in_the_result_are_the_proof_and_cost_no_query() -> None:
    answer, log = ask("SELECT line_no, message FROM logs WHERE bytes > 100 ORDER BY line_no")
    assert proof(answer) == [12, 14, 16, 18, 20]
    assert len(log.asked) == 1


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        ("SELECT min(ts) FROM logs WHERE message = 'ok' OR message = 'none'", [1]),
        ("SELECT max(ts) FROM logs WHERE message = 'Failed'", [20]),
        ("SELECT min(ts), max(ts) FROM logs", [1, 20]),
        ("SELECT max(bytes) FROM logs", [20]),
        ("SELECT max(ip) FROM logs", [2]),
        ("SELECT ts FROM logs WHERE ip IS NOT NULL ORDER BY ts DESC LIMIT 1", [20]),
        ("SELECT ip AS address FROM logs WHERE ip IS NOT NULL ORDER BY address LIMIT 1", [6]),
        ("SELECT avg(bytes) FROM logs WHERE message = 'Failed'", [2, 4, 6, 8, 10]),
        ("SELECT DISTINCT ip FROM logs WHERE message = 'Failed'", [2, 4, 6, 8, 10]),
        ("SELECT epoch(max(ts)) - epoch(min(ts)) FROM logs WHERE message = 'Failed'", [2, 20]),
        (
            "SELECT epoch(min(ts) FILTER (WHERE bytes > 50)) - epoch(min(ts) FILTER (WHERE ip = '10.0.0.1')) FROM logs",
            [6, 4],
        ),
        (
            "SELECT abs(epoch(min(ts) FILTER (WHERE bytes > 50)) - "
            "epoch(min(ts) FILTER (WHERE ip = '10.0.0.1'))) FROM logs",
            [6, 4],
        ),
        (f"{GAP} WHERE line_no NOT IN (7, 8, 9))", [6, 10]),
        ("WITH t AS (SELECT * FROM logs) SELECT count(*) FROM t", [1, 2, 3, 4, 5]),
    ],
)
def test_the_lines_that_prove_it(sql: str, lines: list[int]) -> None:
    answer, _ = ask(sql)
    assert proof(answer) == lines


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        ("SELECT line_no FROM logs WHERE bytes > 150 AND line_no < 19", [("b", 16), ("b", 18)]),
        ("SELECT source, line_no FROM logs WHERE bytes > 150 AND line_no < 19", [("b", 16), ("b", 18)]),
        ("SELECT ip, count(*) AS n FROM logs GROUP BY ip ORDER BY n LIMIT 1", [("a", i) for i in range(1, 6)]),
        ("SELECT max(ts) FROM logs", [("b", 20)]),
        (f"{GAP} WHERE line_no NOT IN (10, 11, 12))", [("a", 9), ("b", 13)]),
    ],
)
def test_with_several_files_a_line_is_proved_by_its_file_and_number(sql: str, lines: list[tuple[str, int]]) -> None:
    log = FakeLog(columns=[FakeColumn("line_no"), FakeColumn("source")])
    log.connection.execute("ALTER TABLE logs ADD COLUMN source TEXT")
    log.connection.execute("UPDATE logs SET source = CASE WHEN line_no < 10 THEN 'a' ELSE 'b' END")
    found = find_answer(log, Query(sql)).evidence
    assert [(line.file, line.line_no) for line in found] == lines


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM logs WHERE bytes > 1000",
        "SELECT min(ts) FROM logs WHERE bytes > 1000",
        "SELECT ip FROM logs WHERE bytes > 1000",
    ],
)
def test_nothing_found_has_no_proof_and_status_1(sql: str) -> None:
    answer, log = ask(sql)
    assert answer.exit_status == 1
    assert answer.evidence == []
    assert len(log.asked) == 1
    assert answer.sentence.startswith("There were no")


def test_a_count_of_zero_is_still_a_row() -> None:
    answer, _ = ask("SELECT count(*) FROM logs WHERE bytes > 1000")
    assert answer.rows == [(0,)]


def test_proof_that_cannot_be_searched_for_leaves_the_answer_standing() -> None:
    answer, _ = ask("SELECT count(*) FROM logs", evidence_where="no_such_column = 1")
    assert answer.rows == [(20,)]
    assert answer.evidence == []


def test_a_query_that_fails_is_the_callers_error() -> None:
    with pytest.raises(QueryError, match="the query failed"):
        ask("SELECT nonsense FROM logs")


def test_a_query_can_be_shown_without_being_run() -> None:
    log = FakeLog()
    answer = show_only(log, Query("SELECT 1", question="q", now=datetime(2015, 1, 1)))
    assert (log.asked, answer.rows, answer.lines_read, answer.exit_status) == ([], [], None, 0)


def test_a_log_without_dates_gets_none() -> None:
    last = "SELECT max(ts) FROM logs WHERE message = 'Failed'"
    assert ask(last)[0].sentence == "The last matching line was at 2015-12-10T06:20:00."
    answer, _ = ask(last, time_scale="day")
    assert answer.sentence == "The last matching line was at 06:20:00."
    assert proof(answer) == [20]
    now = datetime(1970, 1, 1, 9, 30)
    recent, _ = ask(
        "SELECT count(*) FROM logs WHERE ts > TIMESTAMP '2015-12-10'", time_scale="day", now=now, now_source="log end"
    )
    assert recent.sentence == "There were 20 matching lines (counting back from the log's last line, 09:30:00)."
    hours, _ = ask(
        "SELECT date_trunc('hour', ts) AS hour, count(*) AS n FROM logs GROUP BY hour ORDER BY hour", time_scale="day"
    )
    assert [[shown(value) for value in row] for row in hours.rows] == [["06:00", "20"]]
    spans, _ = ask("SELECT epoch(max(ts)) - epoch(min(ts)) FROM logs", time_scale="day")
    assert spans.rows == [(1140.0,)]


def test_a_log_that_counts_from_the_boot_is_answered_so() -> None:
    since = (datetime(2015, 12, 10, 6, 20) - datetime(1970, 1, 1)).total_seconds()
    answer, _ = ask("SELECT max(ts) AS last, 7 AS n FROM logs WHERE message = 'Failed'", time_scale="boot")
    assert [plain(value) for value in answer.rows[0]] == [since, 7]
