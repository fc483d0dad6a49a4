"""The grammar: what it lets a model write, and what it leaves out because the log or the question does not have it."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from datetime import datetime

import duckdb
import pytest

from asked_log import COLUMNS, make_profile, open_view
from edgeslm.ask.asked import Asked
from edgeslm.ask.expand import expand
from edgeslm.ask.grammar import MOST_CONDITIONS, build_grammar
from edgeslm.ask.link import link
from edgeslm.ask.profile import build_profile
from gbnf import Grammar

NOW = datetime(2024, 5, 3, 12, 0)


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    question = (
        'when did turbine valves have users with more than 3 failed passwords from 10.0.0.2 and "ssh2" in warnings'
        " of sshd after 08:10 and a backup"
    )
    candidates = link(question, make_profile(), now=NOW)
    every = replace(candidates, asked=Asked(), measured=None)  # whatever the question says of the answer's form
    return Grammar(build_grammar(every))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM logs",
        "SELECT count(*) FROM logs WHERE message LIKE S1",
        "SELECT count(*) FROM logs WHERE message NOT LIKE S1 AND ts IN T1",
        "SELECT count(*) FROM logs WHERE (ip = V2 OR line LIKE V3) AND level >= V4",
        "SELECT count(*) FROM logs WHERE app <> V5 AND pid > N1",
        "SELECT min(ts) FROM logs WHERE message LIKE S1",
        "SELECT line_no, line FROM logs ORDER BY ts DESC LIMIT N1",
        "SELECT user, count(*) AS count FROM logs WHERE message LIKE S1 AND user IS NOT NULL"
        " GROUP BY user ORDER BY count DESC LIMIT N1",
        "SELECT host, count(*) AS count FROM logs GROUP BY host HAVING count(*) > N1 ORDER BY count ASC",
        "SELECT date_trunc('hour', ts) AS hour, count(*) AS count FROM logs GROUP BY hour ORDER BY hour",
        "SELECT date_trunc('day', ts) AS day, count(DISTINCT user) AS count FROM logs"
        " GROUP BY day ORDER BY count DESC LIMIT 1",
        "SELECT count(DISTINCT ip) FROM logs WHERE line NOT LIKE V3",
        "SELECT DISTINCT host FROM logs",
        "SELECT DISTINCT A1 FROM logs WHERE message LIKE S1 AND A1 IS NOT NULL",
        "SELECT avg(pid) FROM logs",
        "SELECT host, max(port) AS value FROM logs GROUP BY host ORDER BY value DESC",
        "SELECT app, pid FROM logs ORDER BY pid DESC LIMIT 1",
        "SELECT 100.0 * count(*) FILTER (WHERE message LIKE S1) / count(*) FROM logs WHERE ts IN T1",
        "SELECT epoch(max(ts)) - epoch(min(ts)) FROM logs",
        "SELECT epoch(min(ts) FILTER (WHERE message LIKE S2)) - epoch(min(ts) FILTER (WHERE message LIKE S1))"
        " FROM logs",
        "SELECT max(gap) FROM (SELECT epoch(ts) - epoch(lag(ts) OVER (ORDER BY ts)) AS gap FROM logs WHERE app = V5)",
    ],
)
def test_the_forms_of_the_documentation_are_accepted(sql: str, grammar: Grammar) -> None:
    assert grammar.accepts(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT",
        "SELECT * FROM logs",
        "select count(*) from logs",
        "SELECT count(*) FROM logs;",
        "SELECT count(*) FROM logs; DROP TABLE logs",
        "DROP TABLE logs",
        "SELECT count(*) FROM raw",
        "SELECT count(*) FROM read_csv('/etc/passwd')",
        "SELECT count(*) FROM logs WHERE message LIKE S9",  # not offered
        "SELECT count(*) FROM logs WHERE level = V2",  # an address is no level
        "SELECT count(*) FROM logs WHERE ip = '10.0.0.2'",  # literals are handles
        "SELECT count(*) FROM logs WHERE status = V2",  # no such column
        "SELECT avg(host) FROM logs",  # no numbers
        "SELECT line_no, line FROM logs LIMIT N3",
        "SELECT count(*) FROM logs WHERE line NOT LIKE V1",  # a guess is asked for, never left out
        "SELECT count(*) FROM logs WHERE",
        "SELECT count(*) FROM logs WHERE message LIKE S1 AND",
        "SELECT user, count(*) AS count FROM logs GROUP BY ip ORDER BY count DESC",
        "SELECT date_trunc('hour', ts) AS day, count(*) AS count FROM logs GROUP BY day ORDER BY day",
    ],
)
def test_anything_else_is_refused(sql: str, grammar: Grammar) -> None:
    assert not grammar.accepts(sql)


def test_conditions_end(grammar: Grammar) -> None:
    """A model that is lost would repeat them until its context is full."""
    many = [f"message LIKE S{1 + number % 2}" for number in range(MOST_CONDITIONS + 1)]
    for joined, brackets in ((" AND ", "{}"), (" OR ", "({})")):
        query = "SELECT count(*) FROM logs WHERE " + brackets
        assert grammar.accepts(query.format(joined.join(many[:-1])))
        assert not grammar.accepts(query.format(joined.join(many)))


@pytest.mark.parametrize("question", ["", "how many lines?", "top 3 lines in the last hour"])
@pytest.mark.parametrize("message", ["x", "took 5 ms", "🙂"])
def test_a_log_without_columns_still_has_a_grammar(question: str, message: str) -> None:
    profile = build_profile([{"message": message}], [])
    grammar = Grammar(build_grammar(link(question, profile, now=NOW)))
    assert grammar.accepts("SELECT count(*) FROM logs")
    assert grammar.accepts("SELECT line_no, line FROM logs") is not question.startswith("how many")
    assert not grammar.accepts("SELECT DISTINCT host FROM logs")


def test_only_listed_columns_can_be_named() -> None:
    grammar = Grammar(
        build_grammar(link("how many?", build_profile([{"message": "x", "host": "a"}], COLUMNS), now=NOW))
    )
    assert grammar.accepts("SELECT DISTINCT host FROM logs")
    assert not grammar.accepts("SELECT DISTINCT app FROM logs")


QUESTIONS = [
    "",
    "how many failed passwords?",
    "top 3 users with failed passwords from 10.0.0.2 in the last 2.5 hours",
    "slowest backup of vol3 above 1,500 ms on 'gate' between 22:00 and 03:00",
    "errors or warnings of sshd with status 404 and port 4001 for root",
    'how many turbine restarts with "it\'s 100%_\\" before 08:10?',
    "blocks lost on device sdb1 by pid 103, level E lines",
    "which users failed exactly 3 times",
    "which hosts had failed passwords, and how many times each?",
    "average backup time in ms per hour",
    "when did a backup take longest, in ms?",
    "which hour had the most failed passwords apart from root's and those of 10.0.0.2?",
    "how long did it take from the full disk until the backup on gate?",
    "how many milliseconds did the backups of vol3 take in total?",
    "users by total port",
    "when did anything other than a backup not start?",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_sentence_is_one_select_that_duckdb_runs(question: str) -> None:
    """The invariant of the grammar; the sentences are drawn at random."""
    rng = random.Random(question)
    candidates = link(question, make_profile(), now=NOW)
    grammar, view = Grammar(build_grammar(candidates)), open_view()
    for _ in range(40):
        planned = grammar.sample(rng)
        assert grammar.accepts(planned)
        sql = expand(planned, candidates)
        assert len(duckdb.extract_statements(sql)) == 1
        view.execute(sql).fetchall()


def test_whatever_a_question_asks_for_there_is_a_query() -> None:
    """Rules that each leave something out never leave nothing together: any of them at once, drawn at random."""
    rng = random.Random(7)
    questions = [*QUESTIONS, "average backup time in ms per hour apart from vol3", "when was port 4001 highest?"]
    linked, view = [link(question, make_profile(), now=NOW) for question in questions], open_view()
    words = {"at_most": ("DESC", "ASC"), "each": ("= 1", "> 1"), "amount": ("ms", "bytes")}
    for _ in range(300):
        candidates = rng.choice(linked)
        asked: dict[str, object] = {}
        for one in fields(Asked):
            if isinstance(one.default, bool):
                asked[one.name] = rng.random() < 0.3
            elif one.default == "":
                asked[one.name] = rng.choice(words.get(one.name, ("hour", "day"))) if rng.random() < 0.3 else ""
        mixed = replace(candidates, asked=replace(candidates.asked, **asked))  # type: ignore[arg-type]
        grammar = Grammar(build_grammar(mixed))
        planned = grammar.sample(rng)
        assert grammar.accepts(planned)
        view.execute(expand(planned, mixed)).fetchall()
