"""The GBNF grammar of a query over `logs`, made from the columns and handles there are; and nothing that is not there.

One SELECT; the forms are those of docs/architecture.md, "The SQL the planner writes". The same for every model.
Invariant: each sentence of the grammar, once its handles are expanded, is one SELECT that DuckDB binds.
"""

from collections.abc import Iterable

from edgeslm.ask.asked import Asked
from edgeslm.ask.candidates import Candidates, ValueHandle
from edgeslm.ask.measures import is_time_unit, same_quantity

_BETWEEN = '"min(ts) FILTER (WHERE " conds ")) - epoch(min(ts) FILTER (WHERE " conds ")) FROM logs" where?'
BUCKETS = ("second", "minute", "hour", "day", "week", "month")
MOST_CONDITIONS = 5  # joined by AND, and in one pair of brackets by OR: a model that is lost repeats them without end
_LONG_NUMBER = 4  # digits; a number of so many may be looked for as text


def build_grammar(candidates: Candidates) -> str:
    """The grammar for these candidates, in llama.cpp's GBNF."""
    asked = candidates.asked
    texts = [column.name for column in candidates.columns] + [slot.handle for slot in candidates.slots]
    listed = [name for name in texts if name in candidates.listable] or texts
    numeric = [column.name for column in candidates.columns if column.numeric]
    numeric += [slot.handle for slot in candidates.slots if slot.slot.numeric]
    counts = [handle for handle in candidates.numbers if handle not in asked.measures]
    starts = ["count", "times", "lines", "span", "share", "gap"]
    counted = "where" if candidates.told else "where?"  # how many of some, not of all
    in_order = ' (" ORDER BY ts" " DESC"? limit)?' if asked.ranked or asked.when or counts else ""
    of_some = "where" if asked.some else "where?"
    rules = {
        "count": f'"count(*) FROM logs" {counted}',
        "times": '("min" | "max") "(ts) FROM logs" where?',
        "lines": f'"line_no, line FROM logs" where?{in_order}',
        "between": f'"epoch(" {_BETWEEN}',
        "span": f'"epoch(" ("max(ts)) - epoch(min(ts)) FROM logs" where? | {_BETWEEN})',
        "share": f'"100.0 * count(*) FILTER (WHERE " conds ") / count(*) FROM logs" {of_some}',
        "gap": '"max(gap) FROM (SELECT epoch(ts) - epoch(lag(ts) OVER (ORDER BY ts)) AS gap FROM logs" where? ")"',
        "having": f'" HAVING count(*) {asked.each}"'
        if asked.each
        else f'" HAVING count(*) > " ({_either([*(counts if asked.compares else ()), "1"])})',
        "dir": '"DESC" | "ASC"',
        "limit": '" LIMIT " number',
        "number": _either([*counts, "1"]),
        "where": '" WHERE " conds',
        "conds": f'cond (" AND " cond){{0,{MOST_CONDITIONS - 1}}}',
        "cond": _conditions(candidates, numeric),
    }
    amount = '"*" | "DISTINCT " col' if texts else '"*"'
    for name in BUCKETS:
        first = '"count " dir limit' if counts or asked.one_bucket or (asked.ranked and not asked.bucket) else ""
        every = "" if asked.one_bucket else f'"{name}"'
        starts.append(f"by-{name}")
        rules[f"by-{name}"] = (
            f'"date_trunc(\'{name}\', ts) AS {name}, count(" ({amount}) ") AS count FROM logs" where? '
            f'" GROUP BY {name} ORDER BY " ({" | ".join(filter(None, (every, first)))})'
        )
    if texts:
        rules["col"] = _either(texts)
        lists_only = asked.listed or asked.line_count or not candidates.counts_values
        starts += ["distinct"] if lists_only else ["distinct-count", "distinct"]
        rules["distinct-count"] = (
            f'"count(DISTINCT " ({_either(_countable(texts, candidates))}) ") FROM logs" {counted}'
        )
        rules["distinct"] = " | ".join(f'"DISTINCT {name} FROM logs" {_held(name, candidates)}' for name in listed)
    measured = [name for name in numeric if candidates.measured is None or name in candidates.measured]
    if asked.amount:
        measured = _in_unit(asked.amount, measured, candidates)
    if whole := [slot.handle for slot in candidates.slots if slot.handle in measured and "_" in slot.column]:
        measured = whole  # columns whose names the question gives in full: bytes_received
    if measured:
        rules["num"], rules["agg"] = _either(measured), _either(asked.aggregates)
        starts.append("aggregate")
        rules["aggregate"] = 'agg "(" num ") FROM logs" where?'
    one_of_many = asked.ordered or not asked.ranked
    top = "" if one_of_many and not counts else "top?"  # a whole ranking was asked for
    if top:
        rules["top"] = f'" LIMIT " ({_either(counts if one_of_many else [*counts, "1"])})'
    for number, name in enumerate(listed):
        starts.append(f"col-{number}")
        rules[f"col-{number}"] = _column_forms(name, measured, _held(name, candidates), top, asked)
    named = [name for name in measured if name in candidates.named]
    if asked.at_most and named:
        starts.append("when-most")
        rules["when-most"] = _either_of(
            f'"ts, {name} FROM logs WHERE " (conds " AND ")? "{name} IS NOT NULL ORDER BY {name} {asked.at_most}'
            ' LIMIT 1"'
            for name in named
        )
    if asked.bucket_amount and named:
        starts.append("by-amount")
        unit = asked.bucket_amount
        rules["by-amount"] = f'"date_trunc(\'{unit}\', ts) AS {unit}, " agg "(" ' + _either_of(
            f'"{name}) AS value FROM logs WHERE " (conds " AND ")? "{name} IS NOT NULL GROUP BY {unit} ORDER BY {unit}"'
            for name in named
        )
    starts = _asked_for(starts, asked, listed=bool(texts), measured=bool(measured))
    root = f'root ::= "SELECT " ({" | ".join(starts)})'
    return "\n".join([root, *(f"{name} ::= {body}" for name, body in rules.items())]) + "\n"


def _asked_for(starts: list[str], asked: Asked, *, listed: bool, measured: bool) -> list[str]:
    """Those of the forms that the question may ask for; the more a rule is sure of, the later it stands.

    listed, measured: there is anything to list, and any number to add up or compare.
    """
    starts = [one for one in starts if (asked.gaps or one != "gap") and (asked.when or one != "times")]
    if asked.number:
        starts = [one for one in starts if one not in ("times", "lines", "span", "share", "gap")]
    if (asked.each or asked.counted) and listed:
        starts = [one for one in starts if one.startswith("col-")]
    if asked.things and listed:
        starts = [one for one in starts if one == "distinct" or one.startswith(("col-", "by-"))]
    if asked.by_amount and measured and listed:
        starts = [one for one in starts if one.startswith("col-")]
    if asked.extreme and measured:
        starts = [one for one in starts if one in ("aggregate", "span", "gap") or one.startswith("col-")]
    if asked.top_things and listed:
        starts = [one for one in starts if not one.startswith("by-") and one != "lines"]
    starts = [one for one in starts if asked.may_share or one != "share"]
    if asked.what:
        starts = [one for one in starts if one not in ("lines", *(() if asked.clock else ("times",)))]
    if asked.amount:
        spans = ("span", "gap") if is_time_unit(asked.amount) else ()
        starts = [one for one in starts if one in ("aggregate", *spans)] or starts
    if asked.at:
        starts = ["times"]
    if asked.gap:
        starts = ["gap"]
    if asked.between:
        starts = ["between"]
    if "when-most" in starts:
        starts = ["when-most"]
    if "by-amount" in starts:
        starts = ["by-amount"]
    if asked.bucket:
        starts = [f"by-{asked.bucket}"]
    if asked.best_bucket:
        starts = [f"by-{asked.best_bucket}"]
    if asked.share:
        starts = ["share"]
    if asked.lines:
        starts = ["lines"]
    return starts


def _countable(texts: list[str], candidates: Candidates) -> list[str]:
    """Those of the columns and handles whose different values anybody counts: no fractions, unless it is said."""
    asked = candidates.asked
    if asked.different:
        return texts
    fractions = {slot.handle for slot in candidates.slots if slot.slot.numeric and not slot.slot.integral}
    return [name for name in texts if name not in fractions] or texts


def _held(name: str, candidates: Candidates) -> str:
    """The WHERE of a query about the values of a column: where messages may lack it, lines without it are left out."""
    column = next((one for one in candidates.columns if one.name == name), None)
    some = "" if candidates.told and candidates.asked.things else "?"
    if column is not None and not column.entity:
        return f"where{some}"
    return f'" WHERE " (conds " AND "){some} "{name} IS NOT NULL"'


def _column_forms(name: str, measured: list[str], held: str, top: str, asked: Asked) -> str:
    """What may follow a column that the result begins with: its values by time, its groups, or a number beside it.

    top: how many of the groups there may be.
    """
    of_each = f'", " agg "(" num ") AS value FROM logs" {held} " GROUP BY {name} ORDER BY value " dir {top}'
    if asked.by_amount and measured:
        return f'"{name}" {of_each}'
    having = "having" if asked.each else "having?"
    some_of_each = bool(asked.each or asked.counted)
    groups = f'", count(*) AS count FROM logs" {held} " GROUP BY {name}" {having} " ORDER BY count " dir {top}'
    if some_of_each:
        return f'"{name}" {groups}'
    forms = [
        f'" FROM logs" {held} " ORDER BY ts" " DESC"? limit',
        groups,
        f'", count(DISTINCT " col ") AS count FROM logs" {held} " GROUP BY {name} ORDER BY count " dir {top}',
    ]
    if measured:
        forms.append(of_each)
        forms += [f'", {other} FROM logs" where? " ORDER BY {other} " dir limit' for other in measured if other != name]
    return f'"{name}" ({" | ".join(forms)})'


def _in_unit(unit: str, names: list[str], candidates: Candidates) -> list[str]:
    """Those of the numeric columns and handles that are known to be in such a unit; all where none is."""
    units = {slot.handle: [slot.unit] for slot in candidates.slots}
    return [
        name for name in names if any(same_quantity(unit, one) for one in units.get(name, name.split("_")))
    ] or names


def may_be_text(value: ValueHandle) -> bool:
    """Whether lines may be searched for it: no level, no guess, no short number that a column or slot can be equal to.

    A short number's digits stand in many lines by chance: in times, sizes and ids.
    """
    short = value.text.isdigit() and len(value.text) < _LONG_NUMBER
    return "level" not in value.columns and not value.guess and not (value.columns and short)


def _either_of(forms: Iterable[str]) -> str:
    return f"({' | '.join(forms)})"


def _either(words: tuple[str, ...] | list[str]) -> str:
    return " | ".join(f'"{word}"' for word in words)


def _conditions(candidates: Candidates, numeric: list[str]) -> str:
    asked = candidates.asked
    simple: list[str] = []
    negation = '("NOT ")? ' if asked.excludes else ""
    shapes = [shape.handle for shape in candidates.shapes]
    if kept_shapes := [handle for handle in shapes if handle not in candidates.gone]:
        simple.append(f'"message " {negation}"LIKE " ({_either(kept_shapes)})')
    if gone_shapes := [handle for handle in shapes if handle in candidates.gone]:
        simple.append(f'"message NOT LIKE " ({_either(gone_shapes)})')
    for value in candidates.values:
        for column in value.columns:
            either = asked.excludes and value.handle not in asked.kept
            operators = ["<>"] if value.handle in asked.left_out else ["=", "<>"] if either else ["="]
            if column == "level" and asked.severer:
                operators.append(">=")
            simple.append(f'"{column} " ({_either(operators)}) " {value.handle}"')
    texts = [value.handle for value in candidates.values if may_be_text(value)]
    if kept := [handle for handle in texts if handle in asked.kept]:
        simple.append(f'"line LIKE " ({_either(kept)})')
    if either_way := [handle for handle in texts if handle not in asked.left_out | asked.kept]:
        simple.append(f'"line " {negation}"LIKE " ({_either(either_way)})')
    if gone := [handle for handle in texts if handle in asked.left_out]:
        simple.append(f'"line NOT LIKE " ({_either(gone)})')
    simple += [f'"line LIKE {value.handle}"' for value in candidates.values if value.guess]
    if candidates.times:
        simple.append(f'"ts " {negation}"IN " ({_either(list(candidates.times))})')
    amounts = [handle for handle in candidates.numbers if handle not in asked.counts]
    if amounts and numeric:
        compared = [">=", "<=", ">", "<", "="] if asked.compares else ["="]
        compared += ["<>"] if asked.excludes else []
        for handle in amounts:
            fitting = _in_unit(asked.units.get(handle, ""), numeric, candidates)
            simple.append(f'({_either(fitting)}) " " ({_either(compared)}) " {handle}"')
    if not simple:
        simple.append('"ts IS NOT NULL"')
    one = " | ".join(f"({condition})" for condition in simple)
    in_brackets = f' | "(" simple (" OR " simple){{1,{MOST_CONDITIONS - 1}}} ")"' if asked.alternatives else ""
    return f"simple{in_brackets}\nsimple ::= {one}"
