"""The report in a terminal: for each group a table of what counts, with bars for latency and memory where they fit."""

from __future__ import annotations

from rich import box
from rich.bar import Bar
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from edgeslm.answer.terminal import safe
from edgeslm_bench.report.columns import DASH, short
from edgeslm_bench.report.content import Content, GroupContent

_OTHER_COLUMNS = 84  # of the terminal, for all but the bars
_LEAST_BAR, _MOST_BAR = 4, 16


def draw(content: Content, console: Console) -> None:
    """Draw all groups on `console`."""
    console.print(Text(safe(", ".join(f"{name} {text}" for name, text in content.about_run)), style="dim"))
    for group in content.groups:
        console.print()
        console.print(Text(f"{safe(group.title)}, {group.weights} weights", style="bold"))
        if group.headline:
            console.print(Text(safe(group.headline)))
        console.print(_table(group, console.width))


def _table(group: GroupContent, width: int) -> Table:
    room = min((width - _OTHER_COLUMNS) // 2, _MOST_BAR)
    bars = room >= _LEAST_BAR
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("technique", overflow="fold", min_width=12)
    for head in ("ms", *[""] * bars, "MB", *[""] * bars, "tokens/s", "ratio", "quality"):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    slowest = max((one.latency_ms or 0 for one in group.records), default=0)
    largest = max((one.memory_mb or 0 for one in group.records), default=0)
    for one in group.records:
        table.add_row(
            Text(safe(one.technique), style="dim" if one.is_base else ""),
            _number(one.latency_ms),
            *[_bar(one.latency_ms, slowest, room, "blue")] * bars,
            _number(one.memory_mb),
            *[_bar(one.memory_mb, largest, room, "magenta")] * bars,
            _number(one.decode_tokens_s),
            _number(one.speed_ratio),
            _number(one.quality_score),
        )
    return table


def _number(value: float | None) -> str:
    return DASH if value is None else short(value)


def _bar(value: float | None, most: float, width: int, colour: str) -> RenderableType:
    return Bar(most, 0, value, width=width, color=colour) if value and most else ""
