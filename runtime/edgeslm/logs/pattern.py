"""Regular expressions that name the parts of a line: where each group begins and ends in the expression's text.

From one `pattern` come cheaper ones: the part up to the timestamp, the part before the message, the part up to one
group, which keep the group numbers of the whole; and one with a single group. Refuses to know what the groups mean.
Invariant: patterns are read alike by Python's re (ASCII) and by RE2, and never use look-around.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A group's place in the pattern's text: `start` at its '(', `end` after its ')' and its quantifier."""

    start: int
    end: int
    depth: int


def group_spans(pattern: str) -> dict[str, Span]:
    """The named groups of a pattern, by name. Groups of no name are counted in `depth` too."""
    spans: dict[str, Span] = {}
    open_groups: list[tuple[str, int]] = []
    i, in_class = 0, False
    while i < len(pattern):
        char = pattern[i]
        if char == "\\":
            i += 1
        elif in_class:
            in_class = char != "]" or pattern[i - 1] == "["
        elif char == "[":
            in_class = True
            if pattern[i + 1] == "^":
                i += 1
            if pattern[i + 1] == "]":
                i += 1
        elif char == "(":
            name = re.match(r"\(\?P<(\w+)>", pattern[i:])
            open_groups.append((name[1] if name else "", i))
        elif char == ")":
            name_text, start = open_groups.pop()
            quantifier = re.match(r"(?:[*+?]|\{\d*,?\d*\})?\??", pattern[i + 1 :])
            end = i + 1 + (quantifier.end() if quantifier else 0)
            spans[name_text or f"@{start}"] = Span(start, end, len(open_groups))
        i += 1
    return spans


def alone(pattern: str, name: str) -> tuple[str, int]:
    """The pattern with that one of its named groups only, and the group's number. DuckDB extracts groups 1 to 9."""
    text = re.sub(rf"\(\?P<(?!{name}>)\w+>", "(?:", pattern)
    return text, re.compile(text).groupindex[name]


def outermost(spans: dict[str, Span], name: str) -> Span:
    """The depth-0 group that holds the named one (itself, if it stands at depth 0)."""
    inner = spans[name]
    return next(s for s in spans.values() if s.depth == 0 and s.start <= inner.start and inner.end <= s.end)


def through(pattern: str, spans: dict[str, Span], name: str) -> str:
    """The pattern cut after the depth-0 group that holds the named one."""
    return pattern[: outermost(spans, name).end]


def before(pattern: str, spans: dict[str, Span], name: str) -> str:
    """The pattern cut before the named depth-0 group."""
    return pattern[: spans[name].start]


def within(pattern: str, spans: dict[str, Span], outer: str, name: str) -> str:
    """What stands in the depth-0 group `outer` up to the end of its part that holds the group `name`, anchored."""
    inner = spans[name]
    part = next(s for s in spans.values() if s.depth == 1 and s.start <= inner.start and inner.end <= s.end)
    return "^" + pattern[spans[outer].start + len(f"(?P<{outer}>") : part.end]


def opened(pattern: str, spans: dict[str, Span], outer: str, name: str) -> str:
    """The pattern from its start to the end of the part of `outer` that holds the group `name`, brackets closed."""
    inside = within(pattern, spans, outer, name)
    return pattern[: spans[outer].start] + f"(?P<{outer}>{inside[1:]})"
