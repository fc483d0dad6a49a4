"""Message shapes: what is constant and what is a slot, and regular expressions that read a slot in DuckDB."""

from __future__ import annotations

import re

import duckdb
import pytest

from asked_log import make_records
from edgeslm.ask.shapes import MAX_MESSAGE, Shape, mine_shapes


def mine(*messages: str) -> list[Shape]:
    return mine_shapes([{"message": message} for message in messages])


def form(shape: Shape) -> str:
    """A shape as text, slots as <kind>."""
    return "".join(part if isinstance(part, str) else f"<{part.kind}>" for part in shape.parts)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Failed password for root from 10.0.0.1 port 22 ssh2", "Failed password for <user> from <ip> port <num> <id>"),
        ("request took 35 ms", "request took <num> ms"),
        ("request took 35ms", "request took <num>ms"),
        ("load -0.5 at 99%", "load <num> at <num>%"),
        ("link aa:bb:cc:dd:ee:ff up", "link <mac> up"),
        ("job 1b4e28ba-2fa1-11d2-883f-0016d3cca427 done", "job <uuid> done"),
        ("read /var/log/syslog twice", "read <path> twice"),
        ("get https://a.example/b?c=1 now", "get <url> now"),
        ("mail to a.b@example.org sent", "mail to <email> sent"),
        ("at 2024-05-03 10:11:12.5 again", "at <date> <clock> again"),
        ("fault at 0xDEADBEEF", "fault at <hex>"),
        ("worker-7 is idle", "<id> is idle"),
        ("nothing varies here", "nothing varies here"),
        ("", ""),
        ("🙂 ünïcode only", "🙂 ünïcode only"),
    ],
)
def test_values_are_masked_by_their_kind(message: str, expected: str) -> None:
    assert [form(shape) for shape in mine(message)] == ([expected] if message else [])


def test_a_word_becomes_a_slot_only_where_many_were_seen() -> None:
    words = "north south east west upper lower".split()
    assert {form(shape) for shape in mine(*(f"gate {word} is open" for word in words))} == {"gate <word> is open"}
    few = {form(shape) for shape in mine(*(f"gate {word} is open" for word in words[:5]))}
    assert few == {f"gate {word} is open" for word in words[:5]}


def test_a_name_with_dots_is_one_word() -> None:
    tasks = ("shop.orders.send_mail", "shop.stock.sync", "shop.pay.capture")
    assert {form(shape) for shape in mine(*(f"Task {task} received now" for task in tasks))} == {
        "Task <word> received now"
    }
    assert [form(shape) for shape in mine("stopped. Started again...")] == ["stopped. Started again..."]


def test_after_the_noun_for_such_things_two_names_make_a_slot_and_what_happened_stays() -> None:
    assert [form(shape) for shape in mine(*(f"user {name} saw it all" for name in ("root", "mkrause")))] == [
        "user <word> saw it all"
    ]
    for words in (("started", "failed"), ("added", "starting"), ("WindowsUpdateAgent", "SmartScreenHost")):
        assert len(mine(*(f"service {word} in the end" for word in words))) == 2


def test_what_is_a_name_in_one_message_is_one_in_others_after_words_that_names_stand_after() -> None:
    jobs = "billing fileserver mailstore wiki shop archive".split()
    messages = [f"job {name} was begun" for name in jobs] + [
        "job wiki is too slow",
        "mailstore is too slow, the job is",
    ]
    made = {form(shape) for shape in mine(*messages)}
    assert made == {"job <word> was begun", "job <word> is too slow", "mailstore is too slow, the job is"}


def test_after_a_name_and_a_sign_fewer_words_make_a_slot() -> None:
    for sign, end in ((": ", ""), ("=", ""), ('="', '"'), (" '", "'")):
        made = mine(*(f"closed the gate{sign}{word}{end} for good" for word in ("north", "south", "east")))
        assert [form(shape) for shape in made] == [f"closed the gate{sign}<word>{end} for good"]
        assert len(mine(*(f"closed the gate{sign}{word}{end} for good" for word in ("north", "south")))) == 2
    # What follows a value is no name: the verbs of a protocol stay words.
    assert len(mine(*(f'10.0.0.1 "{verb} again and again' for verb in ("GET", "PUT", "POST")))) == 3


def test_a_word_that_stands_in_a_message_twice_varies_at_both_places() -> None:
    hives = "SAM SYSTEM SOFTWARE SECURITY DEFAULT COMPONENTS".split()
    (shape,) = mine(*(f"loading hive {name} from config/{name} now" for name in hives))
    assert form(shape) == "loading hive <word> from config/<word> now"
    assert [sorted(slot.values) for slot in shape.slots] == [sorted(hives)] * 2


def test_a_number_that_never_varies_is_constant_text() -> None:
    assert form(mine(*(f"port 22 opened by {n}" for n in range(5)))[0]) == "port 22 opened by <num>"


def test_shapes_come_most_frequent_first_with_counts_columns_and_an_example() -> None:
    shapes = mine_shapes(make_records(), ("app",))
    assert [shape.count for shape in shapes] == sorted((shape.count for shape in shapes), reverse=True)
    assert sum(shape.count for shape in shapes) == len(make_records())
    first = next(shape for shape in shapes if "Failed" in form(shape))
    assert first.columns == {"app": {"sshd": 30}}
    assert first.example.startswith("Failed password for ")


def test_constant_parts_occur_in_order_in_every_message_of_a_shape() -> None:
    records = make_records()
    for shape in mine_shapes(records):
        pattern = ".*".join(re.escape(part) for part in shape.literals())
        members = [record for record in records if re.search(pattern, str(record["message"]))]
        assert len(members) >= shape.count


def test_slot_values_are_those_of_the_messages() -> None:
    shape = mine(*(f"took {n} ms on disk{n % 2}" for n in range(6)))[0]
    assert [sorted(slot.values) for slot in shape.slots] == [["0", "1", "2", "3", "4", "5"], ["disk0", "disk1"]]
    assert [slot.numeric for slot in shape.slots] == [True, False]
    assert shape.slots[0].integral
    assert not mine("took 1.5 ms")[0].slots[0].integral


@pytest.mark.parametrize(
    "messages",
    [
        [f"Failed password for user{n} from 10.0.0.{n} port {n + 22} ssh2" for n in range(5)],
        [f"a+b (c) [d] took={n}ms | q? {n * 3}" for n in range(5)],
        [f"C:\\dir\\f{n}.txt not found, code -{n}" for n in range(5)],
        [f"{n} blocks free" for n in range(5)],
        [f"it's {n}% of 'quoted' text for user u{n}: ok" for n in range(5)],
        [f"reason: no route; wait {n}.5 seconds before retry number {n}" for n in range(5)],
        ["".join(f" part{letter} {n}" for letter in "abcdefghij") for n in range(5)],
    ],
)
def test_the_slot_regex_reads_each_slot_in_duckdb(messages: list[str]) -> None:
    for shape in mine(*messages):
        for slot in shape.slots:
            read = duckdb.execute(
                "SELECT regexp_extract(m, ?, 1) FROM unnest(?) AS t(m)", [shape.slot_regex(slot), messages]
            ).fetchall()
            assert {value for (value,) in read} == set(slot.values), shape.slot_regex(slot)


def test_a_message_is_looked_at_up_to_a_bound_only() -> None:
    shape = mine("x" * 5000)[0]
    assert len(form(shape)) == MAX_MESSAGE


def test_records_without_a_message_are_passed_over() -> None:
    assert mine_shapes([{"message": None}, {"message": ""}, {}]) == []
