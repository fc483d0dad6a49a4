"""A format for a log never seen before: where the timestamp stands, then level, thread, program, component.

Builds a `Format` from sample lines by trying small parts one after the other and keeping each that nearly every line
has. Refuses to know the formats that ship. Invariant: the format it returns reads at least half of the sample.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgeslm.logs.format import Format
from edgeslm.logs.levels import DETECT
from edgeslm.logs.stamps import Clock, reader

MOST = 0.9
HALF = 0.5


@dataclass(frozen=True)
class Stamp:
    """One timestamp layout: its regex, its layouts and what may follow that belongs to it (a zone)."""

    regex: str
    layouts: tuple[str, ...]


_TIME = r"\d\d:\d\d:\d\d"
_DAY = rf"\d{{1,2}}[- ][A-Z][a-z]{{2}}[- ]\d{{4}} {_TIME}"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[A-Z]{3,4}|[+-]\d\d:?\d\d))?"
_WHOLE_SECONDS = (
    Stamp(rf"\d{{4}}/\d\d/\d\d {_TIME}", ("%Y/%m/%d %H:%M:%S",)),
    Stamp(rf"\d{{4}}\.\d\d\.\d\d {_TIME}", ("%Y.%m.%d %H:%M:%S",)),
    Stamp(rf"\d\d/[A-Z][a-z]{{2}}/\d{{4}}[: ]{_TIME}", ("%d/%b/%Y:%H:%M:%S", "%d/%b/%Y %H:%M:%S")),
    Stamp(_DAY, ("%d %b %Y %H:%M:%S", "%d-%b-%Y %H:%M:%S")),
    Stamp(rf"[A-Z][a-z]{{2}} [ \d]?\d \d{{4}} {_TIME}", ("%b %d %Y %H:%M:%S",)),
    Stamp(rf"[A-Z][a-z]{{2}} [ \d]?\d {_TIME}", ("%b %d %H:%M:%S",)),
    Stamp(rf"\d\d\.\d\d\.\d{{4}} {_TIME}", ("%d.%m.%Y %H:%M:%S",)),
    Stamp(rf"\d\d[./]\d\d[./]\d\d {_TIME}", ("%y/%m/%d %H:%M:%S", "%d/%m/%y %H:%M:%S", "%d.%m.%y %H:%M:%S")),
    Stamp(rf"\d\d/\d\d/\d{{4}} {_TIME}", ("%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S")),
    Stamp(rf"\d\d-\d\d-\d{{4}} {_TIME}", ("%d-%m-%Y %H:%M:%S", "%m-%d-%Y %H:%M:%S")),
    Stamp(rf"\d{{8}}[ T-]{_TIME}", ("%Y%m%d %H:%M:%S", "%Y%m%dT%H:%M:%S", "%Y%m%d-%H:%M:%S")),
    Stamp(rf"\d\d-\d\d {_TIME}", ("%m-%d %H:%M:%S",)),
)


def _with_fraction(stamp: Stamp) -> Stamp:
    """The same layouts with a fraction of the second, after a dot or a comma."""
    return Stamp(stamp.regex + r"[.,]\d{1,6}", tuple(f"{one}{sign}%f" for one in stamp.layouts for sign in ".,"))


STAMPS = (
    Stamp(rf"\d{{4}}-\d\d-\d\d[T ]{_TIME}(?:[.,]\d+)?", ("iso",)),
    *(one for stamp in _WHOLE_SECONDS for one in (_with_fraction(stamp), stamp)),
    Stamp(rf"[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d {_TIME} \d{{4}}", ("%a %b %d %H:%M:%S %Y",)),
    Stamp(r"\d{8}[T-]?\d{6}", ("%Y%m%dT%H%M%S", "%Y%m%d-%H%M%S", "%Y%m%d%H%M%S")),
    Stamp(r"\d{4}-\d\d-\d\d \d\d:\d\d", ("%Y-%m-%d %H:%M",)),
    Stamp(r"1\d{9}(?:\.\d+)?|1\d{12}", ("epoch",)),
    Stamp(rf"{_TIME}[.,]\d{{1,6}}", ("%H:%M:%S.%f", "%H:%M:%S,%f")),
    Stamp(_TIME, ("%H:%M:%S",)),
)
_LEAD = (r"^\W{0,3}", r"^\S{1,60} \W?", r"^.{1,80}?[\s\[(]")
_WORD = r"[A-Za-z_$<][\w.$/<>:-]*"
_PARTS: tuple[tuple[str, str], ...] = (
    ("level", rf"[\s|]*\[(?P<thread>[^\]/]{{1,60}})/(?i:(?P<level>{DETECT}))\]"),
    ("level", rf"[\s\[<(|:-]*(?i:(?P<level>{DETECT}))\b[\]>)|:]*"),
    ("level", r"[\s|]+\[?(?P<level>[VDIWEF])\]?(?:\s*\||\s)"),
    ("pid", r"[\s|]+\[?(?P<pid>\d{1,7})\]?(?:[:|]|\s|\b)"),
    ("thread", r"[\s|]*\[(?P<thread>[^\]]{1,80})\]"),
    ("app", rf"\s+(?P<app>{_WORD}?)\s*\[(?P<pid>\d+)\]:"),
    ("component", rf"[\s|]*\(?(?P<component>{_WORD}?)\)?(?::\s|\s+[-|>]\s|\||:$)"),
    ("component", r"[\s|]*\[(?P<component>[^\]]{1,80})\]"),
    ("component", rf"\s+(?P<component>{_WORD})  +"),  # filled up with blanks to a column
)


def build_format(lines: Sequence[str]) -> Format | None:
    """A format that reads at least half of these lines, or None: no timestamp in common and no level at the front."""
    sample = [line for line in lines if line.strip()][:400]
    if not sample:
        return None
    found = _find_stamp(sample)
    lead, layouts = found if found else ("^", ())
    pattern = _add_parts(lead, sample, needed=not found)
    if pattern is None:
        return None
    return Format(
        name="generic",
        title="log of an unknown format",
        pattern=pattern + r"[\s:|-]{0,3}(?P<message>.*)",
        layouts=tuple(layouts),
        multiline=True,
    )


def _find_stamp(sample: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    best: tuple[int, str, tuple[str, ...]] | None = None
    for lead in _LEAD:
        for stamp in STAMPS:
            pattern = f"{lead}(?P<ts>{stamp.regex}){_ZONE}[\\])]?"
            texts = [m["ts"] for m in (re.match(pattern, line, re.ASCII) for line in sample) if m]
            if len(texts) < HALF * len(sample) or (best and len(texts) <= best[0]):
                continue
            layouts = _fitting(texts, stamp.layouts)
            if layouts:
                best = (len(texts), pattern, layouts)
        if best and best[0] >= MOST * len(sample):
            break
    return (best[1], best[2]) if best else None


def _fitting(texts: Sequence[str], layouts: tuple[str, ...]) -> tuple[str, ...]:
    """The layouts that read these texts; of two that read a day and a month both ways, the one that reads more."""
    clock = Clock(2024)
    counts = [(sum(reader(layout)(text, clock) is not None for text in texts), layout) for layout in layouts]
    top = max(count for count, _ in counts)
    if top < HALF * len(texts):
        return ()
    day_month = any("%m/%d" in x or "%d-%m" in x or "%d/%m" in x for x in layouts)
    ranked = sorted(counts, key=lambda pair: -pair[0])
    return (ranked[0][1],) if day_month else tuple(layout for count, layout in ranked if count)


def _add_parts(pattern: str, sample: Sequence[str], *, needed: bool) -> str | None:
    """The pattern with each part that most of the lines it reads go on with; None if one is needed and none fits."""
    taken: set[str] = set()
    total = sum(re.match(pattern, line, re.ASCII) is not None for line in sample)
    least = HALF * len(sample) if needed else MOST * total
    for _turn in range(5):
        for _, part in _PARTS:
            names = set(re.findall(r"\(\?P<(\w+)>", part))
            if names & taken:
                continue
            longer = pattern + part
            count = sum(re.match(longer, line, re.ASCII) is not None for line in sample)
            if count >= least:
                pattern, taken = longer, taken | names
                break
        else:
            break
    return pattern if taken or not needed else None
