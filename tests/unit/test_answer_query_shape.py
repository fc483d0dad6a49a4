"""The light look at a SELECT: clauses, items, and what it refuses to read."""

import pytest

from edgeslm.answer.query_shape import read_gap, read_query, split_list


def test_clauses_are_kept_as_written() -> None:
    shape = read_query(
        "SELECT ip, count(*) AS count FROM logs WHERE message LIKE 'a WHERE b%' AND (x = 1 OR y = 2)"
        " GROUP BY ip HAVING count(*) > 3 ORDER BY count DESC, ip LIMIT 5 OFFSET 2;"
    )
    assert shape is not None
    assert [item.text for item in shape.items] == ["ip", "count(*)"]
    assert shape.items[1].alias == "count"
    assert shape.where == "message LIKE 'a WHERE b%' AND (x = 1 OR y = 2)"
    assert shape.group_by == ("ip",)
    assert shape.having == "count(*) > 3"
    assert shape.order_by == (("count", True), ("ip", False))
    assert shape.order_terms == (("count(*)", True), ("ip", False))
    assert (shape.limit, shape.offset) == (5, "2")
    assert shape.keys == (0,)
    assert shape.order_of(1) is True
    assert shape.order_of(0) is None


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "not sql",
        "WITH t AS (SELECT 1) SELECT * FROM t",
        "SELECT ip FROM logs UNION SELECT user FROM logs",
        "SELECT a.ip FROM logs a JOIN logs b ON a.ip = b.ip",
        "SELECT ip FROM (SELECT * FROM logs)",
        "SELECT ip, row_number() OVER (ORDER BY ts) FROM logs",
        "SELECT DISTINCT ON (ip) ip, ts FROM logs",
        "SELECT 1; SELECT 2",
        "SELECT ip FROM logs LIMIT 10 %",
        "SELECT ip FROM other",
        "FROM logs",
        "SELECT 'unclosed FROM logs",
    ],
)
def test_what_is_not_known_for_sure_is_not_read(sql: str) -> None:
    assert read_query(sql) is None


def test_from_inside_an_expression_is_no_clause() -> None:
    shape = read_query("SELECT extract(hour FROM ts), count(*) FROM logs WHERE a IS NOT DISTINCT FROM b GROUP BY 1")
    assert shape is not None
    assert shape.where == "a IS NOT DISTINCT FROM b"
    assert shape.items[0].call == "extract"
    assert shape.items[0].is_time_bucket


def test_a_comment_is_not_part_of_a_clause_it_ends() -> None:
    shape = read_query("SELECT ip -- the address\nFROM logs WHERE pid = 3 -- 'only'\n LIMIT 2 /* few */")
    assert shape is not None
    assert (shape.items[0].text, shape.where, shape.limit) == ("ip", "pid = 3", 2)


@pytest.mark.parametrize(
    ("item", "call", "argument", "distinct", "aggregate"),
    [
        ("count(*)", "count", "*", False, True),
        ("COUNT(DISTINCT user)", "count", "user", True, True),
        ("count(DISTINCT (user))", "count", "user", True, True),
        ("max(ts) - min(ts)", "", "", False, True),
        ("round(avg(bytes), 2)", "round", "avg(bytes), 2", False, True),
        ("count(*) FILTER (WHERE level = 'ERROR')", "", "", False, True),
        ("ip", "", "", False, False),
        ("upper(app)", "upper", "app", False, False),
        ("first", "", "", False, False),
    ],
)
def test_items(item: str, call: str, argument: str, distinct: bool, aggregate: bool) -> None:
    shape = read_query(f"SELECT {item} AS x FROM logs")
    assert shape is not None
    found = shape.items[0]
    assert (found.call, found.argument, found.distinct, found.has_aggregate) == (call, argument, distinct, aggregate)
    assert found.alias == "x"


@pytest.mark.parametrize(
    ("item", "bucket", "unit"),
    [
        ("date_trunc('hour', ts)", True, "hour"),
        ("time_bucket(INTERVAL '10 minutes', ts)", True, "10 minutes"),
        ("time_bucket(INTERVAL 1 HOUR, ts)", True, "hour"),
        ("time_bucket(INTERVAL (5) MINUTE, ts)", True, "5 minutes"),
        ("ts::DATE", True, "day"),
        ("CAST(ts AS DATE)", True, "day"),
        ("hour(ts)", True, ""),
        ("hour(other)", False, ""),
        ("strftime(ts, '%Y')", True, ""),
        ("ip", False, ""),
    ],
)
def test_time_buckets(item: str, bucket: bool, unit: str) -> None:
    shape = read_query(f"SELECT {item}, count(*) FROM logs GROUP BY 1")
    assert shape is not None
    assert (shape.items[0].is_time_bucket, shape.items[0].unit) == (bucket, unit)


def test_the_longest_gap_is_recognised_with_its_condition() -> None:
    sql = "SELECT max(gap) FROM (SELECT epoch(ts) - epoch(lag(ts) OVER (ORDER BY ts)) AS gap FROM logs"
    assert read_gap(f"{sql})") == ""
    assert read_gap(f"{sql} WHERE app IN ('a') AND pid = 3)") == "app IN ('a') AND pid = 3"
    assert read_gap("SELECT max(pid) FROM logs") is None


def test_filters_of_an_item() -> None:
    shape = read_query("SELECT min(ts) FILTER (WHERE a = ')' AND (b OR c)) - max(ts) FILTER (WHERE f(d)) FROM logs")
    assert shape is not None
    assert shape.items[0].filters == ("a = ')' AND (b OR c)", "f(d)")
    assert shape.items[0].is_span


def test_lists_are_cut_at_outer_commas_only() -> None:
    assert split_list("a, f(b, c), 'd, e', [1, 2]") == ["a", "f(b, c)", "'d, e'", "[1, 2]"]
    assert split_list(" ") == []
