"""Named fields: which names messages write before a value, what they read, and which of them a question names."""

import re
from datetime import datetime

import duckdb
import pytest

from edgeslm.ask.expand import expand
from edgeslm.ask.fields import Field, fields_named, mine_fields
from edgeslm.ask.link import link
from edgeslm.ask.profile import ColumnInfo, build_profile
from edgeslm.ask.prompt import compact_prompt
from edgeslm.ask.shapes import mine_shapes

MESSAGES = [
    'GET "/a/b" status: 200 len: 1893 took=35ms',
    'GET "/a/b" status: 404 len: 12 took=7ms',
    'POST "/c/d" status: 202 len: 77 took=12ms',
    "Fan state: running slow",
    "Fan state: stopped",
    "mixer gain set to 'loud'",
    "mixer gain set to 'soft'",
    "lid opened mode=eco, tank=7",
    "lid closed mode=boost, tank=7",
    "worker idle at 10:20:30, next try 10:20:40",
]


def fields_of(messages: list[str]) -> dict[str, Field]:
    return {one.name: one for one in mine_fields(mine_shapes({"message": message} for message in messages))}


def read(field: Field, message: str) -> str | None:
    found = re.search(field.regex, message)
    return found[1] if found else None


@pytest.mark.parametrize(
    ("name", "values", "numeric"),
    [
        ("status", ["200", "404", "202"], True),
        ("len", ["1893", "12", "77"], True),
        ("took", ["35", "7", "12"], True),
        ("Fan state", ["running slow", "stopped"], False),
        ("mixer gain set to", ["loud", "soft"], False),
        ("mode", ["eco", "boost"], False),
    ],
)
def test_a_field_reads_what_follows_its_name_in_every_shape(name: str, values: list[str], numeric: bool) -> None:
    field = fields_of(MESSAGES)[name]
    assert [value for message in MESSAGES if (value := read(field, message)) is not None] == values
    assert set(field.slot.values) == set(values)
    assert field.slot.numeric is numeric


def test_a_field_whose_values_are_settings_reads_their_names() -> None:
    messages = [f"Host setup:{name}={number}" for number, name in enumerate(["disk.size", "cpu", "ram_mb"])]
    field = fields_of(messages)["setup"]
    assert [read(field, message) for message in messages] == ["disk.size", "cpu", "ram_mb"]
    mixed = fields_of([*messages, "Host setup:none"]).get("setup")
    assert mixed is None or read(mixed, "Host setup:cpu=1") == "cpu=1"


def test_identifiers_that_say_what_they_are_make_a_field() -> None:
    messages = [f"fetched unit for_{name}~31bf~amd64" for name in ("KB2928120", "KB2853952", "CVE-2021-44228", "KB31")]
    found = fields_of(messages)
    assert "CVE" not in found  # one value is no field
    field = found["KB"]
    assert set(field.slot.values) == {"KB2928120", "KB2853952"}
    assert [read(field, message) for message in messages] == ["KB2928120", "KB2853952", None, None]
    assert read(field, "see XKB29281201") is None


def test_a_name_with_one_value_is_no_field_and_a_clock_is_none() -> None:
    assert set(fields_of(MESSAGES)) == {"status", "len", "took", "Fan state", "mixer gain set to", "mode"}


def test_a_name_in_small_and_in_large_letters_is_one_field() -> None:
    messages = ["Queue=mail is full", "dropped queue=orders", "dropped queue=mail"]
    (field,) = (one for one in fields_of(messages).values() if one.name.casefold() == "queue")
    assert [read(field, message) for message in messages] == ["mail", "orders", "mail"]
    (mode,) = (one for one in fields_of(MESSAGES).values() if one.name == "mode")
    assert read(mode, "MODE=eco") is None


def test_a_name_is_not_read_from_within_a_longer_one() -> None:
    fields = fields_of(["a max_len=3 len=4", "b max_len=5 len=6"])
    assert read(fields["len"], "a max_len=3 len=4") == "4"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["status", "codes"], ["status"]),
        (["fan", "states"], ["Fan state"]),
        (["states"], ["Fan state"]),
        (["gain"], []),  # a third of "mixer gain set" is too little
        (["lid"], []),
    ],
)
def test_a_question_names_a_field_by_at_least_half_of_its_words(words: list[str], names: list[str]) -> None:
    assert [one.name for one in fields_named(words, list(fields_of(MESSAGES).values()))] == names


def test_a_named_field_is_offered_with_a_handle_that_its_slot_in_a_shape_has_too() -> None:
    records = [{"message": message, "line": message} for message in MESSAGES * 3]
    profile = build_profile(records, [ColumnInfo("path", "text", True)])
    candidates = link("average len of GET lines with status 404", profile, now=datetime(2026, 1, 1))
    offered = {slot.field: slot.handle for slot in candidates.slots if slot.field}
    assert set(offered) == {"status", "len"}
    prompt = compact_prompt(candidates)
    assert f"{offered['len']}# field len" in prompt.splitlines()
    assert f"len : <{offered['len']}#>" in prompt
    assert candidates.value("V1").columns == {offered["status"]: "404"}


def test_a_shape_of_signs_only_is_survived() -> None:
    assert mine_fields(mine_shapes([{"message": "=:= '' :: ="}, {"message": "="}, {"message": "'"}])) == []


RUNS = [
    *(f"started Job: run_2024_{n}_a7" for n in range(3)),
    *(f"stopping run_2024_{n}_a7" for n in range(3)),
    *(f"moved run_2024_{n}_a7 to rack {n}" for n in range(3)),
]


def test_a_slot_that_holds_a_fields_values_is_that_field_and_is_read_without_its_name() -> None:
    profile = build_profile([{"message": message} for message in RUNS], [ColumnInfo("app", "text")])
    candidates = link("which job was stopping", profile, now=datetime(2024, 5, 1))
    assert "S1 stopping <A1>\n" in compact_prompt(candidates)
    sql = expand("SELECT DISTINCT A1 FROM logs WHERE message LIKE S1 AND A1 IS NOT NULL", candidates)
    table = f"(SELECT unnest({RUNS}) AS message)"
    rows = duckdb.execute(sql.replace("FROM logs", f"FROM {table}")).fetchall()
    assert sorted(rows) == [(f"run_2024_{n}_a7",) for n in range(3)]


@pytest.mark.parametrize("values", [["17", "18"], ["ab", "cd"], ["10.0.0.1", "10.0.0.2"], ["a1b2", "33ff"]])
def test_values_that_may_be_anything_have_no_form(values: list[str]) -> None:
    assert fields_of([f"took x={value}" for value in values])["x"].form == ""
