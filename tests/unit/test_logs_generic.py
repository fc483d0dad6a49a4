"""Formats built for logs never seen before."""

from datetime import datetime
from typing import Any

import pytest

from edgeslm.logs.detect import detect_format
from edgeslm.logs.stamps import Clock

T = datetime(2024, 5, 3, 21, 14, 9)
CASES: list[tuple[list[str], dict[str, Any]]] = [
    (
        ["13/05/2024 21:14:19|ERROR|gateway|no route", "14/05/2024 21:14:19|INFO|gateway|route"],
        {"ts": datetime(2024, 5, 13, 21, 14, 19), "level": "ERROR", "component": "gateway", "message": "no route"},
    ),
    (
        ["1714770849 worker[77]: done", "1714770850 worker[78]: start"],
        {"ts": T, "app": "worker", "pid": 77, "message": "done"},
    ),
    (
        ["20240503T211409 I net: up", "20240503T211410 E net: down"],
        {"ts": T, "level": "INFO", "component": "net", "message": "up"},
    ),
    (
        ["pump-1 M 03 May 2024 21:14:09.123 * Ready", "pump-1 M 03 May 2024 21:14:10.123 # Warning"],
        {"ts": T.replace(microsecond=123000)},
    ),
    (
        ["2024-05-03T21:14:09Z INFO  my_crate::net > connected"],
        {"ts": T, "level": "INFO", "component": "my_crate::net"},
    ),
    (
        ["[21:14:09] [Server thread/WARN]: behind"],
        {"ts": datetime(1970, 1, 1, 21, 14, 9), "level": "WARN", "thread": "Server thread"},
    ),
    (
        ["05.03.2024 21:14:09.123 | WARN  | MODBUS/line2 | read timeout", "05.03.2024 21:14:10.200 | INFO  | HMI | up"],
        {"ts": datetime(2024, 3, 5, 21, 14, 9, 123000), "level": "WARN", "component": "MODBUS/line2"},
    ),
    (
        ["14.06.2024 00:00:41  INFO  gateway  upload ok", "14.06.2024 00:03:12  DEBUG batt     balancing  now"],
        {"ts": datetime(2024, 6, 14, 0, 0, 41), "level": "INFO", "component": "gateway", "message": "upload ok"},
    ),
    (["14.06.2024 00:00:41 INFO upload ok"], {"message": "upload ok"}),
    (["ERROR something", "INFO fine"], {"ts": None, "level": "ERROR", "message": "something"}),
]


@pytest.mark.parametrize(("lines", "want"), CASES)
def test_a_format_is_built_for_an_unknown_log(lines: list[str], want: dict[str, Any]) -> None:
    format = detect_format(lines * 10)
    row = format.record(lines[0], 1, Clock(2024))
    assert format.name == "generic"
    assert {name: row[name] for name in want} == want


def test_text_without_time_and_level_is_plain() -> None:
    assert detect_format(["some words", "and others here"]).name == "plain"


def test_a_log_of_mostly_stack_traces_keeps_its_format() -> None:
    head = "2019-02-11 07:30:12,004 WARN [worker 1] org.example.Server: slow"
    assert detect_format([head, *["\tat org.example.X.y(X.java:1)"] * 4] * 20).name == "hadoop"
