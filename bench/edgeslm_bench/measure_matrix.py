"""Measures the techniques of a group in turns, round by round, and makes a record of each.

What slows the machine down for a while slows all techniques of a round, so ratios to the base are taken round by round.
A profile limits every process; what does not fit it is a record that says so. Refuses to know how files are made.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgeslm.errors import InputError, ModelError
from edgeslm_bench.energy import Sensor
from edgeslm_bench.gate import ASKED, LOAD
from edgeslm_bench.matrix import BASE, Group, Technique
from edgeslm_bench.measure_model import Load, Round, Subject, check_same_tokens, measure_once
from edgeslm_bench.profiles import Profile
from edgeslm_bench.quality import Quality, judge_group
from edgeslm_bench.records import Record
from edgeslm_bench.weights_read import weights_of

Say = Callable[[str], None]
_F32_BYTES = 4


@dataclass(frozen=True)
class Machine:
    """What all measures of a run have in common."""

    threads: int = 2
    read_gb_s: float | None = None
    sensor: Sensor | None = None
    profile: Profile | None = None


@dataclass
class Measured:
    """The rounds of each technique, or why one could not be run; quality where it can be judged."""

    group: Group
    subjects: Mapping[str, Subject]
    rounds: dict[str, list[Round]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    quality: dict[str, Quality] = field(default_factory=dict)
    unjudged: str = ""  # why there is no quality


def load_of(group: Group, machine: Machine) -> Load:
    """The group's load under the profile's context and limits. Raises InputError where the context is too small."""
    threads = min(machine.threads, group.threads)
    load = Load(group.prompt_tokens, group.new_tokens, group.rounds, threads)
    if machine.profile is None:
        return load
    room = machine.profile.context - group.prompt_tokens
    if room < 2:
        raise InputError(
            f"{group.name}: {group.prompt_tokens} tokens of prompt leave no room in {machine.profile.context}",
            hint="take a profile with more context",
        )
    threads = min(threads, machine.profile.usable_threads)
    return replace(
        load, new_tokens=min(load.new_tokens, room), threads=threads, limits=machine.profile.limits
    )  # fmt: skip


def measure_group(
    group: Group, subjects: Mapping[str, Subject], machine: Machine, *, say: Say = lambda text: None
) -> Measured:
    """Measure in turns, every technique in every round. Raises ModelError; under a profile that is a result."""
    load = load_of(group, machine)
    found = Measured(group, subjects, {name: [] for name in subjects})
    for number in range(load.rounds):
        for name, one in subjects.items():
            if name in found.failed:
                continue
            say(f"round {number + 1} of {load.rounds}: {one.name}")
            limited = replace(one, new_tokens=min(one.new_tokens or load.new_tokens, load.new_tokens))
            try:
                found.rounds[name].append(measure_once(limited, load, machine.sensor))
            except (ModelError, TimeoutError) as error:
                if machine.profile is None:
                    raise
                found.failed[name] = getattr(error, "reason", "") or str(error)
    for name, one in subjects.items():
        check_same_tokens(one, found.rounds[name])
    running = {name: one for name, one in subjects.items() if name not in found.failed}
    found.quality, found.unjudged = judge_group(group, running, load.threads, say=say)
    return found


def to_records(found: Measured, machine: Machine) -> list[Record]:
    """One record a technique, in the matrix's order."""
    load = load_of(found.group, machine)
    return [_record(found, technique, load, machine) for technique in found.group.techniques]


def _record(found: Measured, technique: Technique, load: Load, machine: Machine) -> Record:
    group, name = found.group, technique.name
    subject, rounds = found.subjects[name], found.rounds[name]
    notes = [technique.note] if technique.note else []
    if machine.profile:
        notes.append(f"profile {machine.profile.name}, a limit and no claim about a board's speed")
    if not rounds:
        limit = f"{machine.profile.memory_mb} MiB" if machine.profile else "the limits"
        notes.append(f"does not run within {limit}: {found.failed[name]}")
        return Record(
            group.name, name, group.weights, inference_success_pct=0.0, file_bytes=subject.file_bytes,
            read_gb_s=machine.read_gb_s, notes="; ".join(notes),
        )  # fmt: skip
    written = rounds[0].new_tokens
    if written < load.new_tokens:
        notes.append(f"latency for {load.new_tokens} tokens reckoned from {written} written ones")
    if found.unjudged:
        notes.append(found.unjudged)
    decode = statistics.median(one.decode_tokens_s for one in rounds)
    latency = statistics.median(one.latency_s(load.new_tokens) for one in rounds)
    peak = round(statistics.median(one.peak_rss_bytes for one in rounds))
    weights, read = _weights(found, technique)
    record = Record(
        group.name,
        name,
        group.weights,
        latency_ms=latency * 1e3,
        throughput_samples_s=1 / latency,
        memory_mb=peak / 1e6,
        inference_success_pct=100.0,
        load_ms=statistics.median(one.load_s for one in rounds) * 1e3,
        ttft_ms=statistics.median(one.first_token_s for one in rounds) * 1e3,
        prefill_tokens_s=statistics.median(one.prompt_tokens / one.prefill_s for one in rounds),
        decode_tokens_s=decode,
        rss_bytes=peak,
        pss_bytes=_rounded(_median_of([one.pss_bytes for one in rounds])),
        file_bytes=subject.file_bytes,
        parameters=weights,
        energy_j=_median_of([one.energy_j for one in rounds]),
        weights_gb_s=read * decode / 1e9 if read else None,
        read_gb_s=machine.read_gb_s,
        speed_ratio=_ratio(found, name, lambda one: one.decode_tokens_s),
        rss_ratio=_ratio(found, name, lambda one: one.peak_rss_bytes),
        notes="; ".join(notes),
        samples={
            "decode_tokens_s": [one.decode_tokens_s for one in rounds],
            "ttft_ms": [one.first_token_s * 1e3 for one in rounds],
            "load_ms": [one.load_s * 1e3 for one in rounds],
            "rss_bytes": [one.peak_rss_bytes for one in rounds],
            LOAD: [load.prompt_tokens, load.new_tokens, group.questions],
        },
    )
    return _with_quality(record, found)


def _with_quality(record: Record, found: Measured) -> Record:
    """The quality columns. The fp32 base computes what the f16 GGUF does, and is not asked again."""
    is_base = record.technique == BASE
    quality = found.quality.get("base-gguf-f16" if is_base else record.technique)
    if quality is None:
        return record
    notes = [record.notes] if record.notes else []
    notes += ["quality is that of the f16 GGUF, which computes the same"] if is_base else []
    return replace(
        record,
        inference_success_pct=quality.inference_success_pct,
        valid_code_pct=quality.valid_code_pct,
        execution_success_pct=quality.execution_success_pct,
        syntax_errors=quality.syntax_errors,
        quality_score=quality.quality_score,
        samples={**(record.samples or {}), ASKED: [quality.asked]},
        notes="; ".join([*notes, quality.note]),
    )


def _weights(found: Measured, technique: Technique) -> tuple[int | None, int]:
    """Stored parameters, and bytes read a token; those of the fp32 base are reckoned from a GGUF of the same shape."""
    subject = found.subjects[technique.name]
    if not subject.dtype:
        weights = weights_of(subject.path, subject.exit_layer)
        return weights.parameters, weights.bytes_a_token
    same = next((one for name, one in found.subjects.items() if name.startswith("base-gguf")), None)
    if same is None:
        return None, 0
    weights = weights_of(same.path)
    return weights.parameters, weights.numbers_a_token * _F32_BYTES


def _ratio(found: Measured, name: str, measure: Callable[[Round], float]) -> float | None:
    """The median over the rounds of the measure to the base's in the same round."""
    pairs = zip(found.rounds[name], found.rounds.get(BASE, []), strict=False)
    ratios = [measure(one) / measure(base) for one, base in pairs]
    return statistics.median(ratios) if ratios else None


def _median_of(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
