"""From a question to a query: profile the log, link, prompt the model under the grammar, expand the handles.

The model decides what the question means; everything before it only offers, everything after it only writes out.
"""

import re
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from edgeslm.ask.amend import amend
from edgeslm.ask.candidates import Candidates
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.lexicon import content_words
from edgeslm.ask.link import link
from edgeslm.ask.profile import ColumnInfo, Profile, build_profile
from edgeslm.ask.readings import (
    LONGEST_SQL,
    SURE_KEY,
    Reading,
    draw,
    likelier,
    make_prompt,
    other_readings,
    probability,
    read,
)
from edgeslm.ask.sense import nonsense
from edgeslm.ask.times import find_times
from edgeslm.ask.trust import SURE, Doubts
from edgeslm.engine import LoadAhead, Model
from edgeslm.errors import PlanError
from edgeslm.resources import default_model

if TYPE_CHECKING:
    from edgeslm.logs import LogSet

STALE = timedelta(days=1)
_FALLBACK_NOW = datetime(2000, 1, 1)


@dataclass(frozen=True)
class Plan:
    """A question as it was read, and how else it could be read.

    now_source: where the time came from that relative times count back from: "given", "clock", "log end", or ""
    when the question has none. doubts: what its readings' trust is reckoned from, None where the model states no
    threshold; sure: whether the first is to be trusted, as far as is known before its query runs. others: further
    readings, likeliest first, only where the first is less probable than the model's threshold or looks for words that
    the log's sample lacks. unmatched: the words of the question that nothing in the log speaks of.
    """

    reading: Reading
    question: str
    now: datetime | None
    now_source: str
    model_name: str
    sure: bool | None = None
    doubts: Doubts | None = None
    others: tuple[Reading, ...] = ()
    unmatched: tuple[str, ...] = ()
    timing_ms: dict[str, float] = field(default_factory=dict)


def plan_question(
    question: str,
    logs: "LogSet",
    *,
    model_path: Path | None,
    now: datetime | None,
    threads: int | None = None,
    ahead: LoadAhead | None = None,
) -> Plan:
    """Plan one question over opened logs. Raises PlanError where the model writes none, ModelError for a bad model.

    ahead: is loading the model already.
    """
    started = time.perf_counter()
    moment, source = _resolve_now(question, logs, now)
    profile = profile_logs(logs, question)
    candidates = link(question, profile, now=moment)
    linked = time.perf_counter()
    with ahead.take() if ahead else Model(model_path or default_model(), threads=threads) as model:
        loaded = time.perf_counter()
        first = read(*write_sql(model, candidates), candidates)
        least = sure_above(model)
        doubts = None if least is None else _doubts(least, candidates)
        doubtful = least is not None and (first.confidence < least or _guesses(first, candidates))
        others = other_readings(model, first, candidates) if doubtful else []
        first, others = likelier(first, others)
        name = model.name
    done = time.perf_counter()
    relative = any(span.relative for span in candidates.times.values())
    return Plan(
        reading=first,
        question=question,
        now=moment if relative else None,
        now_source=source if relative else "",
        model_name=name,
        sure=None if doubts is None else doubts.trust(first.confidence) >= SURE,
        doubts=doubts,
        others=tuple(others),
        unmatched=candidates.unmatched,
        timing_ms={
            "link": (linked - started) * 1e3,
            "load": (loaded - linked) * 1e3,
            "plan": (done - loaded) * 1e3,
        },
    )


def _doubts(least: float, candidates: Candidates) -> Doubts:
    return Doubts(
        least=least,
        words=len(content_words(candidates.question)),
        unmatched=len(candidates.unmatched),
        guess=any(value.guess for value in candidates.values),
    )


def _guesses(reading: Reading, candidates: Candidates) -> bool:
    """Whether it searches lines for words of the question that nothing in the log's sample spoke of."""
    return any(re.search(rf"LIKE {value.handle}\b", reading.handle_sql) for value in candidates.values if value.guess)


def profile_logs(logs: "LogSet", question: str = "") -> Profile:
    """The profile of opened logs. The true time range is looked up only where the question names a time."""
    columns = [ColumnInfo(column.name, column.kind, column.entity) for column in logs.columns]
    timed = question and find_times(question, now=_FALLBACK_NOW, log_range=(_FALLBACK_NOW, _FALLBACK_NOW))
    return build_profile(logs.sample, columns, time_range=logs.time_range() if timed else None)


def sure_above(model: Model) -> float | None:
    """The probability from which on this model's plans count as sure, as measured when it was made; None if unknown."""
    try:
        return float(model.metadata[SURE_KEY])
    except (KeyError, ValueError):
        return None


def write_sql(model: Model, candidates: Candidates) -> tuple[str, float]:
    """The query over handles that the model writes under the grammar, and the probability it gave it.

    Where that is one that nobody means, the likeliest of some others that somebody may; else it with what it leaves
    unsaid, or it, with no confidence.
    """
    prompt, grammar = make_prompt(model, candidates), build_grammar(candidates)
    done = model.complete(prompt, grammar=grammar, max_tokens=LONGEST_SQL)
    text = done.text.strip()
    if not done.finished or not text.startswith("SELECT"):
        raise PlanError(
            "the model wrote no whole query",
            reason=f"it stopped after {done.completion_tokens} tokens",
            hint="ask in other words, or write the SQL yourself with `edgeslm sql`",
        )
    if nonsense(text, candidates):
        sound = [one for one in draw(model, prompt, grammar) if not nonsense(one[0], candidates)]
        whole = "" if sound else amend(text, candidates)
        if whole and not nonsense(whole, candidates):
            return whole, probability(done.logprobs)
        return max(sound, key=lambda one: one[1], default=(text, 0.0))
    return text, probability(done.logprobs)


def _resolve_now(question: str, logs: "LogSet", now: datetime | None) -> tuple[datetime, str]:
    """What relative times count back from: given, the clock, or the log's end when that is more than a day ago."""
    if now is not None:
        return now, "given"
    clock = datetime.now().replace(microsecond=0)
    if not any(span.relative for span in find_times(question, now=clock, log_range=None)) and not re.search(
        r"\b(?:today|yesterday)\b", question, re.I
    ):
        return clock, "clock"
    span = logs.time_range()
    if span is not None and clock - span[1] > STALE:
        return span[1], "log end"
    return clock, "clock"
