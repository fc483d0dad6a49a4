"""Readings: a query over handles in words, and what else a model may have meant."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from asked_log import make_profile, open_view
from edgeslm.ask.link import link
from edgeslm.ask.planner import sure_above
from edgeslm.ask.readings import SURE_KEY, likelier, other_readings, probability, read, second_round

CANDIDATES = link("how many failed passwords", make_profile(), now=datetime(2024, 5, 3, 12))


class Drawer:
    """Stands for a model: writes the texts it was given, in turn, with a chance for each."""

    def __init__(self, *texts: tuple[str, float], **metadata: str) -> None:
        self.texts, self.metadata = texts, metadata

    def chat_prompt(self, system: str, user: str) -> str:
        return system + user

    def complete(self, prompt: str, *, seed: int, **_: Any) -> SimpleNamespace:
        text, logprob = self.texts[seed % len(self.texts)]
        return SimpleNamespace(text=text, logprobs=[logprob], finished=not text.endswith("…"))


@pytest.mark.parametrize(
    ("handle_sql", "words"),
    [
        ("SELECT count(*) FROM logs WHERE message LIKE S1", "the number of lines with 'Failed password'"),
        ("SELECT line_no, line FROM logs WHERE message LIKE S1", "to see lines with 'Failed password'"),
        ("SELECT max(ts) FROM logs WHERE message LIKE S1", "the time of the last of lines with 'Failed password'"),
        (
            "SELECT user, count(*) AS count FROM logs WHERE message LIKE S1 AND user IS NOT NULL GROUP BY user "
            "ORDER BY count DESC",
            "each user with its number of lines with 'Failed password'",
        ),
        (
            "SELECT date_trunc('hour', ts) AS hour, count(*) AS count FROM logs WHERE message LIKE S1 GROUP BY hour "
            "ORDER BY hour",
            "lines with 'Failed password' per hour",
        ),
        ("SELECT count(*) FROM logs", "the number of all lines"),
        (
            "SELECT user, count(*) AS count FROM logs WHERE user IS NOT NULL GROUP BY user HAVING count(*) = 1"
            " ORDER BY count DESC",
            "each user with its number of lines, where that is 1",
        ),
        (
            "SELECT user, count(*) AS count FROM logs WHERE message NOT LIKE S1 AND user IS NOT NULL GROUP BY user"
            " HAVING count(*) > 1 ORDER BY count DESC",
            "each user with its number of lines without 'Failed password', where that is more than 1",
        ),
        (
            "SELECT date_trunc('hour', ts) AS hour, avg(pid) AS value FROM logs WHERE pid IS NOT NULL GROUP BY hour"
            " ORDER BY hour",
            "the avg of pid per hour in lines",
        ),
        (
            "SELECT ts, pid FROM logs WHERE pid IS NOT NULL ORDER BY pid DESC LIMIT 1",
            "the time of the highest pid in lines",
        ),
    ],
)
def test_a_query_is_put_into_words(handle_sql: str, words: str) -> None:
    assert read(handle_sql, 0.5, CANDIDATES).words == words


def test_other_readings_come_likeliest_first_each_once_and_without_the_first() -> None:
    first = read("SELECT count(*) FROM logs WHERE message LIKE S1", 0.6, CANDIDATES)
    model: Any = Drawer(
        (first.handle_sql, -0.5),
        ("SELECT max(ts) FROM logs WHERE message LIKE S1", -2.0),
        ("SELECT min(ts) FROM logs WHERE message LIKE S1", -1.0),
        ("SELECT max(ts) FROM logs WHERE message LIKE S1", -2.0),
        ("SELECT max(ts) FROM logs WHERE …", -0.1),
        ("SELECT count(*) FROM logs", -3.0),
    )
    others = other_readings(model, first, CANDIDATES)
    assert [one.handle_sql[7:14] for one in others] == ["min(ts)", "max(ts)", "count(*"]
    assert others[0].confidence == pytest.approx(probability([-1.0]))


def test_another_reading_may_answer_where_the_first_found_nothing() -> None:
    first, likely, unlikely = (read("SELECT count(*) FROM logs", sure, CANDIDATES) for sure in (0.4, 0.39, 0.01))
    assert second_round(first, [likely, unlikely], none=True) == [likely, unlikely]
    assert second_round(first, [likely, unlikely], none=False) == [likely]  # 0 is an answer unless a rival is as good


@pytest.mark.parametrize(("metadata", "least"), [({SURE_KEY: "0.7"}, 0.7), ({}, None), ({SURE_KEY: "high"}, None)])
def test_a_model_says_itself_from_when_on_it_is_sure(metadata: dict[str, str], least: float | None) -> None:
    model: Any = Drawer(**metadata)
    assert sure_above(model) == least


def test_words_that_nothing_in_the_log_matches_are_named() -> None:
    candidates = link("average warp temperature of failed passwords", make_profile(), now=datetime(2024, 5, 3, 12))
    assert "warp" in candidates.unmatched
    assert not {"failed", "passwords"} & set(candidates.unmatched)


def test_a_columns_name_is_no_word_that_nothing_matches() -> None:
    candidates = link("warp per host", make_profile(), now=datetime(2024, 5, 3, 12))
    assert candidates.unmatched == ("warp",)


@pytest.mark.parametrize(
    ("handle_sql", "evidence"),
    [
        ("SELECT count(*) FROM logs WHERE (app = V1 OR app = V2)", "(app = 'sshd' OR app = 'kernel')"),
        (
            "SELECT 100.0 * count(*) FILTER (WHERE (app = V1 OR app = V2)) / count(*) FROM logs",
            "(((app = 'sshd' OR app = 'kernel')))",
        ),
        (
            "SELECT epoch(min(ts) FILTER (WHERE (app = V1 OR app = V2))) - epoch(min(ts) FILTER (WHERE app = V2))"
            " FROM logs WHERE app = V1",
            "(((app = 'sshd' OR app = 'kernel')) OR (app = 'kernel')) AND app = 'sshd'",
        ),
        (
            "SELECT max(gap) FROM (SELECT epoch(ts) - epoch(lag(ts) OVER (ORDER BY ts)) AS gap FROM logs"
            " WHERE (app = V1 OR app = V2))",
            "(app = 'sshd' OR app = 'kernel')",
        ),
        ("SELECT app, count(*) AS count FROM logs GROUP BY app HAVING count(*) > 1 ORDER BY count DESC", None),
    ],
)
def test_the_lines_that_prove_an_answer_meet_all_its_conditions(handle_sql: str, evidence: str | None) -> None:
    candidates = link("how many lines from sshd or kernel", make_profile(), now=datetime(2024, 5, 3, 12))
    reading = read(handle_sql, 0.5, candidates)
    assert reading.evidence_where == evidence
    if evidence:
        open_view().execute(f"SELECT count(*) FROM logs WHERE {evidence}").fetchall()


@pytest.mark.parametrize(("first", "swapped"), [(0.001, True), (0.019, True), (0.03, False), (0.5, False)])
def test_a_reading_that_the_model_thinks_nothing_of_gives_way(first: float, swapped: bool) -> None:
    one, two, three = (
        read(sql, sure, CANDIDATES)
        for sql, sure in (
            ("SELECT count(*) FROM logs", first),
            ("SELECT max(ts) FROM logs", 0.4),
            ("SELECT min(ts) FROM logs", 0.1),
        )
    )
    assert likelier(one, [two, three]) == ((two, [one, three]) if swapped else (one, [two, three]))
    assert likelier(one, []) == (one, [])
    assert likelier(read("SELECT count(*) FROM logs", 0.01, CANDIDATES), [read("SELECT 1", 0.001, CANDIDATES)])[1]
