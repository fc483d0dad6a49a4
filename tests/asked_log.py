"""A small login log for tests of `ask`: its records, its profile, and a DuckDB view `logs` over them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import duckdb

from edgeslm.ask.profile import LEVELS, ColumnInfo, Profile, build_profile
from edgeslm.logs.entities import load_entities

START = datetime(2024, 5, 3, 8, 0)
COLUMNS = [
    ColumnInfo("host", "text"),
    ColumnInfo("app", "text"),
    ColumnInfo("pid", "integer"),
    ColumnInfo("level", "level"),
    ColumnInfo("ip", "text", True),
    ColumnInfo("port", "integer", True),
    ColumnInfo("user", "text", True),
]


def make_records(count: int = 120) -> list[dict[str, Any]]:
    """So many records, one every 30 seconds: refused and accepted passwords, slow backups, a full disk."""
    records: list[dict[str, Any]] = []
    for number in range(count):
        user, address = ("root", "alice", "bob")[number % 3], f"10.0.0.{number // 4 % 4 + 1}"
        message, app, level = [
            (f"Failed password for {user} from {address} port {4000 + number} ssh2", "sshd", "WARN"),
            (f"Accepted password for {user} from {address} port {4000 + number} ssh2", "sshd", "INFO"),
            (f"backup of volume vol{number % 5} took {number * 7} ms", "backupd", "INFO"),
            (f"disk full on device sd{'abcd'[number // 4 % 4]}1, {number % 9} blocks lost", "kernel", "ERROR"),
        ][number * 7 % 4]
        moment = START + timedelta(seconds=30 * number)
        host = ("gate", "vault")[number // 60]
        records.append(
            {"ts": moment, "host": host, "app": app, "pid": 100 + number % 6, "level": level, "message": message}
        )
    return records


def make_profile(records: list[dict[str, Any]] | None = None) -> Profile:
    return build_profile(records if records is not None else make_records(), COLUMNS)


def open_view(records: list[dict[str, Any]] | None = None) -> duckdb.DuckDBPyConnection:
    """A connection whose view `logs` has the columns that a syslog's view has."""
    connection = duckdb.connect()
    levels = ", ".join(f"'{level}'" for level in LEVELS)
    connection.execute(f"CREATE TYPE log_level AS ENUM ({levels})")
    connection.execute(
        "CREATE TABLE raw (line_no BIGINT, ts TIMESTAMP, host VARCHAR, app VARCHAR, pid BIGINT, level log_level,"
        " message VARCHAR, line VARCHAR)"
    )
    rows = []
    for number, record in enumerate(records if records is not None else make_records(), 1):
        held = [record[name] for name in ("ts", "host", "app", "pid", "level", "message")]
        rows.append([number, *held, " ".join(str(part) for part in held)])
    connection.executemany("INSERT INTO raw VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    read = ", ".join(f"{entity.sql('message')} AS {name}" for name, entity in load_entities().items())
    connection.execute(f"CREATE VIEW logs AS SELECT *, {read} FROM raw")
    return connection
