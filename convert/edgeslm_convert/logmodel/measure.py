"""Execution accuracy of a planner on generated questions: its SQL and the intended SQL are run on the simulated log.

The log is a DuckDB table with the columns that the view would have; entity columns come from the view's own expressions.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from edgeslm.ask.expand import expand
from edgeslm.ask.link import link
from edgeslm.ask.planner import write_sql
from edgeslm.engine import Model
from edgeslm.errors import EdgeSlmError
from edgeslm.logs.entities import load_entities
from edgeslm_convert.logmodel.pair import Dropped, _Writer, profile_log
from edgeslm_convert.logmodel.questions import Asker
from edgeslm_convert.logmodel.simulate import Log, simulate

_LEVELS = "'TRACE', 'DEBUG', 'INFO', 'NOTICE', 'WARN', 'ERROR', 'FATAL'"


@dataclass
class Report:
    """tally: per intent and in all, [right, asked]; failures: readable."""

    tally: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    failures: list[str] = field(default_factory=list)


def open_table(log: Log) -> duckdb.DuckDBPyConnection:
    """A connection whose view `logs` holds a simulated log as `ask` would see it."""
    connection = duckdb.connect()
    kinds = {"pid": "BIGINT", "tid": "BIGINT", "status": "BIGINT", "bytes": "BIGINT", "duration": "DOUBLE", "level": f"ENUM({_LEVELS})"}
    columns = [name for name in log.columns if name not in ("ts", "message")]
    declared = ", ".join(f"{name} {kinds.get(name, 'VARCHAR')}" for name in columns)
    connection.execute(f"CREATE TABLE raw (line_no BIGINT, ts TIMESTAMP, message VARCHAR, line VARCHAR{', ' + declared if declared else ''})")
    rows: list[list[Any]] = []
    for number, record in enumerate(log.records, 1):
        shown = " ".join(str(record[name]) for name in columns)
        rows.append([number, record["ts"], record["message"], f"{record['ts']} {shown} {record['message']}", *(record[name] for name in columns)])
    connection.executemany(f"INSERT INTO raw VALUES ({', '.join('?' * (4 + len(columns)))})", rows)
    extra = [f"{entity.sql('message')} AS {name}" for name, entity in load_entities().items() if name not in columns]
    connection.execute(f"CREATE VIEW logs AS SELECT *{''.join(', ' + one for one in extra)} FROM raw")
    return connection


def measure(path: Path, *, logs: int, seed: int, holdout: bool) -> Report:
    """Ask about `logs` simulated logs; holdout: with the sources and wordings that training never saw."""
    report = Report()
    with Model(path) as model:
        for number in range(logs):
            rng = random.Random(seed * 7919 + number)
            log = simulate(rng, held_out=holdout)
            profile = profile_log(log)
            asker = Asker(log, rng, holdout=holdout)
            connection = open_table(log)
            for _ in range(12):
                question = asker.ask()
                if question is None:
                    continue
                candidates = link(question.text, profile, now=question.now or log.records[-1]["ts"])
                try:
                    wanted = _Writer(question, log, candidates).sql()
                except Dropped:
                    continue
                try:
                    written, _ = write_sql(model, candidates)
                    right = written == wanted or _rows(connection, expand(written, candidates)) == _rows(connection, expand(wanted, candidates))
                except (EdgeSlmError, duckdb.Error) as error:
                    written, right = f"{type(error).__name__}: {error}", False
                for key in ("all", question.intent):
                    report.tally[key][0] += right
                    report.tally[key][1] += 1
                if not right:
                    report.failures.append(f"{question.intent}: {candidates.annotated}\n  wanted {wanted}\n  wrote  {written}")
            connection.close()
    return report


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    rows = connection.execute(sql).fetchall()
    return rows if "ORDER BY" in sql and "LIMIT" not in sql else sorted(rows, key=str)
