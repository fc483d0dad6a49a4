"""Which format a log is in, from a sample of its lines.

Refuses to know files and SQL. A format's score is the share of sample lines it reads with their timestamp;
among formats within two per cent of the best the one with the highest priority wins, so that a specific format goes
before a general one. Where no format that ships reads most lines, one is built (`generic`).
"""

import re
from collections.abc import Sequence

from edgeslm.errors import InputError
from edgeslm.logs.format import LONG_LINE, Format
from edgeslm.logs.generic import build_format
from edgeslm.logs.registry import load_formats
from edgeslm.logs.stamps import Clock

MAX_LINES = 240
TIE = 0.02
ENOUGH = 0.6
FEW = 0.05


def detect_format(lines: Sequence[str], format_name: str | None = None) -> Format:
    """The format of a log whose sample lines are given. Raises InputError for an unknown format_name."""
    formats = load_formats()
    texts = [line for line in lines if line.strip()]
    if format_name is not None:
        if format_name not in formats:
            raise InputError(f"no log format is called {format_name}", hint=f"one of: {', '.join(sorted(formats))}")
        return formats[format_name].resolved(texts)
    step = max(1, len(texts) // MAX_LINES)
    sample = [text if text[:1] == "{" else text[:LONG_LINE] for text in texts[::step][:MAX_LINES]]
    best = _best(sample, formats)
    if best is None:
        return build_format(sample) or formats["plain"]
    return best.resolved(texts)


def _best(sample: Sequence[str], formats: dict[str, Format]) -> Format | None:
    """The shipped format that reads most of the sample, or None where one built for this log may read more."""
    scores: list[tuple[float, Format]] = []
    classes = {_class(line) for line in sample}
    for format in formats.values():
        if format.name == "plain" or not any(_class(s["line"]) in classes for s in format.samples):
            continue
        if format.marker and not any(re.search(format.marker, line) for line in sample):
            continue
        score = _score(format, sample)
        if score:
            scores.append((score, format))
        if score >= 1 - TIE:
            break
    if not scores:
        return None
    top = max(score for score, _ in scores)
    score, format = next((s, f) for s, f in scores if s >= top - TIE)
    if score < ENOUGH:
        built = build_format(sample)
        if built and _score(built, sample) > score + TIE:
            return None
        if not format.multiline and score < FEW:
            return None
    return format


def _score(format: Format, sample: Sequence[str]) -> float:
    resolved = format.resolved(sample)
    if resolved.kind != "regex" and not (resolved.fields.get("ts") or resolved.fields.get("message")):
        return 0.0
    clock = Clock(2024)
    read = 0
    for line in sample:
        parts = resolved.parts(line)
        if parts is None or ("message" in resolved.group_names and parts.get("message") is None):
            continue
        read += not resolved.layouts or resolved.kind != "regex" or resolved.record(line, None, clock)["ts"] is not None
    return read / max(1, len(sample))


def _class(line: str) -> str:
    """The kind of a line's first character: digit, letter or the character itself."""
    first = line[:1]
    return "9" if first.isdigit() else "a" if first.isalpha() else first
