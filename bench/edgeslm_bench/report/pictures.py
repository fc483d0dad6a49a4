"""Which charts a report has: latency, memory, the way to the memory's limit, quality against size, history."""

from __future__ import annotations

import re

from edgeslm_bench.report.charts import Bar, Chart, Dot, bars, history, pareto
from edgeslm_bench.report.columns import share_of_limit, short
from edgeslm_bench.report.content import Content, GroupContent, Run

_MOST_LINES = 8


def group_charts(group: GroupContent) -> list[Chart]:
    """The charts that the group's numbers allow."""
    found = [_latency(group), _memory(group), _roofline(group), _pareto(group)]
    return [chart for chart in found if chart]


def history_charts(content: Content) -> list[Chart]:
    """One chart for each group of the report that was run at least twice."""
    return [chart for group in content.groups if (chart := _history(group, content.history))]


def _latency(group: GroupContent) -> Chart | None:
    rows = [
        Bar(one.technique, one.latency_ms, f"{short(one.latency_ms)} ms", one.is_base)
        for one in group.records
        if one.latency_ms is not None
    ]
    return bars(_name(group, "latency"), "Latency of an answer, less is better", rows, of=_of(group)) if rows else None


def _memory(group: GroupContent) -> Chart | None:
    rows = [
        Bar(one.technique, one.memory_mb, f"{short(one.memory_mb)} MB", one.is_base)
        for one in group.records
        if one.memory_mb is not None
    ]
    return bars(_name(group, "memory"), "Peak memory, less is better", rows, of=_of(group)) if rows else None


def _roofline(group: GroupContent) -> Chart | None:
    rows, limits = [], []
    for one in group.records:
        if one.weights_gb_s is not None and one.read_gb_s:
            share = share_of_limit(one) or 0
            rows.append(
                Bar(one.technique, one.weights_gb_s, f"{short(one.weights_gb_s)} GB/s, {share:.0f} %", one.is_base)
            )
            limits.append(one.read_gb_s)
    if not rows:
        return None
    limit = max(limits)
    title = "Weights read while decoding, against what the memory gives"
    text = f"this memory, read: {short(limit)} GB/s"
    return bars(_name(group, "roofline"), title, rows, of=_of(group), limit=(limit, text))


def _pareto(group: GroupContent) -> Chart | None:
    dots = [
        Dot(one.technique, one.file_bytes / 1e6, one.quality_score)
        for one in group.records
        if one.quality_score is not None and one.file_bytes
    ]
    title = "Quality against size: nothing beats the models on the line"
    return pareto(_name(group, "quality"), title, dots, of=_of(group)) if len(dots) > 1 else None


def _history(group: GroupContent, runs: tuple[Run, ...]) -> Chart | None:
    """Lines for the report's own techniques, the fastest first, where at least two runs have them."""
    order = sorted(
        (one for one in group.records if one.speed_ratio and one.speed_ratio != 1),
        key=lambda one: -(one.speed_ratio or 0),
    )
    shown = [run for run in runs if any(key[0] == group.name for key in run.speed)]
    if len(shown) < 2 or not order:
        return None
    lines = {
        one.technique: [run.speed.get((group.name, one.technique)) for run in shown] for one in order[:_MOST_LINES]
    }
    labels = [run.commit or run.moment[:10] for run in shown]
    return history(_name(group, "history"), f"{group.title}: speed over the commits", labels, lines)


def _of(group: GroupContent) -> str:
    """Which model a picture is of, for who sees it alone."""
    return f"{group.title}, {group.weights} weights"


def _name(group: GroupContent, kind: str) -> str:
    return f"{re.sub('[^a-z0-9]+', '-', group.name.lower()).strip('-')}-{kind}"
