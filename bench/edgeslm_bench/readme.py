"""The README's measured numbers: a section between two markers, written from the committed results alone.

`claims_outside` finds what looks like a measurement anywhere else in the text. A test keeps both true.
"""

from __future__ import annotations

import re
from pathlib import Path

from edgeslm.errors import InputError
from edgeslm_bench.facts import FILE, read_facts
from edgeslm_bench.records import Record, ResultFile
from edgeslm_bench.report.columns import short
from edgeslm_bench.report.content import TITLES, fraction, read_history, top_of
from edgeslm_convert.place import into_place

BEGIN = "<!-- measured: begin; `edgeslm bench readme` writes this section from bench/results -->"
END = "<!-- measured: end -->"
_SECTION = re.compile(re.escape(BEGIN) + r"\n.*?" + re.escape(END), re.DOTALL)
SET = "<!-- set, not measured -->"  # after a number that somebody chose
_UNIT = (
    r"(?:ms|s|sec(?:onds?)?|minutes?|hours?|[kKMGT]i?B(?:/s)?|bytes|tokens?(?:/s| a second| per second)|lines?/s|"
    r"parameters|%|per ?cent|x|×|times(?! a\b)|J|W|fold|faster|slower|smaller)"
)
_NUMBER = r"(?<![\w.-])\d[\d,]*(?:\.\d+)?"
_CLAIM = re.compile(
    rf"{_NUMBER}\s?{_UNIT}(?!\w)|{_NUMBER} (?:of|out of) (?:the )?\d[\d,]*|{_NUMBER}/\d+|(?<![\w.-])0\.\d+(?![.\d])"
)


def section(folder: Path) -> str:
    """What stands between the markers, for the results in `folder`."""
    lines = ["", *_suite(folder), *_facts(folder), ""]
    return "\n".join(lines)


def update(readme: Path, folder: Path, *, write: bool = True) -> bool:
    """Bring the section up to date, or only look; says whether it was not. Raises InputError without markers."""
    text = readme.read_text(encoding="utf-8")
    if not _SECTION.search(text):
        raise InputError(f"{readme} has no place for measured numbers", hint=f"put in these two lines:\n{BEGIN}\n{END}")
    wanted = _SECTION.sub(lambda _: f"{BEGIN}\n{section(folder)}{END}", text)
    if write and wanted != text:
        with into_place(readme) as beside:
            beside.write_text(wanted, encoding="utf-8")
    return wanted != text


def claims_outside(text: str) -> list[str]:
    """What looks like a measured number outside the section, each with its surroundings.

    Commands, code and sample output (fenced, indented, in backticks) are no claims, nor are numbers before SET.
    """
    text = _SECTION.sub("", text)
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    text = "\n".join(line for line in text.split("\n") if not line.startswith("    "))
    text = re.sub(r"`[^`\n]*`", "``", text)
    return [
        text[max(0, found.start() - 30) : found.end() + 10].strip()
        for found in _CLAIM.finditer(text)
        if not text[found.end() :].lstrip().startswith(SET)
    ]


def _suite(folder: Path) -> list[str]:
    """A table of the newest run of the suite."""
    runs = sorted(read_history(folder), key=lambda run: run.moment)
    if not runs:
        return []
    newest = runs[-1]
    lines = ["| model | weights | fastest that keeps the quality | decode | peak memory | file | quality |"]
    lines += ["|---|---|---|--:|--:|--:|--:|"]
    lines += [_row(newest, group) for group in dict.fromkeys(record.group for record in newest.records)]
    cpu = newest.machine.get("cpu") or {}
    where = ", ".join(
        str(part) for part in (cpu.get("brand_raw"), f"{cpu.get('count')} cores", newest.moment[:10]) if part
    )
    return [
        *[line for line in lines if line],
        "",
        f"Ratios are to transformers in float32 in the same run ({where}; random weights have the model's exact shape "
        f"and no quality). All techniques: `edgeslm bench report bench/results/{newest.path.name}`.",
        "",
    ]


def _row(run: ResultFile, group: str) -> str:
    records = run.of_group(group)
    top = top_of(records)
    if top is None:
        return ""
    base = next((record for record in records if record.speed_ratio == 1), None)
    cells = (
        TITLES.get(group, group),
        top.weights,
        top.technique,
        _with(top.decode_tokens_s, "tokens/s", f"{short(top.speed_ratio)} ×" if top.speed_ratio else ""),
        _with(top.memory_mb, "MB", fraction(top.rss_ratio) if top.rss_ratio else ""),
        _with(top.file_bytes and top.file_bytes / 1e6, "MB"),
        _quality(top, base),
    )
    return f"| {' | '.join(cells)} |"


def _with(value: float | None, unit: str, ratio: str = "") -> str:
    text = f"{short(value)} {unit}" if value else "–"
    return f"{text}, {ratio}" if ratio else text


def _quality(top: Record, base: Record | None) -> str:
    if top.quality_score is None:
        return "–"
    against = f", base {short(base.quality_score)}" if base and base.quality_score is not None else ""
    return f"{short(top.quality_score)}{against}"


def _facts(folder: Path) -> list[str]:
    facts = read_facts(folder)
    lines = [f"- {fact.text()} <!-- {FILE}: {name} -->" for name, fact in facts.items()]
    if not facts:
        return []
    machines = sorted({fact.machine.split(",")[0] for fact in facts.values()})
    dates = sorted({fact.date for fact in facts.values()})
    days = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    source = f"`bench/results/{FILE}` has the command, machine and commit of each."
    return [*lines, "", f"Measured on {' and '.join(machines)}, {days}; {source}"]
