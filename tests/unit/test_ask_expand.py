"""Expanding handles: the SQL that is run, with any text in its literals, checked by running it in DuckDB."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from asked_log import make_profile, make_records, open_view
from edgeslm.ask.candidates import Candidates, SlotHandle, ValueHandle
from edgeslm.ask.expand import expand, like, quote
from edgeslm.ask.link import link
from edgeslm.ask.shapes import Slot
from edgeslm.errors import PlanError

NOW = datetime(2024, 5, 3, 12, 0)
QUESTION = "top 3 users with failed passwords from 10.0.0.2 in warnings of sshd after 08:10"
NASTY = [
    "'", "''", "it's", "\"", "%", "_", "100%", "a_b", "\\", "C:\\temp\\%x%", "\\'", "'; DROP TABLE raw; --", "/*",
    "--", ";", "' OR 1=1 --", "a%'_\\b", "🙂", "é", "line LIKE V1", "level = V1", "ts IN T1", "A1", "N1", "S1",
    "message LIKE S1", "$1", "?", "{}", "\\1", "\\g<0>", "\n", "\t", "''''''", "NULL", "\x01",
]  # fmt: skip


@pytest.fixture(scope="module")
def found() -> Candidates:
    return link(QUESTION, make_profile(), now=NOW)


@pytest.fixture(scope="module")
def view() -> duckdb.DuckDBPyConnection:
    return open_view()


def run(view: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return view.execute(sql).fetchall()


def holding(text: str) -> Candidates:
    """Candidates whose one value V1 is that text, as an app and as a slot of that name; with a time and a number."""
    candidates = link("top 3 lines after 08:10", make_profile(), now=NOW)
    candidates.slots = [SlotHandle("A1", Slot("word"), r"of (\S+) took", text)]
    candidates.values = [ValueHandle("V1", text, {"app": text, "A1": text}, (0, 1), False)]
    return candidates


def test_every_handle_is_written_out(found: Candidates, view: duckdb.DuckDBPyConnection) -> None:
    sql = expand(
        "SELECT user, count(*) AS count FROM logs WHERE message LIKE S1 AND ip = V1 AND level = V2 AND app = V3"
        " AND ts IN T1 AND user IS NOT NULL GROUP BY user ORDER BY count DESC LIMIT N1",
        found,
    )
    assert sql == (
        "SELECT user, count(*) AS count FROM logs WHERE message LIKE '%Failed password%' AND ip = '10.0.0.2'"
        " AND level = 'WARN' AND app = 'sshd'"
        " AND ts BETWEEN TIMESTAMP '2024-05-03 08:10:00' AND TIMESTAMP '2024-05-03 23:59:59.999999'"
        " AND user IS NOT NULL GROUP BY user ORDER BY count DESC LIMIT 3"
    )
    run(view, sql)


@pytest.mark.parametrize(
    ("planned", "condition"),
    [
        ("message NOT LIKE S1", "NOT (message LIKE '%Failed password%')"),
        ("line LIKE V1", "line ILIKE '%10.0.0.2%'"),
        ("line NOT LIKE V1", "NOT (line ILIKE '%10.0.0.2%')"),
        ("ip <> V1", "ip IS DISTINCT FROM '10.0.0.2'"),
        ("level >= V2", "level >= 'WARN'"),
        ("pid > N1", "pid > 3"),
    ],
)
def test_conditions_are_written_out(planned: str, condition: str, found: Candidates) -> None:
    assert expand(f"SELECT count(*) FROM logs WHERE {planned}", found) == f"SELECT count(*) FROM logs WHERE {condition}"


def test_negation_and_its_opposite_make_up_the_whole(found: Candidates, view: duckdb.DuckDBPyConnection) -> None:
    for one, other in [
        ("message LIKE S1", "message NOT LIKE S1"),
        ("line LIKE V1", "line NOT LIKE V1"),
        ("ip = V1", "ip <> V1"),
    ]:
        counts = [run(view, expand(f"SELECT count(*) FROM logs WHERE {part}", found))[0][0] for part in (one, other)]
        assert sum(counts) == len(make_records())
        assert min(counts) > 0


@pytest.mark.parametrize("text", NASTY)
def test_a_quoted_text_is_that_text(text: str) -> None:
    assert duckdb.sql(f"SELECT {quote(text)}").fetchall() == [(text,)]


@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.parametrize("text", NASTY)
def test_like_finds_the_text_and_nothing_else(text: str, ignore_case: bool) -> None:
    held = [text, f"before {text} after", text.upper() + text]
    others = ["", "x", "before after", text[:-1], "".join(reversed(f"{text}z")) if len(set(text)) > 1 else ""]
    others = [one for one in others if text.casefold() not in one.casefold()]
    table = "(SELECT unnest(?) AS message)"
    condition = like("message", (text,), ignore_case=ignore_case)
    rows = duckdb.execute(f"SELECT message FROM {table} WHERE {condition}", [held + others]).fetchall()
    assert [message for (message,) in rows] == held


def test_several_texts_are_found_in_their_order() -> None:
    messages = ["a 5% b_c", "b_c a 5%", "a 5x bxc"]
    condition = like("message", ("5%", "b_c"))
    rows = duckdb.execute(f"SELECT message FROM (SELECT unnest(?) AS message) WHERE {condition}", [messages]).fetchall()
    assert rows == [("a 5% b_c",)]


@pytest.mark.parametrize("text", NASTY)
def test_no_text_leaves_its_literal(text: str) -> None:
    records = make_records(12)
    records[5] |= {"app": text, "message": f"it says {text} here"}
    view, candidates = open_view(records), holding(text)
    for condition in ("app = V1", "line LIKE V1", "app = V1 AND line LIKE V1 AND pid >= N1"):
        rows = run(view, expand(f"SELECT line_no FROM logs WHERE {condition}", candidates))
        assert (6,) in rows
        assert condition == "line LIKE V1" or rows == [(6,)]
    negated = expand("SELECT count(*) FROM logs WHERE app <> V1 AND line NOT LIKE V1 AND ts IN T1", candidates)
    assert run(view, negated)[0][0] < len(records)
    run(
        view,
        expand(
            "SELECT A1, count(*) AS count FROM logs WHERE A1 <> V1 GROUP BY A1 ORDER BY count DESC LIMIT N1", candidates
        ),
    )
    assert run(view, "SELECT count(*) FROM raw") == [(len(records),)]


def test_no_log_text_leaves_its_literal() -> None:
    rng = random.Random(3)
    for _ in range(10):
        marks = "".join(rng.choices("'\"%_\\;-() ", k=rng.randint(1, 6)))
        start = datetime(2024, 5, 3)
        records = [
            {
                "ts": start + timedelta(seconds=n), "host": "h", "app": "a", "pid": n, "level": "INFO",
                "message": f"valve{marks}jammed {marks} by {n} of{marks}S1 line LIKE V1",
            }
            for n in range(4)
        ]  # fmt: skip
        candidates = link("when was the valve jammed?", make_profile(records), now=NOW)
        rows = run(open_view(records), expand("SELECT count(*) FROM logs WHERE message LIKE S1", candidates))
        assert rows == [(4,)]


def test_a_slot_is_read_once_and_named(found: Candidates, view: duckdb.DuckDBPyConnection) -> None:
    candidates = link("slowest backup of a volume", make_profile(), now=NOW)
    sql = expand("SELECT A1, A2 FROM logs WHERE message LIKE S1 ORDER BY A2 DESC LIMIT 1", candidates)
    assert sql.count("regexp_extract") == 2
    assert " AS volume, " in sql
    assert " AS took FROM " in sql
    assert sql.endswith(" ORDER BY took DESC LIMIT 1")
    slowest = max((n for n, r in enumerate(make_records()) if "backup" in r["message"]), key=lambda n: n)
    assert run(view, sql) == [(f"vol{slowest % 5}", slowest * 7)]


@pytest.mark.parametrize(
    "name",
    [
        "user",
        "select",
        "left",
        "show",
        "map",
        "count",
        "mac",
        "line",
        "level",
        "2nd",
        "Größe",
        "",
        "%",
        "group by",
        "value",
        "pid",
    ],
)
def test_a_slots_heading_never_hides_a_column_or_a_keyword(name: str, view: duckdb.DuckDBPyConnection) -> None:
    candidates = holding("x")
    candidates.slots = [
        SlotHandle("A1", Slot("word"), r"volume (\S+) took", name),
        SlotHandle("A2", Slot("num"), r"took (\d+) ms", name),
    ]
    both = run(view, expand("SELECT A1, A2 FROM logs WHERE A1 IS NOT NULL ORDER BY A2 DESC LIMIT 1", candidates))
    assert both == [("vol3", 118 * 7)]
    groups = run(
        view,
        expand(
            "SELECT A1, count(*) AS count FROM logs WHERE A1 IS NOT NULL GROUP BY A1 ORDER BY count DESC", candidates
        ),
    )
    assert sum(count for _, count in groups) == 30
    assert run(view, expand("SELECT DISTINCT A1 FROM logs WHERE A1 IS NOT NULL", candidates))
    assert (
        run(
            view,
            expand(
                "SELECT A1, max(A2) AS value FROM logs WHERE A1 IS NOT NULL GROUP BY A1 ORDER BY value DESC LIMIT 1",
                candidates,
            ),
        )
        == both
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM logs WHERE message LIKE S9",
        "SELECT count(*) FROM logs WHERE line LIKE V9",
        "SELECT count(*) FROM logs WHERE ts IN T9",
        "SELECT count(*) FROM logs WHERE user = V2",  # a level, no user
        "SELECT A9 FROM logs",
        "SELECT avg(A9) FROM logs",
        "SELECT line FROM logs LIMIT N9",
    ],
)
def test_a_handle_that_was_not_offered_is_refused(sql: str, found: Candidates) -> None:
    with pytest.raises(PlanError) as caught:
        expand(sql, found)
    assert str(caught.value) == f"the model named something that it was not offered\n  because in {sql}"


@pytest.mark.parametrize("text", ["Invalid user … from", "Invalid user ... from"])
def test_an_ellipsis_in_a_quoted_text_stands_for_anything(text: str) -> None:
    sql = expand("SELECT count(*) FROM logs WHERE line LIKE V1", holding(text))
    assert sql == "SELECT count(*) FROM logs WHERE line ILIKE '%Invalid user%from%'"


def test_an_aggregate_over_a_slot_has_a_heading() -> None:
    candidates = holding("state")
    candidates.slots = [SlotHandle("A1", Slot("num"), r"took (\d+)", "took")]
    assert expand("SELECT avg(A1) FROM logs", candidates).endswith(" AS avg_took FROM logs")
    assert expand("SELECT count(DISTINCT A1) FROM logs", candidates).endswith(" AS distinct_took FROM logs")
