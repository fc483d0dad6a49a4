"""What a message's numbers measure, which of them a question names, and numbers in other units."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from asked_log import make_profile, open_view
from edgeslm.ask.expand import expand
from edgeslm.ask.link import link
from edgeslm.ask.measures import (
    convert,
    field_unit,
    find_units,
    is_time_unit,
    is_unit,
    named_measures,
    same_quantity,
    unit_of,
)
from edgeslm.ask.profile import Profile
from edgeslm.ask.prompt import compact_prompt
from edgeslm.ask.shapes import Shape

NOW = datetime(2024, 5, 3, 12, 0)


def make_reads() -> list[dict[str, Any]]:
    return [
        {
            "ts": datetime(2024, 5, 3, 8, number),
            "host": "plc",
            "app": "bus",
            "pid": 7,
            "level": "WARN",
            "message": f"read timeout slave={number % 4} reg={40000 + number} retry={number % 3}"
            f" (elapsed {900 + 100 * number} ms)",
        }
        for number in range(12)
    ]


@pytest.fixture(scope="module")
def bus() -> Profile:
    return make_profile(make_reads())


@pytest.fixture(scope="module")
def shape(bus: Profile) -> Shape:
    return bus.shapes[0]


def test_a_unit_is_what_stands_behind_a_number(shape: Shape) -> None:
    assert [unit_of(shape, slot) for slot in shape.slots] == ["", "", "", "ms"]
    assert field_unit({id(shape.slots[3])}, [shape]) == "ms"
    assert field_unit({id(shape.slots[0])}, [shape]) == ""


@pytest.mark.parametrize(
    ("words", "position"),
    [
        ({"elapsed", "above"}, 3),
        ({"longest", "read"}, 3),  # a time, and only one of the numbers is one
        ({"in", "ms"}, 3),
        ({"which", "slave"}, 0),
        ({"retry"}, 2),
    ],
)
def test_the_number_that_is_named_is_meant(words: set[str], position: int, shape: Shape) -> None:
    meant, named = named_measures(shape, words)
    assert named
    assert meant == {id(shape.slots[position])}


def test_where_none_is_named_any_may_be_meant(shape: Shape) -> None:
    meant, named = named_measures(shape, {"bus", "trouble"})
    assert not named
    assert len(meant) == 4
    assert named_measures(Shape(["bus down"], 1, "bus down"), {"bus"}) == (set(), False)


def test_only_the_number_that_is_named_is_offered(bus: Profile) -> None:
    found = link("read timeouts with elapsed above 1450 ms", bus, now=NOW)
    assert [slot.name for slot in found.slots if slot.slot.numeric] == ["elapsed"]
    assert "elapsed <A1#> ms" in compact_prompt(found)


def test_a_bound_is_compared_in_the_messages_unit(bus: Profile) -> None:
    found = link("read timeouts with elapsed above 1.5 s", bus, now=NOW)
    sql = expand("SELECT count(*) FROM logs WHERE message LIKE S1 AND A1 > N1", found)
    assert sql.endswith("> 1500")
    assert open_view(make_reads()).execute(sql).fetchall() == [(5,)]


@pytest.mark.parametrize(
    ("number", "unit", "wanted", "converted"),
    [
        ("30", "s", "ms", "30000"),
        ("250", "ms", "s", "0.25"),
        ("2", "minutes", "s", "120"),
        ("1", "MB", "kB", "1024"),
        ("5", "s", "kB", "5"),  # a time is no size
        ("5", "", "ms", "5"),
        ("5", "s", "", "5"),
        ("5", "seconds", "s", "5"),
    ],
)
def test_a_number_in_another_unit(number: str, unit: str, wanted: str, converted: str) -> None:
    assert convert(number, unit, wanted) == converted


def test_units_of_a_questions_numbers() -> None:
    text = "more than 30 s and 4 users"
    assert find_units(text, {"N1": ((10, 12), "30"), "N2": ((19, 20), "4")}) == {"N1": "s"}
    assert is_unit("milliseconds")
    assert not is_unit("users")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("bytes", "MB", True), ("ms", "hours", True), ("ms", "MB", False), ("", "ms", False), ("ms", "users", False)],
)
def test_units_of_one_quantity(one: str, other: str, same: bool) -> None:
    assert same_quantity(one, other) is same
    assert same_quantity(other, one) is same


def test_units_of_time() -> None:
    assert is_time_unit("seconds")
    assert not is_time_unit("bytes")
    assert not is_time_unit("users")
