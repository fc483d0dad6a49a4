"""What is written when modes of decoding are compared: queries, summaries that quote a log, prose, a model's own text.

Summary and prose are written here, by rule and by hand, as a model might; the queries are those that the planner that
ships writes for questions about the same log. Refuses to measure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

QUESTIONS = (
    "how many failed passwords were there",
    "top 3 addresses with failed passwords",
    "which users logged in",
    "when was the last accepted password",
    "lines per hour",
)
PROSE = """The harbour had been quiet since the ferries stopped in autumn, and nobody in the town thought much about
the sea until the first storm broke the old mole. After that people began to walk down in the evening to see what the
waves had carried away. A carpenter measured the gap with a knotted rope. Two sisters who kept the bakery brought bread
for whoever was working there, and by December a rough wall of boulders stood where the stones had been. It would hold,
the carpenter said, for as long as anyone remembered why it was needed."""


@dataclass(frozen=True)
class Workload:
    """A prompt and the text that is written after it. text None: whatever the model writes, `tokens` of it.

    grammar: the text is written under it, by the engine's `complete`; else by `edgeslm generate`.
    """

    name: str
    prompt: str
    text: str | None = None
    grammar: str | None = None
    tokens: int = 128


def own_text(prompt: str, tokens: int) -> Workload:
    """What the model itself writes: on random weights a text that soon repeats itself."""
    return Workload("own text", prompt, tokens=tokens)


def prose() -> Workload:
    """Text that repeats nothing, after a prompt that says nothing of it."""
    return Workload("prose", "Write a short story about a town by the sea.\n\n", PROSE)


def summary(log: Path, lines: int) -> Workload:
    """A summary of the first `lines` lines of a log that quotes one line for each program."""
    read = log.read_text("utf-8", "replace").splitlines()[:lines]
    return Workload(
        "log summary", "\n".join(["Log:", *read, "", "Summarise the log, with evidence.", ""]), _summarise(read)
    )


def _summarise(lines: Sequence[str]) -> str:
    """How many lines there are of each kind (the first words of the message), and the last one of each as evidence."""
    kinds: Counter[str] = Counter()
    last: dict[str, str] = {}
    for line in lines:
        message = line.split(": ", 1)[-1]
        kind = " ".join(message.split()[:2])
        kinds[kind] += 1
        last[kind] = line
    parts = [f"The log has {len(lines)} lines, from {lines[0][:15]} to {lines[-1][:15]}."]
    parts += [
        f'{count} {"line says" if count == 1 else "lines say"} "{kind}", the last one:\n  {last[kind]}'
        for kind, count in kinds.most_common(4)
    ]
    return "\n".join(parts)


def queries(log: Path, questions: Sequence[str] = QUESTIONS) -> list[Workload]:
    """The query that the planner that ships writes for each question, after the prompt that a general model gets."""
    from edgeslm.ask.grammar import build_grammar
    from edgeslm.ask.link import link
    from edgeslm.ask.planner import profile_logs, write_sql
    from edgeslm.ask.prompt import chat_prompt
    from edgeslm.engine import Model
    from edgeslm.logs import open_logs
    from edgeslm.resources import default_model

    found = []
    logs = open_logs([log])
    with Model(default_model()) as planner:
        for question in questions:
            candidates = link(question, profile_logs(logs, question), now=datetime(2000, 1, 1))
            text, _ = write_sql(planner, candidates)
            prompt = "\n\n".join(chat_prompt(candidates)) + "\n"
            found.append(Workload(f"SQL: {question}", prompt, text, build_grammar(candidates)))
    return found
