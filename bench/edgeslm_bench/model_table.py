"""The table of `measure-model`, as Markdown and as JSON, with every number's ratio to the base. Refuses to measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edgeslm_bench.measure_model import Load, ModelMeasure

_HEAD = ("model", "runtime", "file MB", "load s", "first token s", "prefill tok/s", "decode tok/s", "peak RSS MB")
_RATIOS = ("decode, ratio", "RSS, ratio")


def to_markdown(measures: Sequence[ModelMeasure]) -> str:
    """One row a model; ratios are to the first. Text left, numbers right."""
    base = measures[0]
    lines = [(*_HEAD, *_RATIOS), ("---", "---", *["--:"] * (len(_HEAD) + len(_RATIOS) - 2))]
    for one in measures:
        lines.append(
            (
                one.name,
                one.runtime,
                f"{one.file_bytes / 1e6:,.1f}",
                f"{one.load_s:.2f}",
                f"{one.first_token_s:.3f}",
                f"{one.prefill_tokens_s:,.1f}",
                f"{one.decode_tokens_s:,.1f}",
                f"{one.peak_rss_mb:,.0f}",
                f"{speed_ratio(one, base):.2f} x",
                f"1/{memory_ratio(one, base):.2f}",
            )
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def speed_ratio(one: ModelMeasure, base: ModelMeasure) -> float:
    """How many times as fast as the base it decodes."""
    return one.decode_tokens_s / base.decode_tokens_s


def memory_ratio(one: ModelMeasure, base: ModelMeasure) -> float:
    """How many of its peaks fit in the base's."""
    return base.peak_rss_mb / one.peak_rss_mb


def to_json(measures: Sequence[ModelMeasure], load: Load, machine: str) -> dict[str, Any]:
    """Everything that was measured, and on what."""
    base = measures[0]
    rows = [
        {**asdict(one), "speed_ratio": speed_ratio(one, base), "memory_ratio": memory_ratio(one, base)}
        for one in measures
    ]
    done = {name: value for name, value in asdict(load).items() if name != "limits"}
    return {"machine": machine, "load": done, "base": base.name, "models": rows}
