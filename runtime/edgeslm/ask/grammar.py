"""The GBNF grammar of a query over `logs`, made from the columns and handles there are; and nothing that is not there.

One SELECT; the forms are those of docs/architecture.md, "The SQL the planner writes". The same grammar serves every model.
Invariant: each sentence of the grammar, once its handles are expanded, is one SELECT that DuckDB binds.
"""

from edgeslm.ask.link import Candidates

BUCKETS = ("second", "minute", "hour", "day", "week", "month")
AGGREGATES = ("avg", "max", "min", "sum", "median")


def build_grammar(candidates: Candidates) -> str:
    """The grammar for these candidates, in llama.cpp's GBNF."""
    text_columns = [column.name for column in candidates.columns]
    numbers = [column.name for column in candidates.columns if column.numeric]
    texts = text_columns + [slot.handle for slot in candidates.slots]
    numeric = numbers + [slot.handle for slot in candidates.slots if slot.slot.numeric]
    rules: dict[str, str] = {}
    forms = ["count", "times", "lines", "series", "span", "share", "gap"]
    if texts:
        forms += ["distinct-count", "distinct", "ranking", "value", "per-series", "distinct-per"]
        rules |= {
            "distinct-count": '"SELECT count(DISTINCT " col ") FROM logs" where?',
            "distinct": '"SELECT DISTINCT " col " FROM logs" where?',
            "ranking": '"SELECT " col ", count(*) AS count FROM logs" where? " GROUP BY " col having? " ORDER BY count " dir limit?',
            "value": '"SELECT " col " FROM logs" where? " ORDER BY " ("ts" | "ts DESC") limit',
            "per-series": "\"SELECT date_trunc('\" bucket \"', ts) AS \" bucket \", count(DISTINCT \" col \") AS count FROM logs\" where? \" GROUP BY \" bucket \" ORDER BY \" bucket",
            "distinct-per": '"SELECT " col ", count(DISTINCT " col ") AS count FROM logs" where? " GROUP BY " col " ORDER BY count " dir limit?',
            "col": _either(texts),
        }
    if numeric:
        forms += ["aggregate"]
        rules["aggregate"] = '"SELECT " agg "(" num ") FROM logs" where?'
        if texts:
            forms += ["by-number", "group-aggregate"]
            rules["by-number"] = '"SELECT " col ", " num " FROM logs" where? " ORDER BY " num " " dir limit'
            rules["group-aggregate"] = '"SELECT " col ", " agg "(" num ") AS value FROM logs" where? " GROUP BY " col " ORDER BY value " dir limit?'
        rules |= {"num": _either(numeric), "agg": _either(AGGREGATES)}
    rules |= {
        "count": '"SELECT count(*) FROM logs" where?',
        "times": '"SELECT " ("min" | "max") "(ts) FROM logs" where?',
        "lines": '"SELECT line_no, line FROM logs" where? (" ORDER BY ts" " DESC"? limit)?',
        "series": "\"SELECT date_trunc('\" bucket \"', ts) AS \" bucket \", count(*) AS count FROM logs\" where? \" GROUP BY \" bucket \" ORDER BY \" (bucket | \"count \" dir limit)",
        "span": '"SELECT epoch(max(ts)) - epoch(min(ts)) FROM logs" where? | "SELECT epoch(min(ts) FILTER (WHERE " conds ")) - epoch(min(ts) FILTER (WHERE " conds ")) FROM logs" where?',
        "share": '"SELECT 100.0 * count(*) FILTER (WHERE " conds ") / count(*) FROM logs" where?',
        "gap": '"SELECT max(gap) FROM (SELECT epoch(ts) - epoch(lag(ts) OVER (ORDER BY ts)) AS gap FROM logs" where? ")"',
        "having": '" HAVING count(*) > " number',
        "dir": '"DESC" | "ASC"',
        "limit": '" LIMIT " number',
        "number": _either([*candidates.numbers, "1"]),
        "bucket": _either(BUCKETS),
        "where": '" WHERE " conds',
        "conds": 'cond (" AND " cond)*',
        "cond": _conditions(candidates, numeric),
    }
    root = " | ".join(forms)
    return "\n".join([f"root ::= {root}", *(f"{name} ::= {body}" for name, body in rules.items())]) + "\n"


def _either(words: tuple[str, ...] | list[str]) -> str:
    return " | ".join(f'"{word}"' for word in words)


def _conditions(candidates: Candidates, numeric: list[str]) -> str:
    simple: list[str] = []
    if candidates.shapes:
        simple.append(f'"message " ("NOT ")? "LIKE " ({_either([shape.handle for shape in candidates.shapes])})')
    for value in candidates.values:
        for column in value.columns:
            operators = ("=", "<>", ">=") if column == "level" else ("=", "<>")
            simple.append(f'"{column} " ({_either(operators)}) " {value.handle}"')
    if candidates.values:
        simple.append(f'"line " ("NOT ")? "LIKE " ({_either([value.handle for value in candidates.values])})')
    if candidates.times:
        simple.append(f'"ts " ("NOT ")? "IN " ({_either(list(candidates.times))})')
    if candidates.numbers and numeric:
        simple.append(f'({_either(numeric)}) " " (">=" | "<=" | ">" | "<" | "=" | "<>") " " ({_either(list(candidates.numbers))})')
    names = [column.name for column in candidates.columns] + [slot.handle for slot in candidates.slots]
    if names:
        simple.append(f'({_either(names)}) " IS NOT NULL"')
    if not simple:
        simple.append('"ts IS NOT NULL"')
    one = " | ".join(f"({condition})" for condition in simple)
    return f'simple | "(" simple (" OR " simple)+ ")"\nsimple ::= {one}'
