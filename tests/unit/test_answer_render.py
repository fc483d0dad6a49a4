"""Text, JSON and CSV of an answer, character for character."""

import csv
import io
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from edgeslm.answer.answer import Answer, Query
from edgeslm.answer.render import as_csv, as_json, as_text, fit_columns, render
from edgeslm.answer.terminal import Style, safe, width

SQL = "SELECT ip, count(*) AS count FROM logs GROUP BY ip"
PLAIN = Style(80)
NASTY = "\x1b[31m\n\t\r\x00\x7f\x9b\u202e"


@dataclass
class FakeLine:
    file: str
    line_no: int
    text: str


def make(**changes: Any) -> Answer:
    fields: dict[str, Any] = {
        "query": Query(SQL, question="top addresses", model="planner"),
        "columns": ["ip", "count"],
        "rows": [("183.62.140.253", 286), ("187.141.143.180", 80), ("103.99.0.122", 46)],
        "sentence": "183.62.140.253 had the most failed passwords: 286 of 520.",
        "sentence_covers": False,
        "evidence": [FakeLine("auth.log", 29, "Dec 10 07:13:43 LabSZ sshd[24227]: Failed password for root")],
        "lines_read": 2000,
        "lines_unparsed": 0,
        "format": "syslog",
        "timing_ms": {"query": 12.5, "total": 310.0},
    }
    return Answer(**{**fields, **changes})


def test_text_as_the_design_shows_it() -> None:
    assert as_text(make(), PLAIN) == (
        "183.62.140.253 had the most failed passwords: 286 of 520.\n"
        "\n"
        "  ip               count\n"
        "  183.62.140.253     286\n"
        "  187.141.143.180     80\n"
        "  103.99.0.122        46\n"
        "\n"
        "SELECT ip, count(*) AS count FROM logs GROUP BY ip\n"
        "auth.log:29  Dec 10 07:13:43 LabSZ sshd[24227]: Failed password for root\n"
        "2,000 lines read, 0 not understood · syslog · 0.31 s\n"
    )


def test_colour_is_bold_and_dim_only_and_always_ends() -> None:
    text = as_text(make(), Style(80, colour=True))
    assert text.startswith("\x1b[1m183.62.140.253 had the most failed passwords: 286 of 520.\x1b[0m\n")
    assert f"\x1b[2m{SQL}\x1b[0m\n" in text
    assert all(line.count("\x1b[") in (0, 2) for line in text.split("\n"))


def test_a_sentence_that_covers_the_result_has_no_table() -> None:
    answer = make(columns=["count"], rows=[(1,)], sentence="There was 1 line.", sentence_covers=True, evidence=[])
    assert as_text(answer, PLAIN) == (
        f"There was 1 line.\n\n{SQL}\n2,000 lines read, 0 not understood · syslog · 0.31 s\n"
    )


def test_lines_in_the_table_are_not_repeated_as_evidence() -> None:
    assert "auth.log:29" not in as_text(make(columns=["line_no", "line"], rows=[(29, "text"), (30, "more")]), PLAIN)


def test_what_was_changed_in_reading_is_noted() -> None:
    text = as_text(make(notes=["auth.log: 2 lines were cut\x1b"]), PLAIN)
    assert "\nauth.log: 2 lines were cut\\x1b\n2,000 lines read" in text


def test_long_tables_are_cut_and_say_so() -> None:
    text = as_text(make(rows=[(f"h{i}", i) for i in range(1300)]), PLAIN)
    assert "  … 1,260 more rows (use --output csv)\n" in text
    assert "h39" in text
    assert "h40" not in text


@pytest.mark.parametrize("cells", [20, 40, 80])
def test_no_line_but_the_sentence_and_the_sql_is_wider_than_the_terminal(cells: int) -> None:
    rows = [(i, datetime(2015, 12, 10), "日本" * 40, "x" * 300) for i in range(3)]
    text = as_text(make(columns=["line_no", "ts", "wide", "line"], rows=rows), Style(cells))
    lines = text.split("\n")[2:6]
    assert all(width(line) <= cells for line in lines)
    assert "…" in text


def test_columns_that_cannot_fit_are_left_out_and_counted() -> None:
    text = as_text(
        make(columns=[f"column{i}" for i in range(30)], rows=[tuple("abcdefgh" for _ in range(30))] * 2), PLAIN
    )
    assert "  … 22 more columns (use --output csv)\n" in text


def test_the_widest_column_gives_way_first_and_numbers_never() -> None:
    assert fit_columns([5, 100, 20], 60, keep=[True, False, False]) == [5, 31, 20]
    assert fit_columns([5, 100, 90], 60, keep=[True, False, False]) == [5, 25, 26]
    assert fit_columns([5, 6], 60, keep=[False, False]) == [5, 6]
    assert fit_columns([100], 30, keep=[True]) == [30]


def test_missing_values_numbers_and_times_in_a_table() -> None:
    rows = [(None, 0.25, datetime(2015, 12, 10, 1)), ("a", None, datetime(2015, 12, 10, 2))]
    text = as_text(make(columns=["user", "share", "at"], rows=rows), PLAIN)
    assert "  user  share  at\n         0.25  2015-12-10T01:00:00\n  a            2015-12-10T02:00:00\n" in text


def test_json_by_the_contract() -> None:
    assert json.loads(as_json(make())) == {
        "question": "top addresses",
        "sql": SQL,
        "columns": ["ip", "count"],
        "rows": [["183.62.140.253", 286], ["187.141.143.180", 80], ["103.99.0.122", 46]],
        "answer": "183.62.140.253 had the most failed passwords: 286 of 520.",
        "evidence": [
            {"file": "auth.log", "line_no": 29, "text": "Dec 10 07:13:43 LabSZ sshd[24227]: Failed password for root"}
        ],
        "lines_read": 2000,
        "lines_unparsed": 0,
        "format": "syslog",
        "model": "planner",
        "timing_ms": {"query": 12.5, "total": 310.0},
    }
    assert as_json(make()).count("\n") == 1


def test_json_values_are_exact_and_its_text_safe() -> None:
    document = as_json(make(rows=[(NASTY, 1)], evidence=[FakeLine("a\x1b.log", 1, NASTY)]))
    assert safe(document.removesuffix("\n")) == document.removesuffix("\n")
    assert json.loads(document)["rows"] == [[NASTY, 1]]
    assert json.loads(document)["evidence"][0]["text"] == NASTY


def test_csv_is_one_line_a_row_and_safe() -> None:
    rows = [('say "hi", you', 1), (NASTY, None), ("", 2), (" padded ", 3), ("=1+1", True)]
    text = as_csv(make(columns=["user", "n"], rows=rows))
    assert text == (
        'user,n\n"say ""hi"", you",1\n\\x1b[31m\\n\\t\\r\\x00\\x7f\\x9b\\u202e,\n"",2\n" padded ",3\n=1+1,true\n'
    )
    assert list(csv.reader(io.StringIO(text)))[1] == ['say "hi", you', "1"]


def test_a_query_that_was_not_run_is_shown_alone() -> None:
    answer = make(columns=[], rows=[], sentence="", evidence=[], lines_read=None, lines_unparsed=None, was_run=False)
    assert as_text(answer, PLAIN) == f"{SQL}\n"
    assert as_csv(answer) == f'sql\n"{SQL}"\n'
    shown = json.loads(as_json(answer))
    assert (shown["sql"], shown["columns"], shown["rows"], shown["lines_read"]) == (SQL, [], [], None)


def test_text_lets_no_control_character_through() -> None:
    answer = make(
        query=Query(f"SELECT '{NASTY}'\nFROM logs -- \x1b"),
        columns=["a\x1b", "n"],
        rows=[(NASTY, 1), ("b", 2)],
        sentence=NASTY,
        evidence=[FakeLine("bad\x1bname\n.log", 1, NASTY)],
        format="fmt\x9b",
    )
    text = as_text(answer, PLAIN)
    assert [line for line in text.split("\n") if safe(line) != line] == []
    assert "SELECT '\\x1b[31m\\n\\t\\r\\x00\\x7f\\x9b\\u202e'\nFROM logs -- \\x1b\n" in text
    assert r"bad\x1bname\n.log:1  \x1b[31m\n\t" in text


def test_outputs_by_name() -> None:
    assert render(make(), "text", PLAIN) == as_text(make(), PLAIN)
    assert render(make(), "json", PLAIN) == as_json(make())
    assert render(make(), "csv", PLAIN) == as_csv(make())
