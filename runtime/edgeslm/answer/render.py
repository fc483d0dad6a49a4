"""An answer as text for a person, JSON or CSV for a program. Prints nothing; what it returns is safe to print.

JSON holds the exact values: control characters are JSON escapes. CSV holds them exactly too, but for control
characters, which are visible escapes (`\\x1b`, `\\n`), so that one line of CSV is one row; a cell that starts with `=`
or `+` stays as the log has it, so import CSV into a spreadsheet as text. Text cuts what does not fit and says so.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from edgeslm.answer.answer import Answer, Query
from edgeslm.answer.terminal import Style, fit, json_safe, pad, safe, width
from edgeslm.answer.values import plain, shown

MOST_ROWS = 40  # rows of a table in text
SHOWN_EVIDENCE = 3  # lines of evidence in text; JSON has all five
_INDENT = "  "
_GAP = "  "
_LONGEST = 2000  # characters of a value that text looks at: more than any terminal is wide
_UNMATCHED_SHOWN = 4
_NARROWEST = 8  # cells a column of text keeps at least


def render(answer: Answer, output: str, style: Style) -> str:
    """The answer in one of the three outputs: text, json or csv. Ends with a line end."""
    return {"text": as_text, "json": as_json, "csv": as_csv}[output](answer, style)


def as_json(answer: Answer, style: Style | None = None) -> str:
    """One JSON object by the contract, on one line."""
    document = {
        "question": answer.query.question,
        "sql": answer.query.sql,
        "columns": answer.columns,
        "rows": [[plain(value) for value in row] for row in answer.rows],
        "answer": answer.sentence,
        "evidence": [{"file": line.file, "line_no": line.line_no, "text": line.text} for line in answer.evidence],
        "lines_read": answer.lines_read,
        "lines_unparsed": answer.lines_unparsed,
        "format": answer.format,
        "model": answer.query.model,
        **_certainty(answer.query),
        "timing_ms": {step: round(ms, 1) for step, ms in answer.timing_ms.items()},
    }
    return json_safe(json.dumps(document, ensure_ascii=False, allow_nan=False)) + "\n"


def _certainty(query: Query) -> dict[str, Any]:
    """How sure the model was, and what else it thought of; nothing where no model read a question."""
    if query.confidence is None:
        return {}
    return {
        "confidence": round(query.confidence, 4),
        "sure": query.sure,
        "readings": [{"text": words, "sql": sql} for words, sql in query.readings],
        "unmatched": list(query.unmatched),
    }


def as_csv(answer: Answer, style: Style | None = None) -> str:
    """A header and the rows; a query that was only shown is a column `sql`."""
    if not answer.was_run:
        return _csv_line(["sql"]) + _csv_line([answer.query.sql])
    return _csv_line(answer.columns) + "".join(_csv_line([plain(value) for value in row]) for row in answer.rows)


def _csv_line(values: Sequence[Any]) -> str:
    return ",".join(map(_csv_cell, values)) + "\n"


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    text = safe(str(value))
    needs_quotes = text == "" or text[0] == " " or text[-1] == " " or any(sign in text for sign in ',"')
    return '"' + text.replace('"', '""') + '"' if needs_quotes else text


def as_text(answer: Answer, style: Style) -> str:
    """The sentence, the table, the SQL, the lines that prove it, and what was read."""
    sql = _sql(answer.query.sql)
    if not answer.was_run:
        return sql + "\n"
    parts = [style.bold(safe(answer.sentence)), *map(safe, doubts(answer.query)), ""]
    if answer.rows and not answer.sentence_covers:
        parts += [*_table(answer, style), ""]
    parts += map(style.dim, sql.split("\n"))
    names_lines = "line_no" in answer.columns and not answer.sentence_covers  # the table shows them already
    for line in [] if names_lines else answer.evidence[:SHOWN_EVIDENCE]:
        place = f"{safe(line.file)}:{line.line_no}"
        parts.append(
            style.dim(place)
            + _GAP
            + fit(safe(line.text[:_LONGEST]), max(_NARROWEST, style.cells - width(place) - len(_GAP)))
        )
    parts += [style.dim(safe(note)) for note in answer.notes]
    parts.append(style.dim(_closing(answer)))
    return "\n".join(parts) + "\n"


def doubts(query: Query) -> list[str]:
    """What a person should know before trusting an answer that the model is not sure of; nothing where it is."""
    if query.sure is not False:
        return []
    lines = []
    if query.unmatched:
        words = ", ".join(f"'{word}'" for word in query.unmatched[:_UNMATCHED_SHOWN])
        lines.append(f"The log may not hold the answer: nothing in it matches {words}.")
    chance = f" ({query.confidence:.0%})" if query.confidence is not None else ""
    lines.append(f"Not sure{chance}: this is one reading of the question.")
    lines += [f"{_INDENT}or: {words}" for words, _ in query.readings]
    return lines


def _sql(sql: str) -> str:
    """The SQL safe to print: its line ends stay, but in a text literal they are escaped as all control characters."""
    literals_safe = re.sub(r"'(?:[^']|'')*'", lambda literal: safe(literal.group()), sql.strip())
    return "\n".join(safe(line) for line in literals_safe.splitlines())


def _closing(answer: Answer) -> str:
    read, unparsed = answer.lines_read or 0, answer.lines_unparsed or 0
    lines = f"{read:,} line{'' if read == 1 else 's'} read, {unparsed:,} not understood"
    seconds = answer.timing_ms.get("total")
    return " · ".join([lines, safe(answer.format), *([f"{seconds / 1000:.2f} s"] if seconds is not None else [])])


def _table(answer: Answer, style: Style) -> list[str]:
    kept = answer.rows[:MOST_ROWS]
    cells = [[safe(shown(value)[:_LONGEST]) for value in row] for row in kept]
    header = [safe(name) for name in answer.columns]
    right = [_is_numeric([row[i] for row in kept]) for i in range(len(header))]
    natural = [max(width(name), *(width(row[i]) for row in cells)) for i, name in enumerate(header)]
    widths = fit_columns(natural, style.cells - len(_INDENT), keep=right)
    lines = [style.dim(_row(header, widths, right))] + [_row(row, widths, right) for row in cells]
    hidden_columns = len(header) - len(widths)
    if hidden_columns:
        lines.append(f"{_INDENT}… {hidden_columns} more column{'s' if hidden_columns > 1 else ''} (use --output csv)")
    if len(answer.rows) > len(kept):
        more = len(answer.rows) - len(kept)
        lines.append(f"{_INDENT}… {more:,} more row{'s' if more > 1 else ''} (use --output csv)")
    return lines


def _is_numeric(values: Sequence[Any]) -> bool:
    found = [plain(value) for value in values if value is not None]
    return bool(found) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in found)


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    line = _GAP.join(pad(fit(cell, w), w, right=r) for cell, w, r in zip(cells, widths, right, strict=False))
    return (_INDENT + line).rstrip()


def fit_columns(natural: Sequence[int], cells: int, *, keep: Sequence[bool]) -> list[int]:
    """Widths of the columns that fit into `cells`: the widest give way first, numbers (`keep`) never, the last ones go.

    Returns fewer widths than columns when even the narrowest do not fit beside each other.
    """
    count = len(natural)
    while count > 1 and _needed(natural[:count], keep) > cells:
        count -= 1
    widths = [w if k and count > 1 else min(w, cells) for w, k in zip(natural[:count], keep, strict=False)]
    over = sum(widths) + len(_GAP) * (count - 1) - cells
    while over > 0:
        free = [i for i in range(count) if not keep[i] and widths[i] > _NARROWEST]
        if not free:
            break
        widths[max(free, key=lambda i: widths[i])] -= 1
        over -= 1
    return widths


def _needed(natural: Sequence[int], keep: Sequence[bool]) -> int:
    least = [w if k else min(w, _NARROWEST) for w, k in zip(natural, keep, strict=False)]
    return sum(least) + len(_GAP) * (len(natural) - 1)
