"""Text as a terminal shows it: what is safe to print, how wide it is, and which colours are wanted.

Refuses to know about logs and answers. Invariant: nothing `safe()` returns can move the cursor, colour the screen,
reorder the line or end it.
"""

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

_FALLBACK_SIZE = (100, 24)  # for output that is no terminal and has no COLUMNS
_ELLIPSIS = "…"

# C0, DEL, C1, Arabic letter mark, LRM/RLM, line and paragraph separators, bidi embeddings, overrides and isolates,
# byte order mark, lone surrogates (undecodable bytes of a file name), tag characters.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as Python's surrogateescape keeps it
        code -= 0xDC00
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe(text: str) -> str:
    """The text with every control character written as a visible escape (`\\x1b`, `\\n`, `\\u202e`)."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escape, text)


def json_safe(document: str) -> str:
    """A JSON document in which control characters beyond C0 are JSON escapes too: the values stay exact."""

    def escape(match: re.Match[str]) -> str:
        code = ord(match.group())
        if code == 0x0A or code < 0x20:  # only between tokens: inside strings json.dumps has escaped it already
            return match.group()
        if code < 0x10000:
            return f"\\u{code:04x}"
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"

    return _UNSAFE.sub(escape, document)


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def width(text: str) -> int:
    """The number of terminal cells the text takes."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


def fit(text: str, cells: int) -> str:
    """The text cut to at most `cells` terminal cells, with an ellipsis where something is missing."""
    if len(text) <= cells and width(text) <= cells:
        return text
    if cells < 1:
        return ""
    used, kept = 0, []
    for character in text:
        used += _character_width(character)
        if used > cells - 1:
            break
        kept.append(character)
    return "".join(kept) + _ELLIPSIS


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """The text filled with blanks to `cells` terminal cells, on the left when `right` is set."""
    blanks = " " * max(0, cells - width(text))
    return blanks + text if right else text + blanks


@dataclass(frozen=True)
class Style:
    """How to write on one stream: its width in cells, and whether colours are wanted there."""

    cells: int
    colour: bool = False

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.colour and text else text

    def dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self.colour and text else text


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """NO_COLOR forbids, FORCE_COLOR demands, otherwise a terminal that is not dumb gets colour."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return environment.get("TERM") != "dumb" and stream.isatty()


def stream_style(stream: TextIO | None = None, environment: Mapping[str, str] | None = None) -> Style:
    """The style for a stream (standard output unless named) of this process."""
    stream = sys.stdout if stream is None else stream
    columns = shutil.get_terminal_size(_FALLBACK_SIZE).columns
    return Style(
        cells=max(20, columns), colour=wants_colour(stream, os.environ if environment is None else environment)
    )
