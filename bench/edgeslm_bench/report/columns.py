"""The report's columns: what they are called, how a record's number is written, and which way is better.

The first eight are the reference study's, in its order. None is written as a dash: it was not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeslm_bench.records import Record

DASH = "–"
_MB = 1e6


@dataclass(frozen=True)
class Column:
    """value: from a record, None where it was not measured. better: 1 more, -1 less, 0 neither."""

    head: str
    value: Callable[[Record], float | None]
    better: int = 0
    exact: bool = False  # a count, written whole

    def text(self, record: Record) -> str:
        """How the table writes it."""
        value = self.value(record)
        if value is None:
            return DASH
        return f"{value:,.0f}" if self.exact else short(value)


def short(value: float) -> str:
    """A number in three digits: 12,346 - 123 - 12.3 - 0.0563; whole hundreds and more keep all of theirs."""
    if value == 0:
        return "0"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def study_columns(group: str) -> tuple[Column, ...]:
    """The reference study's columns; a log model's code is SQL."""
    code = "SQL" if group == "log-model" else "code"
    return (
        Column("latency (ms)", lambda one: one.latency_ms, -1),
        Column("throughput (samples/s)", lambda one: one.throughput_samples_s, 1),
        Column("memory (MB)", lambda one: one.memory_mb, -1),
        Column("inference success (%)", lambda one: one.inference_success_pct, 1),
        Column(f"valid {code} (%)", lambda one: one.valid_code_pct, 1),
        Column("execution success (%)", lambda one: one.execution_success_pct, 1),
        Column("syntax errors", lambda one: one.syntax_errors, -1, exact=True),
        Column("quality score (0 to 1)", lambda one: one.quality_score, 1),
    )


OUR_COLUMNS = (
    Column("decode, ratio to base", lambda one: one.speed_ratio, 1),
    Column("memory, ratio to base", lambda one: one.rss_ratio, -1),
    Column("file (MB)", lambda one: _scaled(one.file_bytes, _MB), -1),
    Column("parameters (M)", lambda one: _scaled(one.parameters, 1e6), -1),
    Column("load (ms)", lambda one: one.load_ms, -1),
    Column("first token (ms)", lambda one: one.ttft_ms, -1),
    Column("prefill (tokens/s)", lambda one: one.prefill_tokens_s, 1),
    Column("decode (tokens/s)", lambda one: one.decode_tokens_s, 1),
    Column("weights read (GB/s)", lambda one: one.weights_gb_s),
    Column("of the memory's speed (%)", lambda one: share_of_limit(one), 1),
    Column("peak RSS (MB)", lambda one: _scaled(one.rss_bytes, _MB), -1),
    Column("peak PSS (MB)", lambda one: _scaled(one.pss_bytes, _MB), -1),
    Column("energy (J)", lambda one: one.energy_j, -1),
)


def share_of_limit(record: Record) -> float | None:
    """How much of the memory's measured read speed decoding reaches, in percent."""
    if record.weights_gb_s is None or not record.read_gb_s:
        return None
    return 100 * record.weights_gb_s / record.read_gb_s


def measured(columns: Sequence[Column], records: Sequence[Record]) -> tuple[list[Column], list[str]]:
    """The columns that any record has a number for, and the heads of the others."""
    known = [column for column in columns if any(column.value(record) is not None for record in records)]
    return known, [column.head for column in columns if column not in known]


def best(column: Column, records: Sequence[Record]) -> float | None:
    """The best number of the column, where there is a better and any two differ."""
    values = [value for record in records if (value := column.value(record)) is not None]
    if not column.better or len(set(values)) < 2:
        return None
    return max(values) if column.better > 0 else min(values)


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit
