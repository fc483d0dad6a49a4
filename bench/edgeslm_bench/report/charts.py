"""The report's pictures, drawn with matplotlib: bars, quality against size, ratios over commits. As SVG and as PNG.

Narrow, with a bar's name above it, so that they read on a phone. In the SVG colours are CSS variables of the page
(`--ink`, `--grid`, `--bar`, `--base`), so that light and dark are the page's matter. Refuses to know what is drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgeslm_bench.report.content import front

_WIDTH, _ROW, _MARGIN = 4.2, 0.42, 0.42  # inches
_POINTS = _WIDTH * 72 * 0.99  # of the axes
_LETTER = 6.6  # points of width of bold text, at most about
_INK, _GRID, _BAR, _BASE = "#1a1d21", "#d4d8dd", "#2f6fd0", "#8b929c"
_VARIABLES = {_INK: "--ink", _GRID: "--grid", _BAR: "--bar", _BASE: "--base"}
_LINES = ("#4c8bf5", "#e8833a", "#2fa36b", "#c2559d", "#8a63d2", "#a88d00", "#1fa3b5", "#d9534f")
_MARKERS = "osD^vPX*"
_SETTINGS: Any = {"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "edgeslm", "text.parse_math": False}


@dataclass(frozen=True)
class Bar:
    """A bar: what it is of, how long, what stands at its end; base: drawn in another colour."""

    name: str
    value: float
    text: str
    base: bool = False


@dataclass(frozen=True)
class Dot:
    """A model: file size in MB, quality."""

    name: str
    size: float
    quality: float


@dataclass(frozen=True)
class Chart:
    """A finished picture. says: the same in words, for who cannot see it."""

    name: str
    title: str
    says: str
    svg: str
    png: bytes


def bars(name: str, title: str, rows: Sequence[Bar], *, of: str = "", limit: tuple[float, str] | None = None) -> Chart:
    """Horizontal bars; of: what the PNG says above its title; limit: a value that bars are held against, its text."""
    figure, axes = _figure(_MARGIN / 2 + _ROW * (len(rows) + (limit is not None)))
    for index, row in enumerate(rows):
        axes.barh(index, row.value, height=0.36, color=_BASE if row.base else _BAR)
        axes.text(0, index - 0.27, row.name, va="bottom", ha="left", color=_INK)
        place: dict[str, Any]
        if limit:
            axes.vlines(limit[0], index - 0.24, index + 0.24, color=_INK, linewidth=2)
            place = {"xy": (1, index - 0.27), "xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
        else:
            place = {"xy": (row.value, index), "xytext": (4, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(row.text, **place, color=_INK, weight="bold")
    most = [row.value * _POINTS / max(40.0, _POINTS - 8 - _LETTER * len(row.text)) for row in rows]
    if limit:
        most = [limit[0] * 1.01, *(row.value for row in rows)]
        axes.text(
            1, len(rows) - 0.5, f"| {limit[1]}", va="top", ha="right", color=_INK, transform=axes.get_yaxis_transform()
        )
    axes.set_xlim(0, max(most, default=1.0) or 1.0)
    axes.set_ylim(len(rows) - 0.5 + 0.6 * (limit is not None), -0.8)
    axes.set_axis_off()
    says = "; ".join(f"{row.name}: {row.text}" for row in rows) + (f"; {limit[1]}" if limit else "")
    return _chart(name, title, says, figure, of)


def pareto(name: str, title: str, dots: Sequence[Dot], *, of: str = "") -> Chart:
    """Quality against size, the models that no other beats joined; numbers in the picture, names below it."""
    figure, axes = _figure(2.6 + 0.19 * len(dots))
    best = front([(dot.size, dot.quality) for dot in dots])
    along = sorted((dots[index] for index in best), key=lambda dot: dot.size)
    axes.step([dot.size for dot in along], [dot.quality for dot in along], where="post", color=_BAR, linewidth=1)
    for index, dot in enumerate(dots):
        filled = index in best
        axes.plot(
            dot.size, dot.quality, "o", markersize=13, color=_BAR if filled else _BASE, markeredgecolor="none", zorder=3
        )
        axes.annotate(
            str(index + 1), (dot.size, dot.quality), ha="center", va="center_baseline", color="#ffffff", weight="bold",
            fontsize=8, zorder=4,
        )  # fmt: skip
    axes.set_xlim(0, 1.1 * max(dot.size for dot in dots))
    low, high = min(dot.quality for dot in dots), max(dot.quality for dot in dots)
    room = max(0.15 * (high - low), 0.02)
    axes.set_ylim(max(0.0, low - room) if low >= room else -room, high + room)
    axes.set_xlabel("file (MB)", color=_INK)
    axes.set_ylabel("quality score", color=_INK)
    _frame(axes)
    figure.subplots_adjust(left=0.14, right=0.97, top=0.97, bottom=(0.55 + 0.19 * len(dots)) / figure.get_figheight())
    for index, dot in enumerate(dots):
        where = (0.03, (0.19 * (len(dots) - index) - 0.09) / figure.get_figheight())
        text = f"{index + 1}  {dot.name}: {dot.size:,.1f} MB, {dot.quality:.3g}"
        figure.text(*where, text, color=_INK, va="center", fontsize=8.5)
    says = "; ".join(f"{dot.name}: {dot.size:,.1f} MB, quality {dot.quality:.3g}" for dot in dots)
    return _chart(name, title, says, figure, of)


def history(name: str, title: str, labels: Sequence[str], lines: Mapping[str, Sequence[float | None]]) -> Chart:
    """A ratio over runs, one line for each of `lines`, whose values stand at `labels`; None where there was none."""
    figure, axes = _figure(2.9 + 0.19 * len(lines))
    for index, values in enumerate(lines.values()):
        known = [(at, value) for at, value in enumerate(values) if value is not None]
        axes.plot(
            [at for at, _ in known], [value for _, value in known], color=_LINES[index % len(_LINES)],
            marker=_MARKERS[index % len(_MARKERS)], markersize=5, linewidth=1.5,
        )  # fmt: skip
    step = max(1, -(-len(labels) // 8))
    axes.set_xticks(
        range(0, len(labels), step), [labels[at] for at in range(0, len(labels), step)], rotation=45, ha="right"
    )
    axes.set_xlim(-0.3, len(labels) - 0.7)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("decode, times the base", color=_INK)
    _frame(axes)
    figure.subplots_adjust(left=0.14, right=0.97, top=0.97, bottom=(0.85 + 0.19 * len(lines)) / figure.get_figheight())
    for index, (line, values) in enumerate(lines.items()):
        height = (0.19 * (len(lines) - index) - 0.09) / figure.get_figheight()
        last = next((value for value in reversed(values) if value is not None), None)
        figure.text(
            0.03, height, _MARKS[_MARKERS[index % len(_MARKERS)]], color=_LINES[index % len(_LINES)], va="center"
        )
        figure.text(
            0.08, height, line if last is None else f"{line}: {last:.3g}", color=_INK, va="center", fontsize=8.5
        )
    says = "; ".join(
        f"{line}: {', '.join('none' if v is None else f'{v:.3g}' for v in row)}" for line, row in lines.items()
    )
    return _chart(name, title, says, figure)


_MARKS = dict(zip(_MARKERS, "●■◆▲▼✚✖★", strict=True))


def _figure(height: float) -> tuple[Figure, Axes]:
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_subplot()
        figure.subplots_adjust(left=0.005, right=0.995, top=0.99, bottom=0.01)
    return figure, axes


def _frame(axes: Axes) -> None:
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, length=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_BASE)


def _chart(name: str, title: str, says: str, figure: Figure, of: str = "") -> Chart:
    """The picture twice: for the page, which writes the title itself, and as a PNG that stands alone."""
    picture, text = io.BytesIO(), io.StringIO()
    with mpl.rc_context(_SETTINGS):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
        figure.text(0.005, 1.02, f"{of}\n{title}" if of else title, color=_INK, weight="bold", va="bottom")
        figure.savefig(picture, format="png", dpi=200, facecolor="#ffffff", bbox_inches="tight", pad_inches=0.12)
    return Chart(name, title, says, _for_page(name, text.getvalue()), picture.getvalue())


def _for_page(name: str, svg: str) -> str:
    """The svg element alone, its colours the page's, its ids not another picture's."""
    svg = svg[svg.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        svg = re.sub(rf"(:\s*){colour}", rf"\1var({variable})", svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', svg)
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1>", svg, count=1)
