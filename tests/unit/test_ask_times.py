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


def clocks(found: TimeRange) -> tuple[time, time]:
    assert found.daily is not None, found
    return found.daily


@pytest.mark.parametrize(
    "words",
    [
        "not after 08:15",
        "no later than 08:15",
        "not later than 08:15",
        "<= 08:15",
        "ending at 08:15",
        "08:15 or earlier",
    ],
)
def test_a_bound_not_to_be_passed_is_an_upper_bound(words: str) -> None:
    assert clocks(only(f"errors {words}")) == (time(0), time(8, 15))


@pytest.mark.parametrize(
    "words",
    [
        "not before 08:15",
        "no earlier than 08:15",
        "not earlier than 08:15",
        ">= 08:15",
        "> 08:15",
        "at 08:15 or later",
        "08:15 onwards",
        "08:15 and after",
        "08:15 and later",
        "from 08:15 onwards",
        "from 08:15 on",
        "as from 08:15",
        "subsequent to 08:15",
        "at or after 08:15",
    ],
)
def test_a_bound_to_be_reached_is_a_lower_bound(words: str) -> None:
    assert clocks(only(f"errors {words}")) == (time(8, 15), END)


@pytest.mark.parametrize(
    "words",
    [
        "08:15..09:30",
        "08:15 through 09:30",
        ">= 08:15 and <= 09:30",
        "since 08:15 up to 09:30",
        "between 08:15 & 09:30",
        "from 08:15 up until 09:30",
        "starting at 08:15 and ending at 09:30",
        "not before 08:15 and not after 09:30",
        "within 08:15 and 09:30",
        "in the window 08:15 to 09:30",
        "no later than 09:30 and not before 08:15",
    ],
)
def test_two_bounds_side_by_side_are_one_range(words: str) -> None:
    assert clocks(only(f"errors {words}")) == (time(8, 15), time(9, 30))


@pytest.mark.parametrize(
    "words", ["after 08:15 and before 09:30", "after 08:15 but before 09:30", "> 08:15 and < 09:30"]
)
def test_a_strict_upper_bound_leaves_its_moment_out(words: str) -> None:
    assert clocks(only(f"errors {words}")) == (time(8, 15), time(9, 29, 59, 999999))


@pytest.mark.parametrize(
    "words",
    [
        "on May 2 at 08:15 to 09:30",
        "on May 2 during 08:15-09:30",
        "on May 2 from 08:15 up until 09:30",
        "on May 2 in the window 08:15 to 09:30",
        "08:15..09:30 on Thursday",
        "May 2 08:15 to May 2 09:30",
        "from May 2 at 08:15 to 09:30",
        "between 2024-05-02T08:15:00 and 2024-05-02T09:30:00",
        "yesterday 08:15 - 09:30",
    ],
)
def test_a_day_beside_two_clocks_makes_one_range(words: str) -> None:
    found = only(f"errors {words}")
    assert (found.start, found.end) == (datetime(2024, 5, 2, 8, 15), datetime(2024, 5, 2, 9, 30))


@pytest.mark.parametrize("words", ["from 08:15 onwards on May 2", "May 2 after 08:15", "on May 2, not before 08:15"])
def test_a_day_beside_a_lower_bound_ends_it(words: str) -> None:
    found = only(f"errors {words}")
    assert (found.start, found.end) == (datetime(2024, 5, 2, 8, 15), datetime(2024, 5, 2, 23, 59, 59, 999999))


HOUR_FROM = [
    "from 08:15 for an hour",
    "one hour from 08:15",
    "in the first hour after 08:15",
    "in the next hour after 08:15",
    "in the sixty minutes after 08:15",
    "during the 08:15 hour",
    "08:15 plus one hour",
    "between 08:15 and an hour later",
    "for 60 minutes from 08:15",
    "in the next 60 minutes after 08:15",
    "starting at 08:15 for 1 hour",
]


@pytest.mark.parametrize("words", HOUR_FROM)
def test_a_span_from_a_clock_ends_it(words: str) -> None:
    assert clocks(only(f"errors {words}")) == (time(8, 15), time(9, 14, 59, 999999))


@pytest.mark.parametrize(
    ("words", "low", "high"),
    [
        ("within an hour of 08:15", time(7, 15), time(9, 14, 59, 999999)),
        ("within 5 minutes of 08:15", time(8, 10), time(8, 19, 59, 999999)),
        ("in the 10 minutes before 08:15", time(8, 5), time(8, 14, 59, 999999)),
        ("early morning", time(5), time(7, 59, 59, 999999)),
        ("in the late afternoon", time(15), time(17, 59, 59, 999999)),
        ("overnight", time(0), time(5, 59, 59, 999999)),
        ("around 8 am", time(8), time(8, 59, 59, 999999)),
        ("between 11 and 1 pm", time(11), time(13)),
        ("8am-9am", time(8), time(9)),
        ("11pm-1am", time(23), time(1)),
        ("between 08:15h and 09:15h", time(8, 15), time(9, 15)),
    ],
)
def test_spans_and_parts_of_every_day(words: str, low: time, high: time) -> None:
    assert clocks(only(f"errors {words}")) == (low, high)


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        ("from yesterday", 2, 2),
        ("from May 2", 2, 2),
        ("from Thursday on node3", 2, 2),
        ("from Wednesday to Thursday", 1, 2),
        ("Wednesday through Friday", 1, 3),
        ("the day before today", 2, 2),
        ("one day before today", 2, 2),
        ("the day before yesterday", 1, 1),
        ("two days before Friday", 1, 1),
        ("the day after May 1", 2, 2),
        ("on the previous day", 2, 2),
        ("on the last day", 3, 3),
        ("on the first day of the log", 1, 1),
        ("2 days ago", 1, 1),
        ("after April 30 and before May 3", 1, 2),
        ("between May 3 and May 1", 1, 3),
        ("May 1-2", 1, 2),
        ("between May 1 and 3", 1, 3),
        ("from 1 to 3 May", 1, 3),
        ("1-3 May", 1, 3),
        ("in May", 1, 31),
        ("this month", 1, 31),
        ("last Thursday", 2, 2),
    ],
)
def test_words_for_days_mean_whole_days(words: str, first: int, last: int) -> None:
    found = only(f"show errors {words}")
    assert (found.start, found.end) == (datetime(2024, 5, first), datetime.combine(datetime(2024, 5, last), END))


@pytest.mark.parametrize(
    "words", ["from yesterday onwards", "from yesterday on", "since yesterday", "not before May 2"]
)
def test_a_day_with_onwards_or_since_is_open(words: str) -> None:
    found = only(f"errors {words}")
    assert (found.start, found.end) == (datetime(2024, 5, 2), None)


def test_three_days_before_yesterday_is_one_day_whatever_the_log_holds() -> None:
    found = only("errors three days before yesterday")
    assert (found.start, found.end) == (datetime(2024, 4, 29), datetime.combine(datetime(2024, 4, 29), END))


@pytest.mark.parametrize(
    ("words", "minutes"),
    [
        ("half an hour ago", 30),
        ("last half hour", 30),
        ("in the 10 last minutes", 10),
        ("since 20 minutes", 20),
        ("not older than 2 hours", 120),
        ("no older than 90 minutes", 90),
        ("newer than 2 hours", 120),
        ("within 20 min", 20),
        ("prev 3 hours", 180),
        ("-20m", 20),
        ("going back 3 hours", 180),
        ("going 3 hours back", 180),
        ("in the final 10 minutes", 10),
        ("in the last 2 and a half hours", 150),
        ("last 1.5 hours", 90),
        ("the last hour and a half", 90),
        ("less than 5 minutes ago", 5),
        ("from 2 hours ago until now", 120),
        ("since midnight", 720),
        ("since this morning", 360),
        ("from 2 days ago on", 2880),
    ],
)
def test_words_that_count_back_end_now(words: str, minutes: int) -> None:
    found = only(f"errors {words}")
    assert (found.start, found.end, found.relative) == (NOW - timedelta(minutes=minutes), NOW, True)


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("between 3 hours ago and 1 hour ago", datetime(2024, 5, 3, 9), datetime(2024, 5, 3, 11)),
        ("before this morning", None, datetime(2024, 5, 3, 5, 59, 59, 999999)),
        ("more than 2 hours ago", None, datetime(2024, 5, 3, 10)),
        ("older than 2 hours", None, datetime(2024, 5, 3, 10)),
        ("this hour", datetime(2024, 5, 3, 12), datetime(2024, 5, 3, 12, 59, 59, 999999)),
        ("this week", datetime(2024, 4, 29), datetime(2024, 5, 5, 23, 59, 59, 999999)),
        ("last night", datetime(2024, 5, 2, 18), datetime(2024, 5, 3, 5, 59, 59, 999999)),
        ("tonight", datetime(2024, 5, 3, 18), datetime(2024, 5, 4, 5, 59, 59, 999999)),
    ],
)
def test_other_times_told_from_now(words: str, start: datetime | None, end: datetime | None) -> None:
    found = only(f"errors {words}")
    assert (found.start, found.end, found.relative) == (start, end, True)


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("first 10 minutes", datetime(2024, 5, 1, 6), datetime(2024, 5, 1, 6, 9, 59, 999999)),
        ("in the first hour of the log", datetime(2024, 5, 1, 6), datetime(2024, 5, 1, 6, 59, 59, 999999)),
        ("in the last 10 minutes of the log", datetime(2024, 5, 3, 10, 50), datetime(2024, 5, 3, 11)),
        ("in the last hour of May 2", datetime(2024, 5, 2, 23), datetime(2024, 5, 2, 23, 59, 59, 999999)),
        ("on the night of May 2", datetime(2024, 5, 2, 18), datetime(2024, 5, 3, 5, 59, 59, 999999)),
        ("on May 2, in the morning", datetime(2024, 5, 2, 6), datetime(2024, 5, 2, 11, 59, 59, 999999)),
    ],
)
def test_ends_of_the_log_and_parts_of_a_day(words: str, start: datetime, end: datetime) -> None:
    found = only(f"errors {words}")
    assert (found.start, found.end, found.relative) == (start, end, False)


def test_midnight_of_a_log_of_one_day_is_that_days() -> None:
    earlier = (datetime(2024, 4, 2, 1), datetime(2024, 4, 2, 23))
    assert only("errors since midnight", log_range=earlier).start == datetime(2024, 4, 2)


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("since yesterday evening", datetime(2024, 5, 2, 18), None),
        ("before Thursday afternoon", None, datetime(2024, 5, 2, 11, 59, 59, 999999)),
        ("until Thursday morning", None, datetime(2024, 5, 2, 11, 59, 59, 999999)),
        ("since last Thursday", datetime(2024, 5, 2), None),
        ("up to and including May 2", None, datetime(2024, 5, 2, 23, 59, 59, 999999)),
    ],
)
def test_bounds_by_a_part_of_a_day_have_one_end(words: str, start: datetime | None, end: datetime | None) -> None:
    found = only(f"errors {words}")
    assert (found.start, found.end) == (start, end)


@pytest.mark.parametrize(
    "question",
    [
        "in the first 5 minutes of every hour",
        "errors in the last hour before the crash",
        "options -1 d",
        "errors of the last hour of each day",
        "status at 8",
        "requests around 8",
        "between 10 and 20 failures",
        "from 10.0.0.1 to 10.0.0.2",
        "users with 3 failures within 10 minutes",
        "requests within 5 minutes of each other",
        "jobs that finished within 10 minutes",
        "jobs that took less than 10 minutes",
        "sessions longer than 2 hours",
        "the first minute with errors",
        "show the 2nd attempt",
        "errors for the 3rd time",
        "errors of the ceph mon daemon",
        "errors on mac 00:11:22:33:44:55",
        "address fe80::12:13:14 after reboot",
        "the file app-2024-05-02.log",
        "errors per hour",
        "how many seconds between the first and last error",
        "first 10 lines",
        "which hour had the most errors",
        "the night shift",
        "the overnight backup",
    ],
)
def test_numbers_names_and_durations_are_no_times(question: str) -> None:
    assert find_times(question, now=NOW, log_range=DAYS) == []


@pytest.mark.parametrize("unit", ["per hour", "every 10 minutes", "in each hour"])
def test_a_bucket_before_a_bound_does_not_cut_the_range(unit: str) -> None:
    found = only(f"errors {unit} after 08:15")
    assert (found.text, found.daily) == ("after 08:15", (time(8, 15), END))


def test_bounds_that_exclude_each_other_stay_two() -> None:
    found = find_times("errors before May 2 and after May 1", now=NOW, log_range=DAYS)
    assert [span.text for span in found] == ["before May 2", "after May 1"]
