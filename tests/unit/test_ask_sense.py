"""Queries that nobody means are told from those that somebody may, and are not the planner's answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from asked_log import make_profile
from edgeslm.ask.candidates import Candidates, ValueHandle
from edgeslm.ask.link import link
from edgeslm.ask.planner import write_sql
from edgeslm.ask.readings import other_readings, read
from edgeslm.ask.sense import nonsense

NOW = datetime(2024, 5, 3, 12, 0)


@pytest.fixture(scope="module")
def candidates() -> Candidates:
    found = link("failed passwords of sshd", make_profile(), now=NOW)
    values = [ValueHandle(f"V{number}", f"value{number}", {}, (0, 0), plain=True) for number in range(1, 6)]
    return replace(found, values=values)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT DISTINCT app FROM logs WHERE app = V1 AND line LIKE V2", "the values of a column that is given"),
        ("SELECT count(DISTINCT level) FROM logs WHERE level = V1", "the values of a column that is given"),
        (
            "SELECT ip, count(*) AS count FROM logs WHERE message LIKE S1 AND ip = V1 AND ip IS NOT NULL"
            " GROUP BY ip ORDER BY count DESC LIMIT 1",
            "the values of a column that is given",
        ),
        ("SELECT count(*) FROM logs WHERE (app = V1 OR app = V1)", "one condition twice"),
        ("SELECT count(*) FROM logs WHERE message LIKE S1 AND message LIKE S1", "one condition twice"),
        ("SELECT count(*) FROM logs WHERE ip = V1 AND ip = V2", "one column with two values at once"),
        (
            "SELECT pid, count(*) AS count FROM logs WHERE port = N1 GROUP BY pid ORDER BY count DESC LIMIT N1",
            "one number for two things",
        ),
        ("SELECT count(*) FROM logs WHERE line LIKE V1 AND line NOT LIKE V1", "something and its opposite"),
        (
            "SELECT epoch(min(ts) FILTER (WHERE line LIKE V1)) - epoch(min(ts) FILTER (WHERE line LIKE V1)) FROM logs",
            "the time from something to itself",
        ),
    ],
)
def test_nobody_means(sql: str, why: str, candidates: Candidates) -> None:
    assert nonsense(sql, candidates) == why


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM logs",
        "SELECT DISTINCT app FROM logs WHERE app <> V1",
        "SELECT DISTINCT user FROM logs WHERE ip = V1 AND user IS NOT NULL",
        "SELECT app, count(*) AS count FROM logs WHERE (app = V1 OR app = V2) GROUP BY app ORDER BY count DESC LIMIT 1",
        "SELECT count(*) FROM logs WHERE (ip = V1 OR ip = V2) AND (user = V1 OR user = V3)",
        "SELECT count(*) FROM logs WHERE line NOT LIKE V1 AND line NOT LIKE V2",
        "SELECT 100.0 * count(*) FILTER (WHERE ip = V1) / count(*) FROM logs WHERE app = V2",
        "SELECT epoch(min(ts) FILTER (WHERE line LIKE V1)) - epoch(min(ts) FILTER (WHERE line LIKE V2)) FROM logs"
        " WHERE ip = V1",
        "SELECT max(gap) FROM (SELECT epoch(ts) - epoch(lag(ts) OVER (ORDER BY ts)) AS gap FROM logs WHERE app = V5)",
    ],
)
def test_somebody_may_mean(sql: str, candidates: Candidates) -> None:
    assert nonsense(sql, candidates) == ""


@pytest.mark.parametrize(
    ("question", "sql", "why"),
    [
        ("failed passwords from 10.0.0.2", "SELECT count(*) FROM logs WHERE ip = V1", ""),
        (
            "failed passwords from 10.0.0.2",
            "SELECT count(*) FROM logs WHERE message LIKE S1",
            "less than the question says",
        ),
        ('lines with "ssh2"', "SELECT line_no, line FROM logs", "less than the question says"),
        ("errors after 08:10", "SELECT count(*) FROM logs WHERE level = V1", "less than the question says"),
        ("errors after 08:10", "SELECT count(*) FROM logs WHERE level = V1 AND ts NOT IN T1", ""),
        ("failed passwords for root", "SELECT count(*) FROM logs WHERE message LIKE S1", ""),  # a word is no must
    ],
)
def test_what_a_question_gives_is_not_left_out(question: str, sql: str, why: str) -> None:
    assert nonsense(sql, link(question, make_profile(), now=NOW)) == why


@dataclass
class Drawer:
    """A model that writes one text greedily, and others when it is asked to draw."""

    greedy: str
    drawn: list[str]
    metadata: dict[str, str] = field(default_factory=dict)

    def chat_prompt(self, system: str, user: str) -> str:
        return system + user

    def complete(self, prompt: str, *, temperature: float = 0.0, seed: int = 0, **_: Any) -> Any:
        text, sure = (self.drawn[seed % len(self.drawn)], -1.0 - seed) if temperature else (self.greedy, -0.01)
        return SimpleNamespace(text=text, finished=True, logprobs=[sure], completion_tokens=1)


def test_a_query_that_nobody_means_gives_way_to_the_likeliest_that_somebody_may(candidates: Candidates) -> None:
    twice = "SELECT count(*) FROM logs WHERE message LIKE S1 AND message LIKE S1"
    sound = ["SELECT count(*) FROM logs WHERE message LIKE S1", "SELECT line_no, line FROM logs WHERE message LIKE S1"]
    model: Any = Drawer(twice, [twice, *sound])
    text, sure = write_sql(model, candidates)
    assert text == sound[0]
    assert sure == pytest.approx(0.1353, abs=1e-3)
    others = other_readings(model, read(text, sure, candidates), candidates)
    assert [one.handle_sql for one in others] == sound[1:]


def test_where_nothing_else_is_drawn_it_stays_without_confidence(candidates: Candidates) -> None:
    twice = "SELECT count(*) FROM logs WHERE message LIKE S1 AND message LIKE S1"
    model: Any = Drawer(twice, [twice])
    assert write_sql(model, candidates) == (twice, 0.0)


def test_a_share_of_some_is_no_share_of_all() -> None:
    found = link("what percentage of the failed passwords came from 10.0.0.1", make_profile(), now=NOW)
    whole = "SELECT 100.0 * count(*) FILTER (WHERE ip = V1) / count(*) FROM logs"
    assert nonsense(whole, found) == "a share of all lines where one of some is asked for"
    assert nonsense(f"{whole} WHERE message LIKE S1", found) == ""
    assert not link("what percentage of lines are errors", make_profile(), now=NOW).asked.some
    assert not link("percentage of errors", make_profile(), now=NOW).asked.some


def test_groups_are_those_that_are_named() -> None:
    records = [
        {"ts": NOW, "app": "hmi", "level": "INFO", "message": f"raised alarm prio={n % 3} value={n}"} for n in range(9)
    ]
    found = link("raised alarms by prio", make_profile(records), now=NOW)
    assert found.grouped == found.slots[0].handle
    rest = "count(*) AS count FROM logs WHERE message LIKE S1 GROUP BY level ORDER BY count DESC"
    assert nonsense(f"SELECT level, {rest}", found) == "groups of something else than what is named"
    assert link("raised alarms by hour", make_profile(records), now=NOW).grouped == ""


def test_messages_without_an_address_have_none() -> None:
    found = link("which addresses had a full disk", make_profile(), now=NOW)
    sql = "SELECT DISTINCT ip FROM logs WHERE message LIKE {} AND ip IS NOT NULL"
    full = next(one.handle for one in found.shapes if "disk full" in one.shape.example)
    assert nonsense(sql.format(full), found) == "a value that those messages lack"
    failed = link("which addresses had failed passwords", make_profile(), now=NOW)
    assert nonsense(sql.format("S1"), failed) == ""


def test_what_no_message_speaks_of_is_looked_for_by_its_words_where_it_is_asked_whether_it_happened() -> None:
    found = link("did a volcano ever erupt near the volume?", make_profile(), now=NOW)
    assert found.absent
    assert not found.shapes
    assert all(slot.field for slot in found.slots)
    assert nonsense("SELECT count(*) FROM logs", found) == "nothing of what is asked about"
    guess = next(value.handle for value in found.values if value.guess)
    assert nonsense(f"SELECT count(*) FROM logs WHERE line LIKE {guess}", found) == ""
    for question in ("did the disk ever get full?", "how often did a volcano erupt near the volume?"):
        assert not link(question, make_profile(), now=NOW).absent


def apart(*rows: tuple[str, str]) -> Any:
    """The profile of a log in which programs only write their own messages."""
    records = [{"ts": NOW, "app": app, "message": text.format(n)} for n in range(12) for app, text in rows]
    return make_profile(records)


def test_a_value_is_no_condition_beside_messages_that_it_never_stands_beside() -> None:
    log = apart(("kernel", "disk sda{} failed"), ("ntpd", "clock {} synchronized"), ("cron", "job {} of ntpd failed"))
    found = link("how often did the clock of ntpd synchronize?", log, now=NOW)
    clock, disk, job = (
        next((one for one in found.shapes if text in one.shape.example), None) for text in ("clock", "disk", "job")
    )
    assert clock is not None
    assert clock.stands["app"] == {"ntpd"}
    assert nonsense(f"SELECT count(*) FROM logs WHERE message LIKE {clock.handle} AND app = V1", found) == ""
    found = link("how often did ntpd fail?", log, now=NOW)
    disk, job = (next(one for one in found.shapes if text in one.shape.example) for text in ("disk", "job"))
    elsewhere = "messages beside what they never stand"
    for condition in ("app = V1", "line LIKE V1"):
        planned = f"SELECT count(*) FROM logs WHERE message LIKE {disk.handle} AND {condition}"
        assert nonsense(planned, found) == elsewhere
    named = f"SELECT count(*) FROM logs WHERE message LIKE {job.handle} AND line LIKE V1"
    assert nonsense(named, found) == ""  # its messages say ntpd themselves


def test_a_word_in_capitals_is_not_left_out() -> None:
    log = apart(("mq", "REPLICAOF {} started"), ("mq", "replica {} asks for sync"), ("mq", "started {} threads"))
    found = link("how often was REPLICAOF started", log, now=NOW)
    assert found.capitals == {"REPLICAOF"}
    named = next(one.handle for one in found.shapes if "REPLICAOF" in " ".join(one.fragment.pieces))
    others = [one.handle for one in found.shapes if one.handle != named]
    assert nonsense(f"SELECT count(*) FROM logs WHERE message LIKE {named}", found) == ""
    for handle in others:
        planned = f"SELECT count(*) FROM logs WHERE message LIKE {handle}"
        assert nonsense(planned, found) == "less than the question says"
    assert link("HOW OFTEN WAS REPLICAOF STARTED", log, now=NOW).capitals == frozenset()


def test_the_time_from_a_pattern_to_another_of_the_same_text_is_from_something_to_itself(
    candidates: Candidates,
) -> None:
    first = candidates.shapes[0]
    same = replace(candidates, shapes=[first, replace(first, handle="S9")])
    moment = "epoch(min(ts) FILTER (WHERE message LIKE {}))"
    planned = f"SELECT {moment.format('S1')} - {moment.format('S9')} FROM logs"
    assert nonsense(planned, same) == "the time from something to itself"
