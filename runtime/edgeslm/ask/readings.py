"""A reading of a question: one query the model may have meant, in SQL and in words, and how sure the model was of it.

The model's first reading is answered; where it was not sure, others that it also thought of can be shown. This module
writes out and names what a query over handles says; it refuses to judge which reading is right.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeslm.ask.candidates import Candidates
from edgeslm.ask.conditions import filters, where
from edgeslm.ask.expand import expand
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.prompt import FINETUNE_NAME, chat_prompt, compact_prompt
from edgeslm.ask.sense import nonsense
from edgeslm.engine import Model

SURE_KEY = "edgeslm.planner.sure_above"  # GGUF metadata: a plan of at least this probability counts as sure
LONGEST_SQL = 200  # tokens
MOST_READINGS = 3  # shown to a person
_DRAWS, _TEMPERATURE = 8, 1.0
_LOST = 0.02  # a first reading below this probability is where the grammar led, not what the model meant
_RIVAL = 0.75  # of the first reading's probability: from there on another may take the place of an answer of 0
_FORMS = [  # what a query asks for, by its form; {0} is its first column, {1} its second
    (r"SELECT count\(\*\) FROM", "the number of {subject}"),
    (r"SELECT count\(DISTINCT (\w+)\)", "the number of different {0} in {subject}"),
    (r"SELECT DISTINCT (\w+) FROM", "each different {0} in {subject}"),
    (r"SELECT line_no, line .*ORDER BY ts DESC", "to see the last of {subject}"),
    (r"SELECT line_no, line .*ORDER BY ts", "to see the first of {subject}"),
    (r"SELECT line_no, line", "to see {subject}"),
    (r"SELECT min\(ts\)", "the time of the first of {subject}"),
    (r"SELECT max\(ts\)", "the time of the last of {subject}"),
    (r"SELECT (\w+), count\(DISTINCT (\w+)\)", "each {0} with its number of different {1} in {subject}"),
    (r"SELECT (\w+), count\(\*\)", "each {0} with its number of {subject}"),
    (r"SELECT date_trunc\('(\w+)', ts\) AS \w+, (\w+)\((A\d+|\w+)\) AS value", "the {1} of {2} per {0} in {subject}"),
    (r"SELECT ts, (\w+) FROM .*DESC", "the time of the highest {0} in {subject}"),
    (r"SELECT ts, (\w+) FROM", "the time of the lowest {0} in {subject}"),
    (r"SELECT date_trunc\('(\w+)'", "{subject} per {0}"),
    (r"SELECT (avg|max|min|sum|median)\((\w+)\)", "the {0} of {1} in {subject}"),
    (r"SELECT (\w+), (?:avg|max|min|sum|median)\((\w+)\)", "each {0} with its {1} in {subject}"),
    (r"SELECT (\w+), (\w+) FROM", "{0} and {1} of {subject}, ordered by {1}"),
    (r"SELECT (\w+) FROM .*ORDER BY ts DESC", "the last {0} in {subject}"),
    (r"SELECT (\w+) FROM", "the first {0} in {subject}"),
    (r"SELECT 100\.0", "the share of {subject}, in percent"),
    (r"SELECT max\(gap\)", "the longest time without {subject}"),
    (r"SELECT epoch\(max", "the time from the first to the last of {subject}"),
    (r"SELECT epoch\(min", "the time between two events in {subject}"),
]  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """One query: its SQL, how sure the model was (the probability of its text, 0 to 1), and what it asks in words.

    evidence_where: the condition of lines that prove an answer; None for any line. subject: the lines it is about.
    """

    sql: str
    handle_sql: str
    confidence: float
    evidence_where: str | None
    subject: str
    words: str


def read(handle_sql: str, confidence: float, candidates: Candidates) -> Reading:
    """A query over handles, written out."""
    return Reading(
        sql=expand(handle_sql, candidates),
        handle_sql=handle_sql,
        confidence=confidence,
        evidence_where=_evidence(handle_sql, candidates),
        subject=_subject(handle_sql, candidates),
        words=_words(handle_sql, candidates),
    )


def probability(logprobs: list[float]) -> float:
    """How likely a text was to the model: the product of its tokens' probabilities."""
    return math.exp(min(0.0, sum(logprobs)))


def make_prompt(model: Model, candidates: Candidates) -> str:
    """The compact prompt for a model that was trained on it, the chat prompt for any other."""
    if model.metadata.get("general.finetune") == FINETUNE_NAME:
        return compact_prompt(candidates)
    return model.chat_prompt(*chat_prompt(candidates))


def other_readings(model: Model, first: Reading, candidates: Candidates) -> list[Reading]:
    """What else the model may have meant, likeliest first: drawn with fixed seeds, each query once, without `first`."""
    prompt, grammar = make_prompt(model, candidates), build_grammar(candidates)
    drawn = {text: sure for text, sure in draw(model, prompt, grammar) if text != first.handle_sql}
    likely = sorted(drawn.items(), key=lambda one: -one[1])
    others = [read(text, sure, candidates) for text, sure in likely if not nonsense(text, candidates)]
    unlike = {one.sql: one for one in reversed(others) if one.sql != first.sql}
    return sorted(unlike.values(), key=lambda one: -one.confidence)


def likelier(first: Reading, others: list[Reading]) -> tuple[Reading, list[Reading]]:
    """The reading to answer and the rest: the first, or the likeliest drawn where the model thinks nothing of that.

    Under a grammar the likeliest next word may lead where nothing likely is left.
    """
    if others and first.confidence < _LOST and others[0].confidence > first.confidence:
        return others[0], [first, *others[1:]]
    return first, others


def second_round(first: Reading, others: Sequence[Reading], *, none: bool) -> list[Reading]:
    """The readings to try in turn where the first one found nothing; the first of them that finds something answers.

    none: it found no value at all rather than the number 0, which is a fair answer to "how many". People seldom ask for
    what no line can hold, so then any reading that finds something is better.
    """
    return [one for one in others if none or one.confidence >= _RIVAL * first.confidence]


def draw(model: Model, prompt: str, grammar: str) -> Iterator[tuple[str, float]]:
    """Queries drawn with fixed seeds, some of them the same, and the probability of each."""
    for seed in range(_DRAWS):
        done = model.complete(
            prompt, grammar=grammar, max_tokens=LONGEST_SQL, temperature=_TEMPERATURE, seed=seed, reuse_prefix=True
        )
        if done.finished and done.text.strip().startswith("SELECT"):
            yield done.text.strip(), probability(done.logprobs)


def _words(handle_sql: str, candidates: Candidates) -> str:
    """What a query asks, in a few words of plain English; its SQL over handles where the form is not known."""
    subject = _subject(handle_sql, candidates) or ("the matching lines" if " WHERE " in handle_sql else "all lines")
    for pattern, text in _FORMS:
        if found := re.match(pattern, handle_sql):
            named = [_column(name, candidates) for name in found.groups()]
            return text.format(*named, subject=subject) + _often(handle_sql, candidates)
    return handle_sql


def _often(handle_sql: str, candidates: Candidates) -> str:
    """What a HAVING says of the numbers of groups; "" without one."""
    found = re.search(r" HAVING count\(\*\) ([=>]) (\w+)", handle_sql)
    if not found:
        return ""
    return f", where that is {'more than ' if found[1] == '>' else ''}{candidates.numbers.get(found[2], found[2])}"


def _column(name: str, candidates: Candidates) -> str:
    return candidates.slot(name).name if re.fullmatch(r"A\d+", name) else name


def _evidence(handle_sql: str, candidates: Candidates) -> str | None:
    """The condition that the lines behind a result meet, written out; None where every line counts."""
    events = " OR ".join(f"({one})" for one in filters(handle_sql))
    parts = [part for part in (f"({events})" if events else "", where(handle_sql)) if part]
    return expand(" AND ".join(parts), candidates) if parts else None


def _subject(handle_sql: str, candidates: Candidates) -> str:
    """What the matching lines are, for the answer's sentence: `ERROR lines from sshd with 'Failed password'`."""
    shared = filters(handle_sql) if handle_sql.startswith("SELECT 100.0") else []
    conditions = shared[0] if shared else where(handle_sql)
    if not conditions or " OR " in conditions:
        return ""
    before, after = "", []
    for condition in conditions.split(" AND "):
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
