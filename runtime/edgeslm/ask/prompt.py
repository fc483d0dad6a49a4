"""The prompt: what the planner reads. A compact form for our own model, and a chat form for any other GGUF.

Both say the same: the view's columns, the candidates with their handles, the question. Everything that comes from the
log or the question is lower-cased in the compact form, so that no text can pose as a handle or as SQL.
"""

import re

from edgeslm.ask.candidates import Candidates, ShapeHandle
from edgeslm.ask.lexicon import split_words
from edgeslm.ask.shapes import Slot

WORDS_SHOWN = 18
_FIRST, _BEFORE = 13, 3  # of them, where a number that the question names stands elsewhere, and those before it
FINETUNE_NAME = "edgeslm-prompt-2"  # general.finetune of a GGUF that reads the compact form
_PIECES = re.compile(r"[A-Za-z]+|\d+|[^\w\s]")


def compact_prompt(candidates: Candidates) -> str:
    """The prompt of the planner that ships: columns, shapes, values, question; ends where the SQL begins."""
    lines = ["columns " + " ".join(_column_name(column.name, column.numeric) for column in candidates.columns)]
    for shape in candidates.shapes:
        lines.append(f"{shape.handle} {show_shape(shape, candidates)}")
    for slot in candidates.slots:
        if slot.field:
            lines.append(f"{slot.handle}{'#' if slot.slot.numeric else ''} field {' '.join(split_words(slot.field))}")
    for value in candidates.values:
        lines.append(" ".join([value.handle, *value.columns, "guess" if value.guess else "text"]))
    lines.append(f"question {candidates.annotated}")
    lines.append("sql ")
    return "\n".join(lines)


def _column_name(name: str, numeric: bool) -> str:
    return name + ("#" if numeric else "")


def show_shape(handle: ShapeHandle, candidates: Candidates) -> str:
    """A shape as words and slots around its pattern: `failed password for <user> from <ip> took <A1#>`."""
    shown: list[str] = []
    focus = 0
    meant = -1
    position = -1
    for at, part in enumerate(handle.shape.parts):
        if isinstance(part, Slot):
            position += 1
            name = handle.slots.get(position)
            if meant < 0 and position in handle.meant:
                meant = len(shown)
            if name and name[0] == "A" and name[1:].isdigit():
                shown.append(f"<{name}#>" if candidates.slot(name).slot.numeric else f"<{name}>")
            else:
                shown.append(f"<{name}>" if name else "*")
            continue
        if at == handle.fragment.window[0]:
            focus = len(shown) + len(_display_words(part[: handle.fragment.window[1]]))
        shown.extend(_display_words(part))
    start = max(0, min(focus - 4, len(shown) - WORDS_SHOWN))
    if 0 <= meant < start:
        return " ".join([*shown[max(0, meant - _BEFORE) : min(meant + 2, start)], *shown[start : start + _FIRST]])
    if meant >= start + WORDS_SHOWN:
        return " ".join([*shown[start : start + _FIRST], *shown[max(meant - _BEFORE, start + _FIRST) : meant + 2]])
    return " ".join(shown[start : start + WORDS_SHOWN])


def _display_words(text: str) -> list[str]:
    words: list[str] = []
    for piece in _PIECES.findall(text):
        if piece[0].isalpha():
            words.extend(split_words(piece))
        elif piece in "=:'\"/%#" or piece.isdigit():
            words.append(piece)
    return words


SYSTEM = """You turn a question about a log into one SQL query over the table logs. Write only the SQL.
Columns: {columns}
Use handles instead of literals. Message patterns: write message LIKE S1. Values: write column = V1, or line LIKE V1 \
for text anywhere in a line.
Time ranges: write ts IN T1. Numbers: N1. A1, A2 are values inside messages and can be used like columns.
Handles you may use:
{handles}
Examples: SELECT count(*) FROM logs WHERE message LIKE S1 ; \
SELECT ip, count(*) AS count FROM logs WHERE ip IS NOT NULL GROUP BY ip ORDER BY count DESC LIMIT N1 ;
SELECT max(ts) FROM logs WHERE level = V1 ; SELECT line_no, line FROM logs WHERE app = V1 ; \
SELECT date_trunc('hour', ts) AS hour, count(*) AS count FROM logs GROUP BY hour ORDER BY hour"""


def chat_prompt(candidates: Candidates) -> tuple[str, str]:
    """System and user text for a general model."""
    handles = []
    for shape in candidates.shapes:
        pieces = " … ".join(shape.fragment.pieces)
        handles.append(f"{shape.handle}: messages like {pieces!r} ({show_shape(shape, candidates)})")
    handles += [f"{slot.handle}: what messages write after {slot.field!r}" for slot in candidates.slots if slot.field]
    for value in candidates.values:
        handles.append(f"{value.handle}: {value.text!r}, usable with {', '.join([*value.columns, 'line LIKE'])}")
    handles += [f"{handle}: {span.text}" for handle, span in candidates.times.items()]
    handles += [f"{handle}: {number}" for handle, number in candidates.numbers.items()]
    columns = ", ".join(["ts", "line_no", "line", "message", *(column.name for column in candidates.columns)])
    return SYSTEM.format(columns=columns, handles="\n".join(handles) or "none"), candidates.question
