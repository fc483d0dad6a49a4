"""Writes the report: one HTML page that needs nothing besides itself, Markdown, and a PNG of every chart.

What comes from result files is escaped, in HTML by jinja2 and in Markdown here; it is never a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from edgeslm_bench.report.charts import Chart
from edgeslm_bench.report.content import KEEPS_QUALITY, Content, GroupContent, Table
from edgeslm_bench.report.pictures import group_charts, history_charts
from edgeslm_convert.place import into_place

WARNINGS = (
    "Random weights have the exact shape of the named model and nothing in them: speed and memory depend on the shape, "
    "quality does not exist. Trained weights were trained in this project.",
    "A device profile (pi-zero2w, pi4, pi5, x86-2c) limits threads, memory and context. It shows what fits, and is no "
    "measurement on that board and no claim about its speed.",
)
METHOD = (
    "Every number was measured in a fresh process; the processes of a group took turns, and ratios are to "
    "base-transformers-fp32 of the same group in the same run. Only ratios compare across machines. A headline names "
    f"the fastest technique that keeps {KEEPS_QUALITY:.0%} of the base's quality, where quality is known.",
    "The memory's speed is that of a plain read by as many threads, just before the run. More than 100 % of it means "
    "that weights were read from the processor's caches, or that the machine was busier before the run than in it.",
    "Quality score, 0 to 1: for code, the mean of valid, ran and right results over the study's prompts; for the log "
    "model, the share of generated questions on held-out logs whose SQL gives the right rows. A dash means: not "
    "measured.",
)
_TEMPLATE = "page.html.j2"


@dataclass(frozen=True)
class _Section:
    content: GroupContent
    anchor: str
    charts: list[Chart]


def write_report(content: Content, out: Path) -> list[Path]:
    """Write report.html, report.md and the charts into the folder `out`, whose other files stay. Returns paths."""
    sections = [_Section(group, f"group-{number}", group_charts(group)) for number, group in enumerate(content.groups)]
    over_time = history_charts(content)
    charts = [chart for section in sections for chart in section.charts] + over_time
    texts = {
        "report.html": to_html(content, sections, over_time),
        "report.md": to_markdown(content, sections, over_time),
    }
    written = []
    for name, data in [
        *((name, text.encode()) for name, text in texts.items()),
        *((f"{c.name}.png", c.png) for c in charts),
    ]:
        with into_place(out / name) as beside:
            beside.write_bytes(data)
        written.append(out / name)
    return written


def to_html(content: Content, sections: list[_Section], over_time: list[Chart]) -> str:
    """The page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template(_TEMPLATE)
    return page.render(
        content=content,
        groups=sections,
        history=over_time,
        warnings=WARNINGS,
        method=METHOD,
        date=dict(content.about_run).get("date", ""),
        breakable=_breakable,
    )


def to_markdown(content: Content, sections: list[_Section], over_time: list[Chart]) -> str:
    """The same as Markdown, pictures as files beside it."""
    lines = ["# edgeslm benchmarks", ""]
    lines += [", ".join(f"{name} {_plain(text)}" for name, text in content.about_run), ""]
    lines += [
        f"- **{_plain(group.title)}** ({group.weights} weights): {_plain(group.headline)}" for group in content.groups
    ]
    lines += ["", *(part for text in WARNINGS for part in (text, ""))]
    for section in sections:
        group = section.content
        lines += [f"## {_plain(group.title)}, {group.weights} weights", "", group.about, ""]
        lines += _markdown_table(group.study) + _markdown_table(group.ours)
        lines += [f"- {_plain(technique)}: {_plain(note)}" for technique, note in group.notes] + [""]
        lines += _images(section.charts)
    lines += ["## Over the commits", ""]
    lines += _images(over_time) or ["This is the only run in its folder so far.", ""]
    lines += ["## How it was measured", "", *(part for text in METHOD for part in (text, ""))]
    return "\n".join(lines).rstrip() + "\n"


def _images(charts: Iterable[Chart]) -> list[str]:
    return [part for chart in charts for part in (f"![{_plain(chart.title)}]({chart.name}.png)", "")]


def _markdown_table(table: Table) -> list[str]:
    if not table.heads:
        return []
    lines = [("technique", *table.heads), ("---", *["--:"] * len(table.heads))]
    lines += [
        (_plain(row.technique), *(f"**{cell.text}**" if cell.best else cell.text for cell in row.cells))
        for row in table.rows
    ]
    found = [f"| {' | '.join(cells)} |" for cells in lines]
    if table.unmeasured:
        found += ["", f"Not measured here: {', '.join(table.unmeasured)}."]
    return [*found, ""]


def _plain(text: str) -> str:
    """Text from a file that Markdown shows as it is, on one line."""
    one_line = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", one_line)


def _breakable(text: str) -> Markup:
    """A technique's name that may be broken after each + and -."""
    return Markup(re.sub(r"([+\-])", r"\1<wbr>", str(escape(text))))
