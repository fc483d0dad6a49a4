"""Values of a result as JSON, CSV and people read them."""

import math
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from edgeslm.answer.values import TimeBucket, TimeOfDay, duration, is_nothing, number, plain, shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (2**100, 2**100),
        (1.5, 1.5),
        (math.nan, None),
        (math.inf, None),
        (Decimal("12"), 12),
        (Decimal("12.50"), 12.5),
        (Decimal("NaN"), None),
        (datetime(2015, 12, 10, 6, 55, 46), "2015-12-10T06:55:46"),
        (datetime(2015, 12, 10, 6, 55, 46, 120_000), "2015-12-10T06:55:46.120"),
        (datetime(2015, 12, 10, 6, 55, 46, 120_001), "2015-12-10T06:55:46.120001"),
        (datetime(2015, 12, 10, 6, 55, 46, tzinfo=UTC), "2015-12-10T06:55:46+00:00"),
        (date(2015, 12, 10), "2015-12-10"),
        (time(6, 55), "06:55:00"),
        (timedelta(hours=1), 3600),
        (timedelta(milliseconds=1500), 1.5),
        (b"ab\xff", "ab\\xff"),
        ([Decimal("1"), None], [1, None]),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_a_value_for_programs(value: Any, expected: Any) -> None:
    got = plain(value)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (False, "false"),
        (1 / 3, "0.333333"),
        (123456.789, "123456.79"),
        (2.0, "2"),
        (timedelta(hours=4, minutes=8, seconds=59), "4:08:59"),
        (datetime(2015, 12, 10), "2015-12-10T00:00:00"),
        ("x", "x"),
    ],
)
def test_a_value_for_people(value: Any, expected: str) -> None:
    assert shown(value) == expected


def test_numbers_in_sentences_are_grouped() -> None:
    assert number(1234567, grouped=True) == "1,234,567"
    assert number(1234.5, grouped=True) == "1,234.5"
    assert number(12345.678, grouped=True) == "12,345.68"
    assert number(1e-9) == "1e-09"


def test_durations() -> None:
    assert duration(timedelta(days=1, seconds=61)) == "1 day 0:01:01"
    assert duration(timedelta(days=2, microseconds=500_000)) == "2 days 0:00:00.5"
    assert duration(-timedelta(seconds=1)) == "-0:00:01"


@pytest.mark.parametrize(
    ("rows", "nothing"),
    [
        ([], True),
        ([(0,)], True),
        ([(None,)], True),
        ([(None, 0)], True),
        ([(timedelta(0),)], True),
        ([(Decimal("0"),)], True),
        ([(0, 1)], False),
        ([("",)], False),
        ([(0,), (0,)], False),
    ],
)
def test_what_counts_as_nothing(rows: list[tuple[Any, ...]], nothing: bool) -> None:
    assert is_nothing(rows) is nothing


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("day", "2015-12-10"),
        ("hour", "2015-12-10T06"),
        ("minute", "2015-12-10T06:55"),
        ("second", "2015-12-10T06:55:00"),
        ("10 minutes", "2015-12-10T06:55:00"),
    ],
)
def test_a_time_that_stands_for_a_whole_unit_is_written_no_finer(unit: str, written: str) -> None:
    bucket = TimeBucket.of(datetime(2015, 12, 10, 6, 55), unit)
    assert (plain(bucket), shown(bucket)) == (written, written)
    assert bucket == datetime(2015, 12, 10, 6, 55)


@pytest.mark.parametrize(
    ("unit", "written"),
    [("", "06:55:07.250"), ("second", "06:55:07.250"), ("minute", "06:55"), ("hour", "06:55"), ("day", "no date")],
)
def test_a_time_without_a_date_is_written_without_one(unit: str, written: str) -> None:
    moment = datetime(1970, 1, 1, 6, 55, 7, 250000)
    assert (plain(TimeOfDay.of(moment, unit)), shown(TimeOfDay.of(moment, unit))) == (written, written)
