"""Which things a question asks for by name, and that only what goes by that name is listed."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from asked_log import make_profile
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.link import link
from edgeslm.ask.things import asked_things
from gbnf import Grammar

NOW = datetime(2024, 5, 3, 12, 0)


@pytest.mark.parametrize(
    ("question", "nouns"),
    [
        ("Which upstream servers were disabled?", ["servers", "upstream"]),
        ("which clients ran into the limit", ["clients"]),
        ("shipments per carrier", ["carrier"]),
        ("top 3 scrape pools by number of lines", ["pools", "scrape"]),
        ("in which job queue did it fail most often?", ["queue", "job"]),
        ("list all the queue ids that were removed", ["ids", "queue"]),
        ("Whose certificates were expired?", ["certificates"]),
        ("on which day were there most errors", []),
        ("what percentage of lines are errors", []),
        ("which lines mention root", []),
        ("how many errors", []),
        ("", []),
    ],
)
def test_the_nouns_that_are_asked_for(question: str, nouns: list[str]) -> None:
    assert asked_things(question) == nouns


@pytest.mark.parametrize(
    ("question", "listed", "not_listed"),
    [
        ("which users had failed passwords", "user", "ip"),
        ("top 3 addresses with failed passwords", "ip", "user"),
        ("failed passwords per program", "app", "host"),
    ],
)
def test_only_what_goes_by_the_name_is_listed(question: str, listed: str, not_listed: str) -> None:
    found = link(question, make_profile(), now=NOW)
    grammar = Grammar(build_grammar(found))
    column = "SELECT DISTINCT {0} FROM logs WHERE message LIKE S1"
    entity = f"{column} AND {{0}} IS NOT NULL"
    sql = entity if listed in ("user", "ip") else column
    other = entity if not_listed in ("user", "ip") else column
    assert listed in found.listable
    assert grammar.accepts(sql.format(listed))
    assert not grammar.accepts(other.format(not_listed))


def test_where_no_column_goes_by_the_name_all_may_be_listed_but_numbers_and_what_is_the_same_in_all_lines() -> None:
    profile = make_profile()
    found = link("which turbines were backed up", profile, now=NOW)
    took = next(slot.handle for slot in found.slots if slot.slot.numeric)
    assert {"user", "ip", "host", "app"} <= found.listable
    assert found.listable.isdisjoint({"pid", "port", took})
    accepts = Grammar(build_grammar(found)).accepts
    assert accepts("SELECT DISTINCT host FROM logs WHERE message LIKE S1")
    assert not accepts(f"SELECT DISTINCT {took} FROM logs WHERE message LIKE S1 AND {took} IS NOT NULL")
    profile.values["host"] = Counter({"gate": 120})
    assert "host" not in link("which turbines were backed up", profile, now=NOW).listable


def test_what_may_be_a_number_is_one_of_all_columns_but_those_that_number_things() -> None:
    assert link("which turbine numbers were backed up", make_profile(), now=NOW).listable == frozenset()  # all
    for question in ("what is wrong", "backups per latency"):
        found = link(question, make_profile(), now=NOW).listable
        assert {"user", "ip", "host", "app", "level"} <= found
        assert found.isdisjoint({"pid", "port"})


def _records(*messages: str) -> list[dict[str, Any]]:
    return [{"ts": NOW, "app": "mon", "level": "WARN", "message": message} for message in messages]


def test_values_that_begin_with_the_name_are_what_is_asked_for() -> None:
    messages = [f"no reply from 10.0.0.{n % 4} osd.{n % 5} since pass {n}" for n in range(40)]
    found = link("which osds did not reply", make_profile(_records(*messages)), now=NOW)
    osd = next(slot for slot in found.slots if "osd.1" in slot.slot.values)
    assert osd.handle in found.listable
    assert "ip" not in found.listable
    mixed = make_profile(_records(*(message.replace("osd.3", "mgr.3") for message in messages)))
    assert "ip" in link("which osds did not reply", mixed, now=NOW).listable


def test_how_many_of_those_that_a_message_tells_of_are_not_all_there_are() -> None:
    done, got = ([f"Job {what} job={n} secs={n}" for n in range(9)] for what in ("succeeded", "received"))
    found = link("how many jobs succeeded?", make_profile(_records(*done, *got)), now=NOW)
    assert found.told
    accepts = Grammar(build_grammar(found)).accepts
    succeeded = next(one.handle for one in found.shapes if "succeeded" in one.shape.example)
    assert accepts(f"SELECT count(*) FROM logs WHERE message LIKE {succeeded}")
    assert not accepts("SELECT count(*) FROM logs")
    assert not link("how many users are there", make_profile(), now=NOW).told
    assert not link("how many lines are there", make_profile(), now=NOW).told


def test_who_is_somebody() -> None:
    found = link("who used the most ports?", make_profile(), now=NOW).listable
    assert {"user", "ip", "host"} <= found
    assert found.isdisjoint({"pid", "port", "level", "app"})


def test_numbers_that_are_names_are_listed_where_they_are_asked_for() -> None:
    found = link("which process ids had failed passwords", make_profile(), now=NOW).listable
    assert "pid" in found
    assert "port" not in found


def test_the_word_right_behind_a_value_is_what_it_is_called() -> None:
    messages = [
        f"no reply of {name} datasource in pass {n}"
        for n in range(30)
        for name in ("east", "west", "north", "south", "upper", "lower", "inner")
    ]
    messages += [
        f"leader {name} of pass {n}" for n in range(30) for name in ("ada", "bob", "eve", "sam", "tom", "ann", "joe")
    ]
    found = link("which datasources did not reply", make_profile(_records(*messages)), now=NOW)
    east = next(slot for slot in found.slots if "east" in slot.slot.values)
    assert east.handle in found.listable
    assert not {slot.handle for slot in found.slots if "ada" in slot.slot.values} & found.listable
    assert "user" not in found.listable
