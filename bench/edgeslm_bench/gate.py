"""The gate: whether a run lost something against a baseline, judged by ratios to the base model of the same run.

Times of two machines, or of one machine on two days, cannot be compared; how much faster than the fp32 base of the same
rounds a technique is, can. A loss must be larger than a fixed tolerance and than several times the noise, which the
repeated rounds show. Refuses to measure. Invariant: a run compared with itself has no loss.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from edgeslm.errors import InputError
from edgeslm_bench.matrix import BASE
from edgeslm_bench.records import Record, ResultFile

# Shares of the baseline's ratio that may be lost whatever the noise, and at most however noisy it was.
SPEED_TOLERANCE, SPEED_MOST = 0.25, 0.5
RSS_TOLERANCE, RSS_MOST = 0.06, 0.15
BYTES_TOLERANCE = 0.02
QUALITY_TOLERANCE = 0.03  # of 1
_QUESTIONS_TOLERANCE = 2  # answers that may turn with another machine's last digits
LOAD, ASKED = "load", "asked"  # samples that are no rounds
SPEED, MEMORY = "tokens/s to the base's", "peak RSS to the base's"
# Measure -> its title, the tolerances, whether more is better.
_TIMED = {
    "decode_tokens_s": (SPEED, SPEED_TOLERANCE, SPEED_MOST, True),
    "rss_bytes": (MEMORY, RSS_TOLERANCE, RSS_MOST, False),
}
_NOISE_FACTOR = 4.0
_MORE_RUNS = 2  # before a suspected loss is a loss
_TO_SIGMA = 1.4826  # median absolute deviation to standard deviation, for a normal distribution
_QUALITIES = ("quality_score", "valid_code_pct", "execution_success_pct", "inference_success_pct")


@dataclass(frozen=True)
class Loss:
    """What got worse: which measure of what, before and now, and the worst value that would still have passed."""

    group: str
    technique: str
    measure: str
    before: float
    now: float
    allowed: float

    def to_text(self) -> str:
        """One line that names all of it."""
        side = "at least" if self.allowed < self.before else "at most"
        return (
            f"{self.group}, {self.technique}: {self.measure} was {self.before:.4g} and is {self.now:.4g}, "
            f"allowed is {side} {self.allowed:.4g}"
        )


@dataclass(frozen=True)
class Ratio:
    """A measure's ratio to the base: the median over the rounds, and how far that median may be off by chance."""

    value: float
    noise: float


def losses(baseline: ResultFile, result: ResultFile) -> list[Loss]:
    """Everything that got worse, in the baseline's order. Groups that the result does not have are not judged.

    Raises InputError where the two cannot be compared: no group in common, or another load.
    """
    groups = [name for name in dict.fromkeys(one.group for one in baseline.records) if result.of_group(name)]
    if not groups:
        raise InputError(
            "there is nothing to compare",
            reason=f"{baseline.path} and {result.path} have no group in common",
            hint="measure the same groups with `edgeslm bench run`",
        )
    _check_loads(baseline, result, groups)
    found: list[Loss] = []
    for before in baseline.records:
        if before.group in groups:
            now = result.find(before.group, before.technique)
            found += _of_record(baseline, result, before, now) if now else [_gone(before)]
    return found


def ratio(record: Record, base: Record | None, measure: str) -> Ratio | None:
    """The measure's ratio to the base's, round by round where both have rounds; None where it was not measured."""
    if base is None:
        return None
    mine, other = (one.samples or {} for one in (record, base))
    pairs = list(zip(mine.get(measure, []), other.get(measure, []), strict=False))
    values = [one / whole for one, whole in pairs if whole > 0]
    if not values:
        return None
    centre = statistics.median(values)
    spread = _TO_SIGMA * statistics.median(abs(value - centre) for value in values)
    return Ratio(centre, spread / math.sqrt(len(values)))


def pooled(first: ResultFile, again: ResultFile) -> ResultFile:
    """`first` with the rounds of another run of the same tree added: what was noise goes, what is a loss stays."""
    records = []
    for record in first.records:
        other = again.find(record.group, record.technique)
        if other is not None and record.samples and other.samples:
            both = {
                name: values if name in (LOAD, ASKED) else [*values, *other.samples.get(name, [])]
                for name, values in record.samples.items()
            }
            record = replace(record, samples=both)
        records.append(record)
    return replace(first, records=tuple(records))


def confirmed(
    baseline: ResultFile,
    result: ResultFile,
    again: Callable[[tuple[str, ...]], ResultFile],
    *,
    say: Callable[[str], None] = lambda text: None,
) -> list[Loss]:
    """`losses`, but what looks like one is measured again, twice at most, and judged by all rounds together.

    again: runs the suite for the groups named. Noise does not come back in the same place every time; sizes and answers
    are the same every time, so a loss of these alone is not measured again.
    """
    found = losses(baseline, result)
    for _ in range(_MORE_RUNS):
        if not any(one.measure in (SPEED, MEMORY) for one in found):
            break
        for loss in found:
            say(f"suspected, measured again: {loss.to_text()}")
        result = pooled(result, again(tuple(dict.fromkeys(loss.group for loss in found))))
        found = losses(baseline, result)
    return found


def _of_record(baseline: ResultFile, result: ResultFile, before: Record, now: Record) -> Iterator[Loss]:
    if before.technique != BASE:
        yield from _ratio_loss(baseline, result, before, now, "decode_tokens_s")
        yield from _ratio_loss(baseline, result, before, now, "rss_bytes")
    if before.file_bytes and now.file_bytes and now.file_bytes > before.file_bytes * (1 + BYTES_TOLERANCE):
        allowed = before.file_bytes * (1 + BYTES_TOLERANCE)
        yield Loss(now.group, now.technique, "bytes of the file", before.file_bytes, now.file_bytes, allowed)
    for name in _QUALITIES:
        yield from _quality_loss(before, now, name)


def _ratio_loss(baseline: ResultFile, result: ResultFile, before: Record, now: Record, measure: str) -> Iterator[Loss]:
    title, least, most, more_is_better = _TIMED[measure]
    old = ratio(before, baseline.find(before.group, BASE), measure)
    new = ratio(now, result.find(now.group, BASE), measure)
    if old is None:
        return
    if new is None:
        yield Loss(now.group, now.technique, f"{title} (not measured any more)", old.value, math.nan, old.value)
        return
    noise = [
        max(one.noise / one.value, usual_noise(file, now.group, measure))
        for one, file in ((old, baseline), (new, result))
    ]
    tolerance = min(most, max(least, _NOISE_FACTOR * math.hypot(*noise)))
    allowed = old.value * (1 - tolerance if more_is_better else 1 + tolerance)
    if (new.value < allowed) if more_is_better else (new.value > allowed):
        yield Loss(now.group, now.technique, title, old.value, new.value, allowed)


def usual_noise(file: ResultFile, group: str, measure: str) -> float:
    """How far a ratio of the group may be off by chance, as a share of it: the median over its techniques.

    A few rounds of one technique may agree by chance; those of all techniques hardly do.
    """
    base = file.find(group, BASE)
    ratios = [ratio(one, base, measure) for one in file.of_group(group) if one.technique != BASE]
    return statistics.median([one.noise / one.value for one in ratios if one] or [0.0])


def _quality_loss(before: Record, now: Record, name: str) -> Iterator[Loss]:
    old, new = getattr(before, name), getattr(now, name)
    if old is None:
        return
    if new is None:
        yield Loss(now.group, now.technique, f"{name} (not measured any more)", old, math.nan, old)
        return
    scale = 100 if name.endswith("_pct") else 1
    asked = (before.samples or {}).get(ASKED, [])
    chance = _QUESTIONS_TOLERANCE / asked[0] if asked else 0.0
    allowed = old - scale * max(QUALITY_TOLERANCE, chance)
    if new < allowed:
        yield Loss(now.group, now.technique, name, old, new, allowed)


def _gone(before: Record) -> Loss:
    return Loss(before.group, before.technique, "not measured any more", 1, 0, 1)


def _load(record: Record) -> Sequence[float]:
    return (record.samples or {}).get(LOAD, [])


def _check_loads(baseline: ResultFile, result: ResultFile, groups: Sequence[str]) -> None:
    wrong = []
    for group in groups:
        loads = [{tuple(_load(one)) for one in file.of_group(group)} for file in (baseline, result)]
        if loads[0] != loads[1]:
            wrong.append(group)
    if wrong:
        raise InputError(
            "the runs had other loads",
            reason=f"prompt, tokens or questions differ for {', '.join(wrong)}",
            hint="measure both with the same matrix, and both or neither with --quick",
        )
