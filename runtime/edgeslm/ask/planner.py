"""From a question to a query: profile the log, link, prompt the model under the grammar, expand the handles.

The model decides what the question means; everything before it only offers, everything after it only writes out.
"""

import math
import re
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from edgeslm.ask.candidates import Candidates
from edgeslm.ask.expand import expand
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.link import link
from edgeslm.ask.profile import ColumnInfo, Profile, build_profile
from edgeslm.ask.prompt import FINETUNE_NAME, chat_prompt, compact_prompt
from edgeslm.ask.times import find_times
from edgeslm.engine import Model
from edgeslm.errors import PlanError
from edgeslm.resources import default_model

if TYPE_CHECKING:
    from edgeslm.logs import LogSet

STALE = timedelta(days=1)
_LONGEST_SQL = 200
_FALLBACK_NOW = datetime(2000, 1, 1)
_WHERE = re.compile(r" WHERE (.+?)(?= GROUP BY | ORDER BY | LIMIT | HAVING |\)$|$)")
_FILTERS = re.compile(r"FILTER \(WHERE (.+?)\)(?: /|\) -|\)| FROM|$)")


@dataclass(frozen=True)
class Plan:
    """A query for a question, and how sure the model was: confidence is the probability of the SQL's text, 0 to 1.

    now_source: where the time came from that relative times count back from: "given", "clock", "log end", or "" when
    the question has none. evidence_where: the condition of lines that prove the answer; None for any line.
    """

    sql: str
    handle_sql: str
    question: str
    now: datetime | None
    now_source: str
    confidence: float
    model_name: str
    evidence_where: str | None
    subject: str
    timing_ms: dict[str, float] = field(default_factory=dict)


def plan_question(
    question: str, logs: "LogSet", *, model_path: Path | None, now: datetime | None, threads: int | None = None
) -> Plan:
    """Plan one question over opened logs. Raises PlanError where the model writes none, ModelError for a bad model."""
    started = time.perf_counter()
    moment, source = _resolve_now(question, logs, now)
    profile = profile_logs(logs, question)
    candidates = link(question, profile, now=moment)
    linked = time.perf_counter()
    with Model(model_path or default_model(), threads=threads) as model:
        loaded = time.perf_counter()
        handle_sql, confidence = write_sql(model, candidates)
        name = model.name
    done = time.perf_counter()
    relative = any(span.relative for span in candidates.times.values())
    return Plan(
        sql=expand(handle_sql, candidates),
        handle_sql=handle_sql,
        question=question,
        now=moment if relative else None,
        now_source=source if relative else "",
        confidence=confidence,
        model_name=name,
        evidence_where=_evidence(handle_sql, candidates),
        subject=_subject(handle_sql, candidates),
        timing_ms={
            "link": (linked - started) * 1e3,
            "load": (loaded - linked) * 1e3,
            "plan": (done - loaded) * 1e3,
        },
    )


def profile_logs(logs: "LogSet", question: str = "") -> Profile:
    """The profile of opened logs. The true time range is looked up only where the question names a time."""
    columns = [ColumnInfo(column.name, column.kind, column.entity) for column in logs.columns]
    timed = question and find_times(question, now=_FALLBACK_NOW, log_range=(_FALLBACK_NOW, _FALLBACK_NOW))
    return build_profile(logs.sample, columns, time_range=logs.time_range() if timed else None)


def write_sql(model: Model, candidates: Candidates) -> tuple[str, float]:
    """The query over handles that the model writes under the grammar, and the probability it gave it."""
    if model.metadata.get("general.finetune") == FINETUNE_NAME:
        prompt = compact_prompt(candidates)
    else:
        prompt = model.chat_prompt(*chat_prompt(candidates))
    done = model.complete(prompt, grammar=build_grammar(candidates), max_tokens=_LONGEST_SQL)
    text = done.text.strip()
    if not done.finished or not text.startswith("SELECT"):
        raise PlanError(
            "the model wrote no whole query",
            reason=f"it stopped after {done.completion_tokens} tokens",
            hint="ask in other words, or write the SQL yourself with `edgeslm sql`",
        )
    return text, math.exp(min(0.0, sum(done.logprobs)))


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


def _evidence(handle_sql: str, candidates: Candidates) -> str | None:
    """The condition that the lines behind a result meet, written out; None where every line counts."""
    filters = _FILTERS.findall(handle_sql)
    where = _WHERE.search(re.sub(r"FILTER \(WHERE .+?\)(?= /|\) -|\) FROM| FROM)", "", handle_sql))
    parts = []
    if filters:
        parts.append("(" + " OR ".join(f"({one})" for one in filters) + ")")
    if where:
        parts.append(where[1])
    return expand(" AND ".join(parts), candidates) if parts else None


def _subject(handle_sql: str, candidates: Candidates) -> str:
    """What the matching lines are, for the answer's sentence: `ERROR lines from sshd with 'Failed password'`."""
    filters = re.search(r"100\.0 \* count\(\*\) FILTER \(WHERE (.+?)\) /", handle_sql)
    where = filters or _WHERE.search(handle_sql)
    if not where or " OR " in where[1]:
        return ""
    before, after = "", []
    for condition in where[1].split(" AND "):
        words = condition.split(" ")
        handle = words[-1]
        if condition.startswith("message ") and handle in {shape.handle for shape in candidates.shapes}:
            text = " … ".join(candidates.shape(handle).fragment.pieces)
            after.append(f"{'without' if 'NOT' in words else 'with'} '{text}'")
        elif condition.startswith("line "):
            after.append(f"{'without' if 'NOT' in words else 'with'} '{candidates.value(handle).text}'")
        elif words[0] == "level" and words[1] == "=":
            before = f"{candidates.value(handle).columns['level']} "
        elif handle.startswith("V") and words[0] in ("app", "component", "ip", "host") and words[1] == "=":
            after.append(f"{'on' if words[0] == 'host' else 'from'} {candidates.value(handle).columns[words[0]]}")
        elif handle.startswith("V") and not words[0].startswith("A"):
            after.append(f"with {words[0]} {words[1]} {candidates.value(handle).columns.get(words[0], '')}")
        elif handle.startswith("T"):
            text = candidates.times[handle].text
            after.append(f"in {text}" if text[0].isdigit() else text)
        elif condition.endswith("IS NOT NULL"):
            continue
        else:
            return ""
    return f"{before}lines {' '.join(after)}".strip()
