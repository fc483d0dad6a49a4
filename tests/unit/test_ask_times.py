"""Time words: what each way of writing a time resolves to, where dates come from, and what is no time."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from itertools import pairwise

import duckdb
import pytest

from edgeslm.ask.times import TimeRange, find_times

NOW = datetime(2024, 5, 3, 12, 0)
DAYS = (datetime(2024, 5, 1, 6), datetime(2024, 5, 3, 11))  # Wednesday to Friday
ONE_DAY = (datetime(2024, 5, 3, 6), datetime(2024, 5, 3, 11))
END = time.max


def only(question: str, *, now: datetime = NOW, log_range: tuple[datetime, datetime] | None = DAYS) -> TimeRange:
    found = find_times(question, now=now, log_range=log_range)
    assert len(found) == 1, found
    assert question[found[0].at[0] : found[0].at[1]] == found[0].text
    return found[0]


@pytest.mark.parametrize(
    ("words", "back"),
    [
        ("in the last 30 minutes", timedelta(minutes=30)),
        ("in the last 30 min", timedelta(minutes=30)),
        ("over the past two hours", timedelta(hours=2)),
        ("last 24h", timedelta(hours=24)),
        ("last hour", timedelta(hours=1)),
        ("in the past day", timedelta(days=1)),
        ("during the previous 3 days", timedelta(days=3)),
        ("in the last couple of weeks", timedelta(weeks=2)),
        ("since 45 seconds ago", timedelta(seconds=45)),
        ("in the Last Five Minutes", timedelta(minutes=5)),
        ("within the last forty-five minutes", timedelta(minutes=45)),
    ],
)
def test_relative_times_count_back_from_now(words: str, back: timedelta) -> None:
    found = only(f"how many errors {words}?")
    assert (found.start, found.end, found.relative) == (NOW - back, NOW, True)


def test_relative_times_roll_over_month_and_year() -> None:
    found = only("errors in the last 2 days", now=datetime(2024, 1, 1, 6))
    assert found.start == datetime(2023, 12, 30, 6)
    assert only("errors in the last 36 hours", now=datetime(2024, 3, 1)).start == datetime(2024, 2, 28, 12)


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("on 2024-05-02", (2, time(0)), (2, END)),
        ("on May 2", (2, time(0)), (2, END)),
        ("on 2 May", (2, time(0)), (2, END)),
        ("on the 2nd of May", (2, time(0)), (2, END)),
        ("on the 2nd", (2, time(0)), (2, END)),
        ("on Thursday", (2, time(0)), (2, END)),
        ("on thursday, may 2nd", (2, time(0)), (2, END)),
        ("on May 2, 2024", (2, time(0)), (2, END)),
        ("today", (3, time(0)), (3, END)),
        ("yesterday", (2, time(0)), (2, END)),
        ("on May 2 between 08:00 and 09:30", (2, time(8)), (2, time(9, 30))),
        ("from 8 am to 9 am on May 2", (2, time(8)), (2, time(9))),
        ("between 08:00:05 and 09:00:10 on 2024-05-02", (2, time(8, 0, 5)), (2, time(9, 0, 10))),
        ("from May 1 to May 2", (1, time(0)), (2, END)),
        ("between 2024-05-01 22:00 and 2024-05-02 04:00", (1, time(22)), (2, time(4))),
        ("on May 2 after 7pm", (2, time(19)), (2, END)),
        ("yesterday after 7 pm", (2, time(19)), (2, END)),
        ("after 7pm on May 2", (2, time(19)), (2, END)),
        ("on May 2 before noon", (2, time(0)), (2, time(11, 59, 59, 999999))),
        ("at 10:15 on May 2", (2, time(10, 15)), (2, time(10, 15, 59, 999999))),
        ("on Thursday morning", (2, time(6)), (2, time(11, 59, 59, 999999))),
        ("Thursday in the Morning", (2, time(6)), (2, time(11, 59, 59, 999999))),
        ("yesterday evening", (2, time(18)), (2, END)),
        ("from 23:00 to 01:00 on May 1", (1, time(23)), (2, time(1))),
    ],
)
def test_dates_and_clocks_give_one_range(words: str, start: tuple[int, time], end: tuple[int, time]) -> None:
    found = only(f"show errors {words}")
    assert found.start == datetime.combine(datetime(2024, 5, start[0]), start[1])
    assert found.end == datetime.combine(datetime(2024, 5, end[0]), end[1])
    assert found.daily is None


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("since 2024-05-02 10:00", datetime(2024, 5, 2, 10), None),
        ("before 2024-05-02 10:00", None, datetime(2024, 5, 2, 10)),
        ("since May 2", datetime(2024, 5, 2), None),
        ("after May 2", datetime(2024, 5, 3), None),
        ("before May 2", None, datetime(2024, 5, 1, 23, 59, 59, 999999)),
        ("until May 2", None, datetime(2024, 5, 2, 23, 59, 59, 999999)),
        ("before March 1", None, datetime(2024, 2, 29, 23, 59, 59, 999999)),
        ("before January 1", None, datetime(2023, 12, 31, 23, 59, 59, 999999)),
        ("after December 31", datetime(2025, 1, 1), None),
    ],
)
def test_open_ranges_have_one_end(words: str, start: datetime | None, end: datetime | None) -> None:
    found = only(f"show errors {words}")
    assert (found.start, found.end) == (start, end)


CLOCKS = [
    ("between 08:00 and 09:00", time(8), time(9)),
    ("from 08:00 until 09:30", time(8), time(9, 30)),
    ("08:00-09:00", time(8), time(9)),
    ("between 3 and 5 pm", time(15), time(17)),
    ("between 9 am and noon", time(9), time(12)),
    ("after 7pm", time(19), END),
    ("after 19:30", time(19, 30), END),
    ("since 8 o'clock", time(8), END),
    ("before 12:00", time(0), time(11, 59, 59, 999999)),
    ("at 10:15", time(10, 15), time(10, 15, 59, 999999)),
    ("at 10:15:30", time(10, 15, 30), time(10, 15, 30, 999999)),
    ("at 12 am", time(0), time(0, 59, 59, 999999)),
    ("in the hour of 10:30", time(10, 30), time(11, 29, 59, 999999)),
    ("in the hour from 10:30", time(10, 30), time(11, 29, 59, 999999)),
    ("within one hour after 10:30", time(10, 30), time(11, 29, 59, 999999)),
    ("in the afternoon", time(12), time(17, 59, 59, 999999)),
    ("this EVENING", time(18), END),
]


@pytest.mark.parametrize(("words", "low", "high"), CLOCKS)
def test_clocks_without_a_date_mean_the_only_day_of_the_log(words: str, low: time, high: time) -> None:
    found = only(f"errors {words}", log_range=ONE_DAY)
    assert (found.start, found.end) == (datetime.combine(ONE_DAY[0], low), datetime.combine(ONE_DAY[0], high))


@pytest.mark.parametrize(("words", "low", "high"), CLOCKS)
def test_clocks_without_a_date_mean_every_day_of_a_longer_log(words: str, low: time, high: time) -> None:
    found = only(f"errors {words}")
    assert (found.start, found.end, found.daily) == (None, None, (low, high))


@pytest.mark.parametrize(
    ("words", "log_range", "day"),
    [
        ("on Dec 30", (datetime(2023, 12, 28), datetime(2024, 1, 3)), datetime(2023, 12, 30)),
        ("on January 2", (datetime(2023, 12, 28), datetime(2024, 1, 3)), datetime(2024, 1, 2)),
        ("on the 30th", (datetime(2023, 12, 28), datetime(2024, 1, 3)), datetime(2023, 12, 30)),
        ("on Friday", (datetime(2023, 12, 28), datetime(2024, 1, 3)), datetime(2023, 12, 29)),
        ("on February 29", (datetime(2024, 2, 20), datetime(2025, 2, 20)), datetime(2024, 2, 29)),
        ("on June 7", (datetime(2019, 6, 1), datetime(2019, 6, 30)), datetime(2019, 6, 7)),
    ],
)
def test_year_and_month_come_from_the_log(words: str, log_range: tuple[datetime, datetime], day: datetime) -> None:
    found = only(f"errors {words}", log_range=log_range)
    assert (found.start, found.end) == (day, datetime.combine(day, END))


@pytest.mark.parametrize(
    "question",
    [
        "how many errors are there?",
        "errors on February 30",
        "errors at 25:00",
        "errors at 99 pm",
        "errors at 10:75",
        "which minute is the latest minute",
        'lines with "last hour"',
        "lines saying “yesterday”",
        "errors in the last 99999999999999999999 days",
        "the second attempt of may fly",
        "may I see the errors",
        "march of the lines",
    ],
)
def test_what_is_no_time_is_left_alone(question: str) -> None:
    found = find_times(question, now=NOW, log_range=DAYS)
    assert [span.text for span in found if not span.relative] == []


def test_several_times_are_found_in_order_and_never_overlap() -> None:
    question = "errors on May 1 after 10:00 or on May 2, and warnings in the last 2 hours"
    found = find_times(question, now=NOW, log_range=DAYS)
    assert [span.text for span in found] == ["on May 1 after 10:00", "on May 2", "in the last 2 hours"]
    assert all(left.at[1] <= right.at[0] for left, right in pairwise(found))


@pytest.mark.parametrize("words", ["before 0001-01-01", "after 9999-12-31", "in the last 9999999999 weeks"])
def test_the_ends_of_the_calendar_raise_nothing(words: str) -> None:
    found = find_times(f"errors {words}", now=NOW, log_range=DAYS)
    assert all(span.text in words for span in found)


@pytest.mark.parametrize("words", ["last hour", "on Monday", "after 10:00", "on the 3rd", "today"])
def test_a_log_without_timestamps_raises_nothing(words: str) -> None:
    found = find_times(f"errors {words}", now=NOW, log_range=None)
    assert all(span.text in words for span in found)


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("between 08:00 and 09:00", [8, 9]),
        ("from 23:00 to 02:00", [0, 1, 2, 23]),
        ("before 02:00", [0, 1]),
        ("after 10pm", [22, 23]),
        ("on May 2", list(range(24))),
        ("since 2024-05-02 20:00", [20, 21, 22, 23]),
        ("before 2024-05-02 03:00", [0, 1, 2, 3]),
    ],
)
def test_the_condition_selects_the_hours_meant(words: str, hours: list[int]) -> None:
    condition = only(f"errors {words}").sql("moment")
    day = "range(TIMESTAMP '2024-05-02', TIMESTAMP '2024-05-03', INTERVAL 1 HOUR) AS hours(moment)"
    rows = duckdb.sql(f"SELECT hour(moment) FROM {day} WHERE {condition} ORDER BY 1").fetchall()
    assert [hour for (hour,) in rows] == hours
