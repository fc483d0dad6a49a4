"""Result files of the suite as `edgeslm bench run` writes them, with invented numbers of a likely size."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgeslm_bench.records import Record

_READ = 20.4
# technique: decode tokens/s, first token ms, peak MB, file MB, weights GB/s, valid %, ran %, right
_TINYLLAMA = {
    "base-transformers-fp32": (3.9, 4100.0, 6633.0, 4400.2, 17.2),
    "base-gguf-f16": (8.1, 1900.0, 2320.0, 2200.6, 17.8),
    "base-gguf-q8_0": (15.2, 1100.0, 1300.0, 1169.9, 17.6),
    "quantized": (25.6, 700.0, 767.9, 636.8, 16.3),
    "pruned": (15.9, 980.0, 1240.0, 1170.1, 17.9),
    "shared": (14.8, 1050.0, 705.0, 655.2, 16.9),
    "early-exit": (30.1, 520.0, 1301.0, 1169.9, 17.3),
    "low-rank": (12.0, 1400.0, 1500.0, 1450.3, 17.1),
    "distilled": (12.9, 1300.0, 1700.0, 1580.0, 17.7),
    "pruned+quantized": (46.4, 420.0, 371.0, 331.2, 15.1),
    "shared+quantized": (18.1, 900.0, 699.0, 655.0, 12.4),
}
_LOG_MODEL = {
    "base-transformers-fp32": (402.1, 61.0, 512.0, 24.4, 9.8, 99.0, 98.4, 0.70),
    "base-gguf-f16": (1402.0, 22.0, 61.0, 12.3, 17.1, 99.0, 98.4, 0.70),
    "base-gguf-q8_0": (2105.0, 15.0, 52.2, 6.6, 13.7, 99.0, 98.4, 0.695),
    "quantized": (2801.0, 14.0, 49.0, 3.9, 9.9, 97.4, 94.8, 0.651),
    "pruned": (2090.0, 15.5, 55.0, 8.9, 17.0, 81.2, 74.0, 0.214),
    "shared": (1610.0, 20.0, 55.9, 7.4, 10.3, 70.8, 51.6, 0.062),
    "low-rank": (1730.0, 19.4, 57.0, 10.1, 16.0, 62.0, 40.1, 0.021),
    "pruned+quantized": (2501.0, 13.7, 50.1, 5.6, 13.1, 93.8, 90.6, 0.458),
}
MACHINE = {
    "node": "board",
    "processor": "x86_64",
    "machine": "x86_64",
    "python_version": "3.11.7",
    "cpu": {"brand_raw": "AMD EPYC 7R13 Processor", "count": 2},
}


def records(*, speed: float = 1.0) -> list[Record]:
    """Records of two groups, one with random weights. speed: changes all but the bases."""
    found = [_record("log-model", "trained", name, row, _LOG_MODEL, 256, speed) for name, row in _LOG_MODEL.items()]
    return found + [
        _record("tinyllama-1.1b", "random", name, row, _TINYLLAMA, 300, speed) for name, row in _TINYLLAMA.items()
    ]


def write_results(
    path: Path,
    entries: Iterable[Record] | None = None,
    *,
    moment: str = "2026-11-22T03:00:00+00:00",
    commit: str = "0123456789abcdef",
    machine: dict[str, Any] | None = None,
) -> Path:
    """A result file of `entries`, by default `records()`."""
    benchmarks = [{"name": one.name, "extra_info": one.to_extra_info()} for one in (entries or records())]
    content = {
        "machine_info": machine or MACHINE,
        "commit_info": {"id": commit, "dirty": False},
        "datetime": moment,
        "benchmarks": benchmarks,
    }
    path.write_text(json.dumps(content))
    return path


def _record(
    group: str, weights: str, name: str, row: tuple[float, ...], rows: dict[str, Any], tokens: int, speed: float
) -> Record:
    base = rows["base-transformers-fp32"]
    speed = 1.0 if name.startswith("base-") else speed
    latency = row[1] / speed + tokens / row[0] / speed * 1e3
    judged = len(row) > 5
    return Record(
        group,
        name,
        weights,
        latency_ms=latency,
        throughput_samples_s=1e3 / latency,
        memory_mb=row[2],
        inference_success_pct=100.0,
        valid_code_pct=row[5] if judged else None,
        execution_success_pct=row[6] if judged else None,
        syntax_errors=round((100 - row[5]) * 1.92) if judged else None,
        quality_score=row[7] if judged else None,
        load_ms=row[3] / 2,
        ttft_ms=row[1] / speed,
        prefill_tokens_s=64e3 / row[1],
        decode_tokens_s=row[0] * speed,
        rss_bytes=round(row[2] * 1e6),
        file_bytes=round(row[3] * 1e6),
        parameters=round(row[3] * 5e5),
        weights_gb_s=row[4],
        read_gb_s=_READ,
        speed_ratio=row[0] * speed / base[0],
        rss_ratio=row[2] / base[2],
        notes="not healed" if "pruned" in name else "",
    )
