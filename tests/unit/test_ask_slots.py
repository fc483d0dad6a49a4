"""The slots that linking offers: what they are called, what reads them, and which patterns' messages lack them."""

from __future__ import annotations

from datetime import datetime

import duckdb
import pytest

from edgeslm.ask.candidates import Candidates
from edgeslm.ask.expand import expand
from edgeslm.ask.fields import names_after
from edgeslm.ask.link import link
from edgeslm.ask.profile import ColumnInfo, build_profile
from edgeslm.ask.sense import nonsense
from edgeslm.ask.shapes import Shape

NOW = datetime(2024, 5, 3, 12, 0)
APP = ColumnInfo("app", "text")
PORT = ColumnInfo("port", "integer", True)
CLUSTER = [
    *(f"Nodes rack{n} not responding" for n in range(1, 9)),
    *(f"allocated JobId={n} nodes=rack{n} cores={n * 4}" for n in range(1, 9)),
    *(f"reserved nodes=rack{n} for maintenance" for n in range(1, 9)),
]


def linked(question: str, messages: list[str], *columns: ColumnInfo) -> Candidates:
    return link(question, build_profile([{"message": one} for one in messages], [APP, *columns]), now=NOW)


def rows(candidates: Candidates, sql: str, messages: list[str]) -> list[tuple[object, ...]]:
    table = f"(SELECT unnest({messages}) AS message)"
    return duckdb.execute(expand(sql, candidates).replace("FROM logs", f"FROM {table}")).fetchall()


def test_a_number_after_a_word_that_ends_like_port_is_none() -> None:
    metered = [f"meter export {n} W" for n in range(40, 60)] + [f"listening on port {n}" for n in range(80, 90)]
    found = linked("average export", metered, PORT)
    (shape,) = [one for one in found.shapes if "export" in one.fragment.pieces[0]]
    (handle,) = shape.slots.values()
    assert found.slot(handle).name == "export"
    assert "port" not in [column.name for column in linked("exports", metered[:20], PORT).columns]
    listening = linked("listening on which port", metered, PORT)
    assert "port" in [name for one in listening.shapes for name in one.slots.values()]


def test_a_slot_that_is_called_as_a_field_is_that_field() -> None:
    found = linked("which nodes were not responding", CLUSTER)
    (field,) = [slot for slot in found.slots if slot.field == "nodes"]
    assert found.shapes[0].slots == {0: field.handle}
    assert field.handle not in found.shapes[0].lacks
    sql = f"SELECT DISTINCT {field.handle} FROM logs WHERE message LIKE S1 AND {field.handle} IS NOT NULL"
    assert nonsense(sql, found) == ""
    assert sorted(rows(found, sql, CLUSTER)) == [(f"rack{n}",) for n in range(1, 9)]
    every = rows(found, f"SELECT count({field.handle}) FROM logs", CLUSTER)
    assert every == [(24,)]  # written either way


def test_a_field_of_numbers_is_no_slot_of_words() -> None:
    mixed = [f"Cores rack{n} overheated" for n in range(1, 9)] + [f"job={n} cores={n}" for n in range(1, 9)]
    found = linked("which cores overheated", mixed)
    (field,) = [slot for slot in found.slots if slot.field == "cores"]
    assert field.also == ()
    assert field.handle not in found.shapes[0].slots.values()


def test_nobody_asks_messages_for_what_they_lack() -> None:
    found = linked("average cores of allocated jobs, and which nodes were not responding", CLUSTER)
    cores = next(slot.handle for slot in found.slots if slot.name == "cores")
    silent = next(one for one in found.shapes if "responding" in one.shape.example)
    given = next(one for one in found.shapes if "allocated" in one.shape.example)
    assert cores in silent.lacks
    assert cores not in given.lacks
    average = f"SELECT avg({cores}) FROM logs WHERE message LIKE {{}}"
    assert nonsense(average.format(silent.handle), found) == "a value that those messages lack"
    assert nonsense(average.format(given.handle), found) == ""


@pytest.mark.parametrize(
    ("question", "fields"),
    [("top status codes", []), ("how many 404s", []), ("top exit codes", ["code"])],
)
def test_a_column_for_status_codes_leaves_no_field_for_them(question: str, fields: list[str]) -> None:
    records: list[dict[str, object]] = [{"message": f"check {n} ended, code: {n % 3}"} for n in range(9)]
    records += [{"message": f"GET /item{n}", "status": 200 + n % 2 * 204} for n in range(9)]
    profile = build_profile(records, [ColumnInfo("status", "integer"), APP])
    found = link(question, profile, now=NOW)
    assert [slot.field for slot in found.slots if slot.field] == fields
    if "404" in question:
        assert [value.columns for value in found.values] == [{"status": "404"}]


LOCKS = [
    *(f"batch {n} sealed, operator {name}" for n, name in enumerate(("jkowalski", "hmeier", "jkowalski"))),
    *(f"seal {n} broken by operator tnguyen" for n in range(3)),
    "operator requested maintenance",
    "waiting for the operator",
]


def test_names_after_the_noun_that_is_asked_for_are_a_field() -> None:
    found = linked("sealed batches per operator", LOCKS)
    (field,) = [slot for slot in found.slots if slot.field == "operator"]
    sql = f"SELECT {field.handle}, count(*) AS count FROM logs WHERE {field.handle} IS NOT NULL GROUP BY {field.handle}"
    assert sorted(rows(found, sql, LOCKS)) == [("hmeier", 1), ("jkowalski", 2), ("tnguyen", 3)]


@pytest.mark.parametrize(
    "question",
    ["when did an operator seal a batch", "which seals were broken", "seals by hour", "which users sealed batches"],
)
def test_no_names_are_looked_for_that_nobody_asks_for(question: str) -> None:
    assert "operator" not in [slot.field for slot in linked(question, LOCKS).slots]


def test_names_are_of_a_field_or_a_column_where_one_is_called_so() -> None:
    records = [{"message": message, "operator": f"op{n % 3}"} for n, message in enumerate(LOCKS)]
    profile = build_profile(records, [ColumnInfo("operator", "text"), APP])
    by_column = link("batches per operator", profile, now=NOW)
    assert [slot.field for slot in by_column.slots if slot.field and not slot.column] == []
    by_field = linked("batches per operator", [*LOCKS, "job 1 operator=anna", "job 2 operator=ben"])
    (field,) = [slot for slot in by_field.slots if slot.field == "operator"]
    assert "operator" in field.regex
    assert "=" in field.regex


@pytest.mark.parametrize(("names", "common", "read"), [(3, True, True), (60, True, False), (60, False, True)])
def test_many_names_are_not_written_into_a_query(names: int, common: bool, read: bool) -> None:
    shapes = [Shape([f"sealed by operator op{n}x"], 1, f"sealed by operator op{n}x") for n in range(names)]
    shapes += [Shape(["the operator requested it"], 1, "the operator requested it")] if common else []
    found = names_after("operator", shapes)
    assert (found is not None) == read
    assert found is None or len(found.regex) < 200


def test_one_name_and_common_words_are_no_field() -> None:
    assert names_after("operator", build_profile([{"message": LOCKS[0]}, {"message": LOCKS[6]}], [APP]).shapes) is None
    assert names_after("operator", []) is None
