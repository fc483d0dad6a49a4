"""One honest sentence for each shape of query and result, word for word."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from edgeslm.answer.query_shape import read_query
from edgeslm.answer.sentence import Sentence, wants_total, write_sentence

FAILED = "lines with 'Failed password'"
NOON = datetime(2015, 12, 10, 12)
MIDNIGHT = datetime(2015, 12, 10)
HOURLY = "SELECT date_trunc('hour', ts) AS h, count(*) AS count FROM logs WHERE x GROUP BY h"


def say(
    sql: str, rows: list[tuple[Any, ...]], subject: str = FAILED, columns: list[str] | None = None, **more: Any
) -> str:
    shape = read_query(sql)
    names = columns or [item.alias or item.text for item in (shape.items if shape else ())]
    return write_sentence(shape, names, rows, subject=subject, **more).text


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (520, "There were 520 lines with 'Failed password'."),
        (1234567, "There were 1,234,567 lines with 'Failed password'."),
        (1, "There was 1 line with 'Failed password'."),
        (0, "There were no lines with 'Failed password'."),
    ],
)
def test_a_count(count: int, sentence: str) -> None:
    assert say("SELECT count(*) FROM logs WHERE x", [(count,)]) == sentence


def test_without_a_subject_the_query_says_what_was_counted() -> None:
    assert say("SELECT count(*) FROM logs", [(3,)], subject="") == "There were 3 lines."
    assert say("SELECT count(*) FROM logs WHERE x", [(3,)], subject="") == "There were 3 matching lines."
    assert say("SELECT count(ip) FROM logs", [(3,)], subject="") == "There were 3 lines that have ip."


def test_a_count_of_different_values() -> None:
    sql = "SELECT count(DISTINCT ip) FROM logs WHERE x"
    assert say(sql, [(12,)]) == "There were 12 different addresses in the lines with 'Failed password'."
    assert say(sql, [(0,)]) == "There were no different addresses in the lines with 'Failed password'."
    assert say(sql, [(1,)]) == "There was 1 different value of ip in the lines with 'Failed password'."
    assert (
        say("SELECT count(DISTINCT block) FROM logs", [(2,)], "")
        == "There were 2 different values of block in the log."
    )


def test_first_and_last_times() -> None:
    assert say("SELECT min(ts) FROM logs WHERE x", [(NOON,)]) == (
        "The first line with 'Failed password' was at 2015-12-10T12:00:00."
    )
    assert say("SELECT max(ts) FROM logs WHERE x", [(NOON,)], "failed logins") == (
        "The last of the failed logins was at 2015-12-10T12:00:00."
    )
    assert say("SELECT ts FROM logs WHERE x ORDER BY ts LIMIT 1", [(NOON,)]) == (
        "The first line with 'Failed password' was at 2015-12-10T12:00:00."
    )
    assert (
        say("SELECT min(ts) FROM logs WHERE x", [(None,)])
        == "There were no lines with 'Failed password' that have a time."
    )
    span = "SELECT min(ts), max(ts) FROM logs"
    assert say(span, [(MIDNIGHT, NOON)], "") == "The lines run from 2015-12-10T00:00:00 to 2015-12-10T12:00:00."
    assert say(span, [(None, None)], "") == "There were no lines that have a time."


@pytest.mark.parametrize(
    ("function", "value", "sentence"),
    [
        ("avg(bytes)", 1234.5678, "The average of bytes in the matching lines is 1,234.57."),
        ("median(bytes)", 12.0, "The median of bytes in the matching lines is 12."),
        ("sum(bytes)", Decimal("123456"), "The sum of bytes in the matching lines is 123,456."),
        ("max(bytes)", 9000, "The highest bytes in the matching lines is 9,000."),
        ("min(bytes)", 9, "The lowest bytes in the matching lines is 9."),
        ("mode(user)", "root", "The most frequent user in the matching lines is root."),
        ("avg(bytes)", None, "There were none: no bytes in the matching lines."),
        ("max(CAST(x AS INT))", 5, "The highest value in the matching lines is 5."),
    ],
)
def test_figures_over_lines(function: str, value: Any, sentence: str) -> None:
    assert say(f"SELECT {function} FROM logs WHERE x", [(value,)], "") == sentence


def test_an_expression_over_aggregates_is_named_by_its_alias() -> None:
    sql = "SELECT date_diff('hour', min(ts), max(ts)) AS hours FROM logs"
    assert say(sql, [(4,)], "") == "The result (hours) is 4."
    assert say("SELECT sum(a) / sum(b) FROM logs", [(None,)], "") == "The result is empty."


def test_the_time_between_lines() -> None:
    sql = "SELECT epoch(max(ts)) - epoch(min(ts)) FROM logs WHERE x"
    assert say(sql, [(14939.5,)]) == (
        "The time from the first to the last of the lines with 'Failed password' is 4:08:59.5 (14,939.5 seconds)."
    )
    assert say(sql, [(None,)]) == "There were no two lines with 'Failed password' with a time to measure between."
    sql = "SELECT epoch(min(ts) FILTER (WHERE a)) - epoch(min(ts) FILTER (WHERE b)) FROM logs"
    assert say(sql, [(timedelta(seconds=-5),)]) == "The time from one to the other is -0:00:05 (-5 seconds)."
    sql = "SELECT abs(epoch(min(ts) FILTER (WHERE a)) - epoch(min(ts) FILTER (WHERE b))) FROM logs"
    assert say(sql, [(5.5,)]) == "The time from one to the other is 0:00:05.5 (5.5 seconds)."
    assert say("SELECT max(gap) FROM (SELECT 1)", [(61.0,)], columns=["gap"], is_gap=True) == (
        "The longest time between two lines with 'Failed password' in a row is 0:01:01 (61 seconds)."
    )


def test_a_share() -> None:
    sql = "SELECT 100.0 * count(*) FILTER (WHERE message LIKE '%a)%') / count(*) FROM logs"
    assert say(sql, [(12.5,)]) == "12.5 % of all lines are lines with 'Failed password'."
    assert say(f"{sql} WHERE x", [(12.5,)]) == "12.5 % of the lines the query looks at meet the condition."
    assert say(sql, [(12.5,)], "") == "12.5 % of all lines meet the condition."


def test_the_value_of_the_first_or_last_line() -> None:
    assert say("SELECT user FROM logs WHERE x ORDER BY ts DESC LIMIT 1", [("root",)]) == (
        "The user of the last line with 'Failed password' is root."
    )


def test_the_line_with_the_highest_number() -> None:
    sql = "SELECT url, bytes FROM logs WHERE x ORDER BY bytes DESC LIMIT 2"
    assert say(sql, [("/a", 9000), ("/b", 3)]) == "/a had the highest bytes: 9,000."
    assert say(sql.replace("DESC", "ASC"), [(None, 3), ("/b", 5)]) == "(no url) had the lowest bytes: 3."


TOP = "SELECT ip, count(*) AS count FROM logs WHERE x GROUP BY ip ORDER BY count DESC"
RANKING = [("183.62.140.253", 286), ("187.141.143.180", 80), ("103.99.0.122", 46)]


def test_a_ranking_names_its_leader_and_the_total() -> None:
    assert say(f"{TOP} LIMIT 3", RANKING, "failed passwords", total=520) == (
        "183.62.140.253 had the most failed passwords: 286 of 520."
    )
    assert say(f"{TOP} LIMIT 3", RANKING, "failed passwords") == "183.62.140.253 had the most failed passwords: 286."


def test_a_whole_ranking_adds_up_to_its_total() -> None:
    assert say(TOP, RANKING, "failed passwords") == "183.62.140.253 had the most failed passwords: 286 of 412."
    assert (
        say(f"{TOP} LIMIT 5", RANKING, "failed passwords")
        == "183.62.140.253 had the most failed passwords: 286 of 412."
    )


def test_a_total_is_only_wanted_where_a_limit_may_cut_the_groups() -> None:
    assert wants_total(read_query(f"{TOP} LIMIT 3"))
    assert not wants_total(read_query(TOP))
    assert not wants_total(read_query("SELECT ip, sum(b) FROM logs GROUP BY ip ORDER BY 2 DESC LIMIT 3"))
    assert not wants_total(read_query("SELECT ip, count(*) FROM logs GROUP BY ip HAVING count(*) > 3 LIMIT 3"))
    assert not wants_total(read_query("SELECT ip FROM logs LIMIT 3"))
    assert not wants_total(None)


def test_a_condition_on_groups_leaves_the_total_out() -> None:
    sql = "SELECT ip, count(*) FROM logs WHERE x GROUP BY ip HAVING count(*) > 40 ORDER BY 2 DESC"
    assert say(sql, RANKING) == "183.62.140.253 had the most lines with 'Failed password': 286."
    assert say(sql, []) == "There were none: nothing in the lines with 'Failed password' meets count(*) > 40."


def test_a_ranking_from_below() -> None:
    assert say(TOP.replace("DESC", "ASC"), RANKING[::-1], "errors") == "103.99.0.122 had the fewest errors: 46 of 412."


def test_ties_are_all_leaders() -> None:
    rows = [("a", 5), ("b", 5), ("c", 1)]
    assert say(TOP, rows, "errors") == "a and b had the most errors: 5 each of 11."
    assert say(TOP, [(name, 2) for name in "abcde"], "errors") == "a, b and 3 others had the most errors: 2 each of 10."


def test_a_single_group_had_all() -> None:
    assert say(TOP, [("a", 5)], "errors") == "a had all 5 errors."
    assert say(TOP, [("a", 1)]) == "a had the only line with 'Failed password'."


def test_groups_without_a_value_are_said_to_have_none() -> None:
    assert say(TOP, [(None, 5), ("a", 1)], "errors") == "(no ip) had the most errors: 5 of 6."


@pytest.mark.parametrize(
    ("measure", "value", "sentence"),
    [
        ("sum(bytes)", 1234, "a had the highest sum of bytes: 1,234."),
        ("avg(bytes)", 0.5, "a had the highest average of bytes: 0.5."),
        ("count(DISTINCT user)", 4, "a had the most different users: 4."),
        ("count(user)", 4, "a had the most lines that have user: 4."),
        ("max(ts)", NOON, "a had the latest time: 2015-12-10T12:00:00."),
        ("max(bytes)", 7, "a had the highest bytes: 7."),
    ],
)
def test_rankings_by_other_figures(measure: str, value: Any, sentence: str) -> None:
    assert say(f"SELECT ip, {measure} FROM logs GROUP BY ip ORDER BY 2 DESC LIMIT 1", [("a", value)], "") == sentence


def test_groups_cut_in_no_order_have_no_leader() -> None:
    sql = "SELECT ip, count(*) FROM logs GROUP BY ip LIMIT 2"
    assert say(sql, [("a", 1), ("b", 3)], "") == "2 addresses in the log."


def test_several_keys_make_one_name() -> None:
    sql = "SELECT ip, user, count(*) AS n FROM logs GROUP BY ip, user ORDER BY n DESC"
    assert say(sql, [("a", "root", 3), ("a", "bob", 1)], "") == "a, root had the most lines: 3 of 4."


def test_a_series_has_a_sum_and_a_peak() -> None:
    rows = [(MIDNIGHT, 3), (NOON, 5)]
    assert say(f"{HOURLY} ORDER BY h", rows) == (
        "8 lines with 'Failed password' over 2 hours; the most were at 2015-12-10T12:00:00, 5."
    )
    assert say(f"{HOURLY} ORDER BY h", [(MIDNIGHT, 5), (NOON, 5)]) == (
        "10 lines with 'Failed password' over 2 hours; "
        "the most were at 2015-12-10T00:00:00 and 2015-12-10T12:00:00, 5 each."
    )


def test_the_busiest_hour() -> None:
    assert say(f"{HOURLY} ORDER BY count DESC LIMIT 1", [(NOON, 5)], total=8) == (
        "The hour of 2015-12-10T12:00:00 had the most lines with 'Failed password': 5 of 8."
    )
    sql = "SELECT ts::DATE, count(*) FROM logs GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
    assert (
        say(sql, [(date(2015, 12, 10), 5)], "errors", total=9) == "The day of 2015-12-10 had the most errors: 5 of 9."
    )
    sql = "SELECT hour(ts), count(*) FROM logs GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
    assert say(sql, [(13, 5)], "errors", total=9) == "Hour 13 had the most errors: 5 of 9."


def test_lists() -> None:
    sql = "SELECT DISTINCT user FROM logs WHERE x"
    assert say(sql, [("a",), ("b",), ("c",)], "") == "There were 3 different users in the matching lines: a, b and c."
    assert say(sql, [(str(i),) for i in range(12)], "") == "There were 12 different users in the matching lines."
    assert say(sql, [("root",)], "") == "The only user in the matching lines is root."
    assert say(sql, [], "") == "There were no matching lines."
    assert say("SELECT user FROM logs GROUP BY user", [("a",), ("b",)], "") == (
        "There were 2 different users in the log: a and b."
    )
    assert say(f"{sql} LIMIT 2", [("a",), ("b",)], "") == "2 users in the matching lines; the query asks for at most 2."
    assert say("SELECT DISTINCT user, ip FROM logs", [("a", "b")] * 2, "") == (
        "There were 2 different combinations of user and ip in the log."
    )


def test_lines() -> None:
    sql = "SELECT line_no, ts, line FROM logs WHERE x"
    row = (29, NOON, "text")
    assert say(sql, [row] * 4) == "There were 4 lines with 'Failed password'."
    assert say(sql, [row]) == "There was 1 line with 'Failed password'."
    assert say(sql, []) == "There were no lines with 'Failed password'."
    assert say(f"{sql} LIMIT 4", [row] * 4) == "4 lines with 'Failed password'; the query asks for at most 4."
    assert say(f"{sql} ORDER BY ts LIMIT 4", [row] * 4) == "The first 4 lines with 'Failed password'."
    assert say(f"{sql} ORDER BY ts DESC LIMIT 4", [row] * 4) == "The last 4 lines with 'Failed password'."
    assert say(f"{sql} ORDER BY ts DESC LIMIT 4", [row] * 3) == "There were 3 lines with 'Failed password'."
    assert say(f"{sql} ORDER BY line_no LIMIT 1", [row]) == (
        "The first line with 'Failed password' is line 29, at 2015-12-10T12:00:00."
    )
    assert say("SELECT * FROM logs WHERE x", [row] * 4, columns=["line_no", "ts", "line"]) == (
        "There were 4 lines with 'Failed password'."
    )


def test_nothing_found_for_want_of_a_value_says_so() -> None:
    sql = "SELECT ip, count(*) FROM logs WHERE message LIKE 'F%' AND ip IS NOT NULL GROUP BY ip"
    assert say(sql, []) == "There were no lines with 'Failed password' that have ip."


def test_what_is_not_understood_is_only_counted() -> None:
    sql = "WITH t AS (SELECT 1) SELECT * FROM t"
    assert say(sql, [(1, 2)] * 3, columns=["a", "b"]) == "3 rows."
    assert say(sql, [(1, 2)], columns=["a", "b"]) == "1 row."
    assert say(sql, [(1.5,)], columns=["share"]) == "The result (share) is 1.5."
    assert say(sql, [], columns=["a"]) == "There were none: the query found no rows."


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("log end", "(counting back from the log's last line, 2015-12-10T12:00:00)"),
        ("clock", "(counting back from the clock, 2015-12-10T12:00:00)"),
        ("given", "(counting back from the time given, 2015-12-10T12:00:00)"),
    ],
)
def test_a_relative_time_says_what_it_was_counted_from(source: str, note: str) -> None:
    sql = "SELECT count(*) FROM logs WHERE ts >= TIMESTAMP '2015-12-10 11:00:00'"
    assert say(sql, [(3,)], "errors", now=NOON, now_source=source) == f"There were 3 errors {note}."


def test_a_query_without_a_time_mentions_no_now() -> None:
    assert (
        say("SELECT count(*) FROM logs WHERE x", [(3,)], "errors", now=NOON, now_source="clock")
        == "There were 3 errors."
    )
    assert (
        say("SELECT count(*) FROM logs WHERE ts > x", [(3,)], "errors", now=NOON, now_source="")
        == "There were 3 errors."
    )


def test_values_of_a_log_cannot_write_control_characters_into_the_sentence() -> None:
    assert say(TOP, [("\x1b[2J\n", 5), ("b", 1)], "lines with '\u202e'") == (
        r"\x1b[2J\n had the most lines with '\u202e': 5 of 6."
    )
    long = say("SELECT DISTINCT user FROM logs", [("x" * 5000,)], "")
    assert long == f"The only user in the log is {'x' * 99}…."


def test_a_sentence_that_says_it_all_needs_no_table() -> None:
    shape = read_query("SELECT count(*) FROM logs")
    assert write_sentence(shape, ["count"], [(3,)]) == Sentence("There were 3 lines.", covers=True)
    assert not write_sentence(read_query(TOP), ["ip", "count"], RANKING).covers
