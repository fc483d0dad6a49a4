"""One measured technique of one group: the record that the suite writes and that gate and report read.

A record is the `extra_info` of a pytest-benchmark entry, so a result file is pytest-benchmark's own JSON. None means
"not measured here", never zero. Refuses to measure, to judge and to draw.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError

GROUPS = ("tinyllama-1.1b", "tiny_starcoder_py", "log-model", "code-model")
WEIGHTS = ("random", "trained")
BASES = ("base-transformers-fp32", "base-gguf-f16", "base-gguf-q8_0")
TECHNIQUES = (*BASES, "pruned", "shared", "early-exit", "low-rank", "distilled", "quantized")
# Only what is measured: names of techniques joined with "+" are combinations.
JOIN = "+"


@dataclass(frozen=True)
class Record:
    """What was measured of one technique of one group in one run.

    The first eight numbers are the reference study's columns. Ratios are to the base of the same group in the same
    run: speed_ratio in decoded tokens/s (more is better), rss_ratio in peak resident bytes (less is better).
    samples: the same measure in each round, for who wants to know its spread.
    """

    group: str
    technique: str
    weights: str
    latency_ms: float | None = None
    throughput_samples_s: float | None = None
    memory_mb: float | None = None
    inference_success_pct: float | None = None
    valid_code_pct: float | None = None
    execution_success_pct: float | None = None
    syntax_errors: int | None = None
    quality_score: float | None = None
    load_ms: float | None = None
    ttft_ms: float | None = None
    prefill_tokens_s: float | None = None
    decode_tokens_s: float | None = None
    rss_bytes: int | None = None
    pss_bytes: int | None = None
    file_bytes: int | None = None
    parameters: int | None = None
    energy_j: float | None = None
    weights_gb_s: float | None = None
    read_gb_s: float | None = None
    speed_ratio: float | None = None
    rss_ratio: float | None = None
    notes: str = ""
    samples: dict[str, list[float]] | None = None

    @property
    def name(self) -> str:
        """Group and technique, as tables and errors name it."""
        return f"{self.group} {self.technique}"

    @property
    def is_base(self) -> bool:
        """Whether it is one of the models that others are compared with."""
        return self.technique in BASES

    def problems(self) -> list[str]:
        """What is wrong with it, one sentence each; nothing for a sound record."""
        found = []
        if self.group not in GROUPS:
            found.append(f"group {self.group!r} is none of {', '.join(GROUPS)}")
        parts = self.technique.split(JOIN) if isinstance(self.technique, str) else [""]
        if unknown := [part for part in parts if part not in TECHNIQUES]:
            found.append(f"technique {', '.join(map(repr, unknown))} is none of {', '.join(TECHNIQUES)}")
        if self.weights not in WEIGHTS:
            found.append(f"weights {self.weights!r} is none of {', '.join(WEIGHTS)}")
        for field in fields(self):
            if field.name not in _TEXTS and field.name != "samples":
                found += _number_problems(field.name, getattr(self, field.name))
        if self.samples is not None and not _are_samples(self.samples):
            found.append("samples is not a table of lists of numbers")
        return found

    def to_extra_info(self) -> dict[str, Any]:
        """For pytest-benchmark's `extra_info`."""
        return asdict(self)

    @classmethod
    def from_extra_info(cls, info: Mapping[str, Any]) -> Record:
        """The record in an `extra_info`. Raises InputError that lists all that is wrong with it."""
        if missing := [name for name in _TEXTS[:3] if name not in info]:
            raise InputError("not a record of the benchmark suite", reason=f"it lacks {', '.join(missing)}")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(info) - known):
            raise InputError("not a record of the benchmark suite", reason=f"it has unknown {', '.join(unknown)}")
        record = cls(**dict(info))
        if found := record.problems():
            raise InputError(f"the record {record.name} is not sound", reason="; ".join(found))
        return record


_TEXTS = ("group", "technique", "weights", "notes")


@dataclass(frozen=True)
class ResultFile:
    """A run: its records, and the machine and commit as pytest-benchmark describes them."""

    path: Path
    records: tuple[Record, ...]
    machine: dict[str, Any]
    commit: dict[str, Any]
    moment: str

    def of_group(self, group: str) -> list[Record]:
        """The records of one group, in the run's order."""
        return [record for record in self.records if record.group == group]

    def find(self, group: str, technique: str) -> Record | None:
        """The record of that name, if the run has it."""
        return next((one for one in self.records if (one.group, one.technique) == (group, technique)), None)


def read_results(path: Path) -> ResultFile:
    """Read a result file. Entries without `extra_info` of a record are skipped: other benchmarks may stand beside.

    Raises InputError for a file that cannot be read, is no pytest-benchmark JSON, holds no record, a record twice, or
    records that are not sound (all of them are named).
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = [entry["extra_info"] for entry in content["benchmarks"]]
        machine, commit = dict(content["machine_info"]), dict(content["commit_info"])
        moment = str(content["datetime"])
    except OSError as error:
        raise InputError(f"cannot read {path}", reason=error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a result of the benchmark suite",
            reason=f"{type(error).__name__}: {error}",
            hint="`edgeslm bench run --out FILE` writes one",
        ) from error
    records, wrong = [], []
    for info in entries:
        if not isinstance(info, dict) or "technique" not in info:
            continue
        try:
            records.append(Record.from_extra_info(info))
        except InputError as error:
            wrong.append(f"{error} ({error.reason})")
    names = [record.name for record in records]
    wrong += [f"{name} is there twice" for name in sorted({name for name in names if names.count(name) > 1})]
    if wrong:
        raise InputError(f"{path} holds records that cannot be used", reason="; ".join(wrong))
    if not records:
        raise InputError(f"{path} holds no record of the suite", hint="`edgeslm bench run --out FILE` writes them")
    return ResultFile(path, tuple(records), machine, commit, moment)


def _number_problems(name: str, value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [f"{name} is no number: {value!r}"]
    if not math.isfinite(value) or value < 0:
        return [f"{name} is {value}"]
    if name.endswith("_pct") and value > 100:
        return [f"{name} is over 100: {value}"]
    return []


def _are_samples(samples: object) -> bool:
    return isinstance(samples, dict) and all(
        isinstance(values, list) and not any(_number_problems(name, value) or value is None for value in values)
        for name, values in samples.items()
    )
