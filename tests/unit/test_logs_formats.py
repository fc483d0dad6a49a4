"""The formats that ship: each is sound data, reads its own samples, and is the one detected for them."""

import re
from datetime import datetime
from typing import Any

import pytest

from edgeslm.errors import FormatError
from edgeslm.logs.detect import detect_format
from edgeslm.logs.format import FIXED, Format, parse_lines
from edgeslm.logs.pattern import alone
from edgeslm.logs.registry import load_formats
from edgeslm.logs.stamps import Clock

FORMATS = load_formats()
CLOCK = Clock(1970)
SAMPLES = [(name, sample) for name, format in FORMATS.items() for sample in format.samples]


def record_of(name: str, line: str) -> dict[str, Any]:
    return FORMATS[name].resolved([line]).record(line, 1, CLOCK)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_sample_with_an_expected_parse(name: str) -> None:
    assert FORMATS[name].samples[0].get("expect"), f"{name}: the first sample needs expect"


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_every_sample_parses_as_expected(name: str, sample: dict[str, Any]) -> None:
    row = record_of(name, sample["line"])
    for column, value in sample.get("expect", {}).items():
        want = datetime.fromisoformat(value) if column == "ts" else value
        assert row[column] == want, f"{name}: {column}"


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_every_sample_of_a_format_with_timestamps_has_one(name: str, sample: dict[str, Any]) -> None:
    if FORMATS[name].layouts:
        assert record_of(name, sample["line"])["ts"] is not None


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_every_sample_is_detected_as_its_own_format(name: str, sample: dict[str, Any]) -> None:
    if name == "plain":
        return
    lines = [s["line"] for s in FORMATS[name].samples] * 5
    assert detect_format(lines).name == name


def test_a_record_has_every_fixed_column_and_the_extra_ones() -> None:
    row = record_of("nginx_error", "2024/05/03 21:14:09 [error] 812#812: *99 open() failed")
    assert set(row) == {*FIXED, "tid"}


def test_an_unknown_line_keeps_its_text_as_message() -> None:
    row = record_of("hadoop", "no such layout")
    assert (row["ts"], row["level"], row["message"], row["line"]) == (None, None, "no such layout", "no such layout")


def test_a_continuation_inherits_time_and_component_but_no_level() -> None:
    head = "2024-05-03 21:14:09,123 ERROR [main] org.example.Pay: boom"
    rows = parse_lines(FORMATS["hadoop"], [head, "\tat org.example.Pay.run(Pay.java:7)"])
    assert rows[1]["ts"] == rows[0]["ts"] == datetime(2024, 5, 3, 21, 14, 9, 123000)
    assert (rows[1]["component"], rows[1]["level"]) == ("org.example.Pay", None)
    assert rows[1]["message"] == "\tat org.example.Pay.run(Pay.java:7)"


def test_a_carriage_return_at_the_end_is_no_part_of_the_message() -> None:
    rows = parse_lines(FORMATS["spark"], ["18/09/21 04:05:06 INFO a.B: done\r\n"])
    assert (rows[0]["message"], rows[0]["line"]) == ("done", "18/09/21 04:05:06 INFO a.B: done")


def test_a_very_long_line_is_read_in_linear_time() -> None:
    line = "nova-api.log 2018-01-02 00:00:07.120 812 INFO a.b [-] " + "x" * 400_000
    assert record_of("openstack", line)["message"] == "x" * 400_000
    assert record_of("openstack", "x" * 400_000)["ts"] is None


@pytest.mark.parametrize(
    ("pattern", "layouts", "reason"),
    [
        (
            r"^(?P<ts>\d+) (?P<message>.*) end",
            ("epoch",),
            "the pattern must start with ^ and end with the group message",
        ),
        (r"(?P<message>.*)", (), "the pattern must start with ^ and end with the group message"),
        (r"^(?P<ts>\d+) (?P<message>.*)", (), "a timestamp group needs layouts, and layouts a timestamp group"),
    ],
)
def test_a_wrong_format_is_refused_with_its_reason(pattern: str, layouts: tuple[str, ...], reason: str) -> None:
    with pytest.raises(FormatError) as caught:
        Format(name="x", title="x", pattern=pattern, layouts=layouts)
    assert caught.value.reason == reason


def test_json_keys_become_columns_with_kinds() -> None:
    lines = ['{"time":"2024-05-03T21:14:09Z","msg":"a","latencyMs":3,"ok":true}', '{"time":"x","latencyMs":4.5}']
    format = FORMATS["json_lines"].resolved(lines)
    assert format.extra_columns == {"latency_ms": "number", "ok": "text"}
    assert format.record(lines[0], 1, CLOCK)["ok"] == "true"


def test_a_group_alone_is_found_by_a_small_number() -> None:
    """DuckDB extracts groups 1 to 9 only."""
    for one in FORMATS.values():
        for name in one.group_names:
            text, number = alone(one.pattern, name)
            assert number <= 9
            for sample in one.samples:
                whole, only = re.match(one.pattern, sample["line"], re.ASCII), re.match(text, sample["line"], re.ASCII)
                assert (whole and whole[name]) == (only and only[number])
