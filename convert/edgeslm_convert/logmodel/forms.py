"""The SQL of each intent, in symbols, which pair.py replaces by handles.

{W} is the WHERE clause, {C} a column, {D} a second one, {X} a column of numbers, {B} a bucket. {W!C} leaves out lines
without the column; {W>} and {W<} compare the numbers.
"""

_RANK = "SELECT {C}, count(*) AS count FROM logs{W!C} GROUP BY {C}"
_BUCKET = "date_trunc('{B}', ts) AS {B}"
_SERIES = f"SELECT {_BUCKET}, count(*) AS count FROM logs{{W}} GROUP BY {{B}}"
_PER_GROUP = "SELECT {C}, count(DISTINCT {D}) AS count FROM logs{W!C} GROUP BY {C} ORDER BY count DESC"
_FIRST = "min(ts) FILTER (WHERE {first})"

SQL_FORMS = {
    "count": "SELECT count(*) FROM logs{W}",
    "exists": "SELECT count(*) FROM logs{W}",
    "count_mention": "SELECT count(*) FROM logs{W}",
    "count_not": "SELECT count(*) FROM logs{W}",
    "lines": "SELECT line_no, line FROM logs{W}",
    "lines_mention": "SELECT line_no, line FROM logs{W}",
    "lines_first": "SELECT line_no, line FROM logs{W} ORDER BY ts LIMIT {N}",
    "lines_last": "SELECT line_no, line FROM logs{W} ORDER BY ts DESC LIMIT {N}",
    "first_time": "SELECT min(ts) FROM logs{W}",
    "when_time": "SELECT min(ts) FROM logs{W}",
    "last_time": "SELECT max(ts) FROM logs{W}",
    "distinct_count": "SELECT count(DISTINCT {C}) FROM logs{W}",
    "distinct_list": "SELECT DISTINCT {C} FROM logs{W!C}",
    "value": "SELECT DISTINCT {C} FROM logs{W!C}",
    "share": "SELECT 100.0 * count(*) FILTER (WHERE {part}) / count(*) FROM logs{W}",
    "compare_two": "SELECT {C}, count(*) AS count FROM logs{W} GROUP BY {C} ORDER BY count DESC LIMIT 1",
    "per_group_count_one": f"{_RANK} ORDER BY count DESC",
    "rank_all": f"{_RANK} ORDER BY count DESC",
    "top_n": f"{_RANK} ORDER BY count DESC LIMIT {{N}}",
    "top_one": f"{_RANK} ORDER BY count DESC LIMIT 1",
    "bottom_n": f"{_RANK} ORDER BY count ASC LIMIT {{N}}",
    "having": f"{_RANK} HAVING count(*) > {{N}} ORDER BY count DESC",
    "series": f"{_SERIES} ORDER BY {{B}}",
    "busiest_one": f"{_SERIES} ORDER BY count DESC LIMIT 1",
    "busiest_n": f"{_SERIES} ORDER BY count DESC LIMIT {{N}}",
    "quietest_one": f"{_SERIES} ORDER BY count ASC LIMIT 1",
    "series_distinct": f"SELECT {_BUCKET}, count(DISTINCT {{C}}) AS count FROM logs{{W}} GROUP BY {{B}} ORDER BY {{B}}",
    "avg_num": "SELECT avg({X}) FROM logs{W}",
    "max_num": "SELECT max({X}) FROM logs{W}",
    "min_num": "SELECT min({X}) FROM logs{W}",
    "sum_num": "SELECT sum({X}) FROM logs{W}",
    "median_num": "SELECT median({X}) FROM logs{W}",
    "avg_per_group": "SELECT {C}, avg({X}) AS value FROM logs{W!C} GROUP BY {C} ORDER BY value DESC",
    "top_by_num": "SELECT {C}, {X} FROM logs{W} ORDER BY {X} DESC LIMIT {N}",
    "argmax": "SELECT {C}, {X} FROM logs{W} ORDER BY {X} DESC LIMIT 1",
    "argmin": "SELECT {C}, {X} FROM logs{W} ORDER BY {X} ASC LIMIT 1",
    "count_num_gt": "SELECT count(*) FROM logs{W>}",
    "count_num_lt": "SELECT count(*) FROM logs{W<}",
    "list_num_gt": "SELECT DISTINCT {C} FROM logs{W>!C}",
    "list_num_lt": "SELECT DISTINCT {C} FROM logs{W<!C}",
    "lines_num_gt": "SELECT line_no, line FROM logs{W>}",
    "duration": "SELECT epoch(max(ts)) - epoch(min(ts)) FROM logs{W}",
    "between_events": f"SELECT epoch(min(ts) FILTER (WHERE {{second}})) - epoch({_FIRST}) FROM logs{{W}}",
    "gap": "SELECT max(gap) FROM (SELECT epoch(ts) - epoch(lag(ts) OVER (ORDER BY ts)) AS gap FROM logs{W})",
    "first_value": "SELECT {C} FROM logs{W!C} ORDER BY ts LIMIT 1",
    "last_value": "SELECT {C} FROM logs{W!C} ORDER BY ts DESC LIMIT 1",
    "distinct_per_group": _PER_GROUP,
    "top_distinct": f"{_PER_GROUP} LIMIT 1",
}
