"""A light look at one SELECT over `logs`: its clauses as text, and what its columns are made of.

Enough to say what a result means; no SQL parser. Whatever it does not know for sure (WITH, UNION, joins, subqueries in
FROM, window functions) is None, and the caller says less. Never changes a query, never runs one.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<text>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*")
      | (?P<word>[A-Za-z_][\w$]*)
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<sign>::|<=|>=|<>|!=|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)
_CLAUSES = ["SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET"]  # in the order they may come
_UNKNOWN = {"WITH", "UNION", "EXCEPT", "INTERSECT", "JOIN", "OVER", "QUALIFY", "WINDOW", "VALUES", "PIVOT", "SAMPLE"}
_STRANGE = {";", "'", '"', "$"}  # a second statement, a quote that is not closed, dollar quotes
AGGREGATES = {"count", "min", "max", "avg", "mean", "median", "sum", "mode", "stddev", "any_value", "first", "last"} | {
    "arg_min", "arg_max", "min_by", "max_by", "bool_and", "bool_or", "count_if", "approx_count_distinct", "list",
    "array_agg", "string_agg", "group_concat", "quantile", "quantile_cont", "quantile_disc", "approx_quantile",
    "var_pop", "var_samp", "variance", "stddev_pop", "stddev_samp", "histogram", "product", "fsum", "favg",
}  # fmt: skip
_CLOCK_PARTS = {"hour", "minute", "second", "day", "month", "year", "week", "dayname", "monthname", "dayofweek"}
_BUCKETS = {"date_trunc", "time_bucket", "strftime", "date_part", "extract", "datetrunc", "datepart"} | _CLOCK_PARTS


@dataclass(frozen=True)
class Token:
    """A piece of SQL. kind: text, name, word, number or sign; depth: how many parentheses it stands in."""

    kind: str
    text: str
    start: int
    depth: int

    @property
    def upper(self) -> str:
        return self.text.upper() if self.kind == "word" else self.text


@dataclass(frozen=True)
class Item:
    """One column of the SELECT list. call: the function the whole of it calls, lower case, or ''."""

    text: str
    alias: str = ""
    call: str = ""
    argument: str = ""
    distinct: bool = False
    has_aggregate: bool = False

    @property
    def is_aggregate(self) -> bool:
        return self.call in AGGREGATES

    @property
    def counts_lines(self) -> bool:
        return self.call == "count" and not self.distinct and self.argument in ("", "*", "1", "line_no", "line")

    @property
    def is_span(self) -> bool:
        """Whether it is the time between two lines, in seconds or as an interval."""
        ends = re.findall(r"\b(?:min|max)\s*\(\s*ts\s*\)", self.text, re.IGNORECASE)
        return self.call in ("", "abs") and len(ends) == 2 and ") - " in self.text

    @property
    def is_share(self) -> bool:
        """Whether it is how many of the lines, in percent, meet a condition."""
        return bool(re.match(r"100(\.0)?\s*\*\s*count\(\*\)\s*FILTER\b.*/\s*count\(\*\)$", self.text, re.I | re.DOTALL))

    @property
    def filters(self) -> tuple[str, ...]:
        """The conditions of its FILTER (WHERE …) clauses."""
        found, pieces = [], tokens(self.text)
        for i, piece in enumerate(pieces[:-2]):
            if piece.upper == "FILTER" and pieces[i + 2].upper == "WHERE":
                depth = pieces[i + 1].depth
                end = next(p for p in pieces[i + 2 :] if p.text == ")" and p.depth == depth)
                found.append(self.text[pieces[i + 2].start + len("WHERE") : end.start].strip())
        return tuple(found)

    @property
    def is_time_bucket(self) -> bool:
        """Whether it cuts the time into pieces: date_trunc('hour', ts), hour(ts), ts::DATE, …"""
        if not re.search(r"\bts\b", self.text, re.IGNORECASE):
            return False
        return self.call in _BUCKETS or bool(re.search(r"(::|\bas)\s*date\b", self.text, re.IGNORECASE))

    @property
    def unit(self) -> str:
        """What one piece of time is called: 'hour', '10 minutes'; '' when unknown or for a part of the clock."""
        if self.call in ("date_trunc", "datetrunc") and (found := re.match(r"\s*'(\w+)'", self.argument)):
            return found[1].lower()
        if self.call == "time_bucket" and (
            found := re.match(r"\s*INTERVAL\s*\(?\s*'?(\d+)'?\s*\)?\s*'?([A-Za-z]+)", self.argument, re.IGNORECASE)
        ):
            unit = found[2].lower().rstrip("s")
            return unit if found[1] == "1" else f"{found[1]} {unit}s"
        return "day" if re.search(r"(::|\bas)\s*date\b", self.text, re.IGNORECASE) else ""


@dataclass(frozen=True)
class QueryShape:
    """The clauses of one plain SELECT over `logs`, each as written; '' or () where it has none."""

    items: tuple[Item, ...]
    distinct: bool = False
    where: str = ""
    group_by: tuple[str, ...] = ()
    having: str = ""
    order_by: tuple[tuple[str, bool], ...] = ()  # expression, descending
    limit: int | None = None
    offset: str = ""
    select_end: int = 0  # where in the SQL the list of columns ends

    @property
    def keys(self) -> tuple[int, ...]:
        """Which columns are not made by aggregates."""
        return tuple(i for i, item in enumerate(self.items) if not item.has_aggregate)

    @property
    def is_one_group(self) -> bool:
        """Whether aggregates speak of all the lines that match, in one row."""
        return not self.group_by and not self.keys and bool(self.items)

    @property
    def is_plain(self) -> bool:
        """Whether each row of the result is one line of the log."""
        return not self.group_by and not self.distinct and len(self.keys) == len(self.items)

    @property
    def order_terms(self) -> tuple[tuple[str, bool], ...]:
        """ORDER BY with the columns it names by alias or by number written out."""
        written = {item.alias.lower(): item.text for item in self.items if item.alias}
        written |= {str(i + 1): item.text for i, item in enumerate(self.items)}
        return tuple((written.get(term.lower(), term), descending) for term, descending in self.order_by)

    def order_of(self, column: int) -> bool | None:
        """Whether the first ORDER BY term, where it is that column, is descending; None when it is another column."""
        if not self.order_by:
            return None
        term, descending = self.order_by[0]
        item = self.items[column]
        same = {item.text.lower(), item.alias.lower(), str(column + 1)}
        return descending if term.lower().strip('"') in same else None


def read_gap(sql: str) -> str | None:
    """The condition of a query for the longest time between two lines in a row ('' for all lines); None for others."""
    found = re.fullmatch(
        r"SELECT max\(gap\)(?: AS \w+)? FROM \(SELECT epoch\(ts\) - epoch\(lag\(ts\) OVER \(ORDER BY ts\)\) AS gap"
        r" FROM logs(?: WHERE (.*))?\)\s*;?",
        sql.strip(),
        re.IGNORECASE | re.DOTALL,
    )
    return (found[1] or "") if found else None


def tokens(sql: str) -> list[Token]:
    """The pieces of the SQL without blanks and comments."""
    found, depth = [], 0
    for match in _TOKEN.finditer(sql):
        kind, text = match.lastgroup or "sign", match.group()
        if kind == "blank":
            continue
        if text in (")", "]", "}"):
            depth -= 1
        found.append(Token(kind, text, match.start(), depth))
        if text in ("(", "[", "{"):
            depth += 1
    while found and found[-1].text == ";":
        found.pop()
    return found


def read_query(sql: str) -> QueryShape | None:
    """The shape of a plain SELECT over `logs`, or None for anything else."""
    pieces = tokens(sql)
    clauses, select_end = _split_clauses(sql, pieces) or ({}, 0)
    if clauses.get("FROM", "").strip('"').lower() != "logs":
        return None
    select = clauses["SELECT"]
    distinct = bool(re.match(r"DISTINCT\b(?!\s+ON\b)", select, re.IGNORECASE))
    if re.match(r"DISTINCT\s+ON\b", select, re.IGNORECASE):
        return None
    limit = clauses.get("LIMIT", "")
    if limit and not limit.isdecimal():
        return None
    items = tuple(_read_item(text) for text in split_list(select[len("DISTINCT") :] if distinct else select))
    group_by = tuple(split_list(clauses.get("GROUP", "")))
    if group_by == ("ALL",):
        group_by = tuple(item.text for item in items if not item.has_aggregate)
    return QueryShape(
        items=items,
        distinct=distinct,
        where=clauses.get("WHERE", ""),
        group_by=group_by,
        having=clauses.get("HAVING", ""),
        order_by=tuple(_read_order(text) for text in split_list(clauses.get("ORDER", ""))),
        limit=int(limit) if limit else None,
        offset=clauses.get("OFFSET", ""),
        select_end=select_end,
    )


def _split_clauses(sql: str, pieces: list[Token]) -> tuple[dict[str, str], int] | None:
    """Clause name -> its text, and where the SELECT list ends; None when the statement is not one plain SELECT."""
    if not pieces or pieces[0].upper != "SELECT" or any(piece.text in _STRANGE for piece in pieces):
        return None
    starts: list[tuple[str, int, int]] = []  # clause, which piece its keyword is, where its text starts
    for i, piece in enumerate(pieces):
        if piece.kind != "word":
            continue
        word = piece.upper
        if word in _UNKNOWN and (piece.depth == 0 or word == "OVER"):
            return None
        if word not in _CLAUSES or piece.depth or (i and pieces[i - 1].text == "."):
            continue
        before = pieces[i - 1].upper if i else ""
        if word == "FROM" and (starts[-1][0] != "SELECT" or before == "DISTINCT"):
            continue  # IS NOT DISTINCT FROM
        if word in ("GROUP", "ORDER") and not (i + 1 < len(pieces) and pieces[i + 1].upper == "BY"):
            continue
        if starts and _CLAUSES.index(word) <= _CLAUSES.index(starts[-1][0]):
            return None
        last = pieces[i + 1] if word in ("GROUP", "ORDER") else piece
        starts.append((word, i, last.start + len(last.text)))
    ends = [pieces[i - 1].start + len(pieces[i - 1].text) for i in [*(at for _, at, _ in starts[1:]), len(pieces)]]
    texts = {name: sql[begin:stop].strip() for (name, _, begin), stop in zip(starts, ends, strict=True)}
    return texts, ends[0]


def split_list(text: str) -> list[str]:
    """The parts of a list, cut at the commas that stand in no parentheses and no quotes."""
    parts, begin = [], 0
    for piece in tokens(text):
        if piece.text == "," and piece.depth == 0:
            parts.append(text[begin : piece.start].strip())
            begin = piece.start + 1
    return [*parts, text[begin:].strip()] if text.strip() else []


def _read_order(text: str) -> tuple[str, bool]:
    found = re.fullmatch(r"(.*?)(?:\s+(ASC|DESC))?(?:\s+NULLS\s+(?:FIRST|LAST))?", text, re.IGNORECASE | re.DOTALL)
    return (found[1], (found[2] or "").upper() == "DESC") if found else (text, False)


def _read_item(text: str) -> Item:
    pieces = tokens(text)
    alias = ""
    if len(pieces) > 2 and pieces[-2].upper == "AS" and pieces[-2].depth == 0:
        alias, text = pieces[-1].text.strip('"'), text[: pieces[-2].start].strip()
        pieces = pieces[:-2]
    aggregate = any(
        piece.kind == "word" and piece.text.lower() in AGGREGATES and i + 1 < len(pieces) and pieces[i + 1].text == "("
        for i, piece in enumerate(pieces)
    )
    if len(pieces) < 3 or pieces[0].kind != "word" or pieces[1].text != "(" or pieces[-1].text != ")":
        return Item(text, alias, has_aggregate=aggregate)
    if any(piece.depth == 0 for piece in pieces[2:-1]):
        return Item(text, alias, has_aggregate=aggregate)
    argument = text[pieces[1].start + 1 : pieces[-1].start].strip()
    distinct = bool(re.match(r"DISTINCT\b", argument, re.IGNORECASE))
    if distinct:
        argument = argument[len("DISTINCT") :].strip()
        if argument.startswith("(") and argument.endswith(")"):
            argument = argument[1:-1].strip()
    return Item(text, alias, pieces[0].text.lower(), argument, distinct, aggregate)
