"""Timestamp layouts as Python reads them; that SQL reads them alike is tested with DuckDB."""

from datetime import datetime

import pytest

from edgeslm.logs.stamps import Clock, leap_year, reader, time_scale


@pytest.mark.parametrize(
    ("layout", "text", "want"),
    [
        ("iso", "2024-05-03 21:14:09,5", datetime(2024, 5, 3, 21, 14, 9, 500000)),
        ("iso", "2024-05-03T21:14:09", datetime(2024, 5, 3, 21, 14, 9)),
        ("iso", "2024-02-30 00:00:00", None),
        ("iso_offset", "2024-05-03T21:14:09.5+02:00", datetime(2024, 5, 3, 21, 14, 9, 500000)),
        ("epoch", "1714770849", datetime(2024, 5, 3, 21, 14, 9)),
        ("epoch", "1714770849123", datetime(2024, 5, 3, 21, 14, 9, 123000)),
        ("epoch", "1714770849123456", datetime(2024, 5, 3, 21, 14, 9, 123456)),
        ("boot", "12.5", datetime(1970, 1, 1, 0, 0, 12, 500000)),
        ("%b %d %H:%M:%S", "Jul  1 09:00:55", datetime(2023, 7, 1, 9, 0, 55)),
        ("%y%m%d %H%M%S", "081109 203615", datetime(2008, 11, 9, 20, 36, 15)),
        ("%H:%M:%S", "09:00:55", datetime(1970, 1, 1, 9, 0, 55)),
        ("%d/%b/%Y:%H:%M:%S", "nonsense", None),
    ],
)
def test_a_layout_reads_its_text(layout: str, text: str, want: datetime | None) -> None:
    assert reader(layout)(text, Clock(2023)) == want


@pytest.mark.parametrize(
    ("layouts", "scale"),
    [
        (["%H:%M:%S"], "day"),
        (["%H:%M:%S.%f", "%H:%M:%S,%f"], "day"),
        (["boot"], "boot"),
        (["%b %d %H:%M:%S"], "calendar"),
        (["%H:%M:%S", "iso"], "calendar"),
        ([], "calendar"),
    ],
)
def test_times_are_of_a_calendar_of_a_day_or_since_the_boot(layouts: list[str], scale: str) -> None:
    assert time_scale(layouts) == scale


def test_a_month_after_the_files_last_one_is_of_the_year_before() -> None:
    read = reader("%b %d %H:%M:%S")
    clock = Clock(2024, end_month=2)
    assert read("Dec 31 23:59:59", clock) == datetime(2023, 12, 31, 23, 59, 59)
    assert read("Jan  1 00:00:00", clock) == datetime(2024, 1, 1)


def test_a_yearless_29_february_lies_in_a_leap_year() -> None:
    assert reader("%b %d %H:%M:%S")("Feb 29 12:00:00", Clock(2023)) == datetime(2020, 2, 29, 12)
    assert leap_year(1900) == 1896
