"""The table of `measure-ask` in Markdown, and whether its numbers are within the limits that edgeslm promises.

Refuses to measure anything.
"""

from collections.abc import Sequence

from edgeslm_bench.measure_ask import MOST_MB_LARGE, MOST_MB_SMALL, MOST_RATIO_LARGE, MOST_S_SMALL, SMALL_LINES, Measure

_HEAD = ("lines", "question", "tool", "wall s", "user s", "peak RSS MB", "wall, ratio to lnav")


def to_markdown(measures: Sequence[Measure]) -> str:
    """One row a measure. Text columns left, numbers right; the ratio stands in the rows of edgeslm."""
    rows = [_row(one, ratio_to_lnav(one, measures)) for one in measures]
    lines = [_HEAD, ("--:", "---", "---", "--:", "--:", "--:", "--:"), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def ratio_to_lnav(one: Measure, measures: Sequence[Measure]) -> float | None:
    """Wall time over lnav's for the same task on the same log; None for lnav itself, or where it was not run."""
    for other in measures:
        if one.tool != "lnav" == other.tool and (one.lines, one.task) == (other.lines, other.task):
            return one.wall_s / other.wall_s
    return None


def beyond_limits(measures: Sequence[Measure]) -> list[str]:
    """Every measure of edgeslm beyond what it promises, in words; empty where all are within."""
    found: list[str] = []
    for one in measures:
        if one.tool != "edgeslm":
            continue
        small = one.lines <= SMALL_LINES
        where = f"{one.task} on {one.lines:,} lines"
        ratio = ratio_to_lnav(one, measures)
        if small and one.wall_s > MOST_S_SMALL:
            found.append(f"{where}: {one.wall_s:.2f} s, at most {MOST_S_SMALL:g} s")
        if not small and ratio is not None and ratio > MOST_RATIO_LARGE:
            found.append(f"{where}: {ratio:.2f} times lnav's time, at most {MOST_RATIO_LARGE:g}")
        if one.peak_rss_mb > (most := MOST_MB_SMALL if small else MOST_MB_LARGE):
            found.append(f"{where}: {one.peak_rss_mb:.0f} MB, at most {most:g} MB")
    return found


def _row(one: Measure, ratio: float | None) -> tuple[str, ...]:
    return (
        f"{one.lines:,}",
        one.task,
        one.tool,
        f"{one.wall_s:.2f}",
        f"{one.user_s:.2f}",
        f"{one.peak_rss_mb:.0f}",
        f"{ratio:.2f}" if ratio is not None else "",
    )
