"""Quantized files beside their reference, as a Markdown table. Refuses to measure anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeslm_convert.quantize.divergence import Divergence, Perplexity
from edgeslm_convert.quantize.ggml import read_tensors

_HEAD = ("file", "bytes", "bits a weight", "perplexity", "perplexity, ratio", "mean KL", "max KL", "top-1")
_ENCODER_HEAD = ("file", "bytes", "bits a weight", "mean 1 - cosine", "largest 1 - cosine")


@dataclass(frozen=True)
class Row:
    """One file of the table."""

    name: str
    file_bytes: int
    bits_per_weight: float
    divergence: Divergence | None  # None for the reference itself
    perplexity: Perplexity | None


def file_row(path: Path, measured: Divergence | None, perplexity: Perplexity | None, name: str = "") -> Row:
    """The row of the GGUF at `path`; `measured` is None for the reference."""
    table = read_tensors(path)
    bits = 8 * sum(tensor.bytes_as(tensor.type) for tensor in table.tensors) / table.weights
    return Row(name or path.name, path.stat().st_size, bits, measured, perplexity)


def to_markdown(rows: Sequence[Row]) -> str:
    """One row a file. The name left, numbers right."""
    encoder = all(row.perplexity is None for row in rows)
    base = next((row.perplexity for row in rows if row.divergence is None), None)
    cells = [_encoder_cells(row) if encoder else _cells(row, base) for row in rows]
    head = _ENCODER_HEAD if encoder else _HEAD
    lines = [head, ("---", *["--:"] * (len(head) - 1)), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row, base: Perplexity | None) -> tuple[str, ...]:
    ratio = f"{row.perplexity.value / base.value:.3f}" if row.perplexity and base else ""
    found = row.divergence
    measured = (f"{found.mean_kl:.3g}", f"{found.max_kl:.3g}", f"{found.top1:.2%}") if found else ("", "", "")
    return (*_file_cells(row), row.perplexity.to_text() if row.perplexity else "", ratio, *measured)


def _encoder_cells(row: Row) -> tuple[str, ...]:
    found = row.divergence
    return (*_file_cells(row), *((f"{found.mean_kl:.3g}", f"{found.max_kl:.3g}") if found else ("", "")))


def _file_cells(row: Row) -> tuple[str, str, str]:
    return row.name, f"{row.file_bytes:,}", f"{row.bits_per_weight:.2f}"
