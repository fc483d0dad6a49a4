"""A question and a simulated log become a training pair: the prompt that linking really makes, and SQL over handles.

A pair is dropped where linking does not offer what the query needs, or offers it in a way that teaches a wrong reading.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import duckdb

from edgeslm.ask.expand import expand
from edgeslm.ask.grammar import may_be_text
from edgeslm.ask.link import Candidates, ShapeHandle, link
from edgeslm.ask.profile import ColumnInfo, Profile, build_profile
from edgeslm.ask.prompt import compact_prompt
from edgeslm.ask.sense import nonsense
from edgeslm_convert.logmodel.questions import Asker, Cond, Question, Ref
from edgeslm_convert.logmodel.simulate import Log, simulate
from edgeslm_convert.logmodel.table import is_empty, open_table, rows_of

ENTITY_COLUMNS = [
    ColumnInfo("ip", "text", True), ColumnInfo("port", "integer", True),
    *(ColumnInfo(name, "text", True) for name in ("user", "url", "path", "mac", "uuid", "email")),
]  # fmt: skip
_KINDS = {
    "pid": "integer", "tid": "integer", "status": "integer", "bytes": "integer", "duration": "number", "level": "level",
}  # fmt: skip
_ORDER = [
    "host", "app", "pid", "level", "component", "thread", "tid", "status", "bytes", "method", "path", "ip", "user",
    "node", "facility", "request_id", "duration",
]  # fmt: skip
_SHARE_ABSENT, _SHARE_EMPTY = 0.5, 0.1  # kept of the pairs with an empty answer; the first where the text is in no line


class Dropped(Exception):
    """The pair cannot be made; the message says why."""


@dataclass
class Pair:
    """One training example, and the intent and question it was made from."""

    intent: str
    question: str
    prompt: str
    sql: str


def profile_log(log: Log) -> Profile:
    """The profile of a simulated log, as `ask` would make it of the parsed file."""
    columns = [ColumnInfo(name, _KINDS.get(name, "text")) for name in _ORDER if name in log.columns]
    entities = [column for column in ENTITY_COLUMNS if column.name not in log.columns]
    return build_profile(log.records, [*columns, *entities])


def make_pairs(
    seed: int, *, per_log: int = 24, holdout: bool | None = None, dropped: Counter[str] | None = None
) -> Iterator[Pair]:
    """All pairs of one simulated log. seed decides everything. dropped: counts why pairs were left out."""
    rng = random.Random(seed)
    log = simulate(rng, held_out=bool(holdout))
    profile = profile_log(log)
    asker = Asker(log, rng, profile.fields, holdout=holdout)
    with closing(open_table(log)) as table:
        for _ in range(per_log):
            question = asker.ask()
            if question is None:
                continue
            try:
                yield resolve(question, log, profile, table, rng)
            except Dropped as why:
                if dropped is not None:
                    dropped[f"{question.intent}: {why}"] += 1


def resolve(
    question: Question, log: Log, profile: Profile, table: duckdb.DuckDBPyConnection, rng: random.Random
) -> Pair:
    """Link the question as `ask` would, and write its query over the handles that linking gave.

    Raises Dropped where that cannot be done, and for most questions whose answer is that there is nothing: people ask
    about what their log holds, and a planner that saw many such pairs joins conditions that no line can meet.
    """
    now = question.now or log.records[-1]["ts"] + timedelta(minutes=1)
    candidates = link(question.text, profile, now=now)
    sql = write_query(question, log, candidates)
    try:
        found = rows_of(table, expand(sql, candidates))
    except duckdb.Error as error:  # a number of the question that linking takes for text
        raise Dropped("its query does not run") from error
    if is_empty(found):
        meant = any(cond[0] in ("ABSENT", "L") for cond in question.conds)
        if rng.random() >= (_SHARE_ABSENT if meant else _SHARE_EMPTY):
            raise Dropped("its answer is empty")
    return Pair(question.intent, question.text, compact_prompt(candidates), sql)


def write_query(question: Question, log: Log, candidates: Candidates) -> str:
    """The question's query over the candidates' handles. Raises Dropped where they do not hold what it needs."""
    sql = _Writer(question, log, candidates).sql()
    if why := nonsense(sql, candidates):
        raise Dropped(f"nobody asks for {why}")
    return sql


class _Writer:
    def __init__(self, question: Question, log: Log, candidates: Candidates) -> None:
        self.question, self.log, self.candidates = question, log, candidates
        self.shapes: dict[int, ShapeHandle] = {}

    def sql(self) -> str:
        question = self.question
        every = [*question.conds, *(cond for conds in question.more.values() for cond in conds)]
        every += [one for cond in every if cond[0] == "OR" for one in cond[1]]
        for cond in every:
            if cond[0] == "S":
                self.shapes[cond[1]] = self._shape(cond[1])
        fill = {"B": question.bucket}
        if "col" in question.refs:
            fill["C"] = self._column(question.refs["col"])
        if "col2" in question.refs:
            fill["D"] = self._column(question.refs["col2"])
        if "num" in question.refs:
            fill["X"] = self._column(question.refs["num"])
        if question.number is not None:
            fill["N"] = self._number(question.number)
        if len({fill[key] for key in ("C", "D", "X") if key in fill}) < sum(key in fill for key in ("C", "D", "X")):
            raise Dropped("same column twice")
        for name, conds in question.more.items():
            if name != "either":
                fill[name] = " AND ".join(self._condition(cond) for cond in conds)
        conditions = [
            self._condition(cond) for cond in sorted(question.conds, key=lambda cond: "SVLNT".find(cond[0][0]))
        ]
        if "either" in question.more:
            conditions.insert(0, "(" + " OR ".join(self._condition(cond) for cond in question.more["either"]) + ")")
        if len(set(conditions)) < len(conditions):
            raise Dropped("same condition twice")
        return re.sub(r"\{(W[<>]?(?:!C)?|\w+)\}", lambda match: self._clause(match[1], fill, conditions), question.form)

    def _clause(self, name: str, fill: dict[str, str], conditions: list[str]) -> str:
        if not name.startswith("W"):
            return fill[name]
        all_of = list(conditions)
        if name[1:2] in "<>" and len(name) > 1 and name[1] != "!":
            all_of.append(f"{fill['X']} {name[1]} {fill['N']}")
        column = fill.get("C", "")
        nullable = column in {one.name for one in self.candidates.columns if one.entity} or re.fullmatch(
            r"A\d+", column
        )
        if name.endswith("!C") and nullable:
            all_of.append(f"{column} IS NOT NULL")
        return f" WHERE {' AND '.join(all_of)}" if all_of else ""

    def _shape(self, at: int) -> ShapeHandle:
        """The offered pattern that fits a template's messages best; all of them must be among its own."""
        rows = {row for row, truth in enumerate(self.log.truth) if truth == at}
        best: tuple[float, ShapeHandle] | None = None
        for handle in self.candidates.shapes:
            hit = {row for row, record in enumerate(self.log.records) if handle.fragment.matches(record["message"])}
            if rows <= hit:
                overlap = len(rows) / len(hit)
                if best is None or overlap > best[0] + 1e-9:
                    best = (overlap, handle)
        if best is None:
            raise Dropped("shape not offered")
        if best[0] < 0.4:
            raise Dropped("shape too wide")
        return best[1]

    def _column(self, ref: Ref) -> str:
        if ref[0] == "col":
            if any(column.name == ref[1] for column in self.candidates.columns):
                return str(ref[1])
            raise Dropped("no such column")
        if ref[0] == "field":
            for offered in self.candidates.slots:
                if offered.field.casefold() == ref[1].casefold():
                    return offered.handle
            raise Dropped("field not offered")
        _, at, slot = ref
        handle = self.shapes.get(at) or self._shape(at)
        truth = {held[slot] for held, own in zip(self.log.slots, self.log.truth, strict=True) if own == at}
        for position, part in enumerate(handle.shape.slots):
            name = handle.slots.get(position)
            seen = set(part.values)
            if name and len(truth & seen) >= 0.9 * len(truth) and len(seen - truth) <= 0.5 * len(seen):
                return name
        raise Dropped("slot not offered")

    def _number(self, text: str) -> str:
        for handle, number in self.candidates.numbers.items():
            if float(number) == float(text):
                return handle
        raise Dropped("number not offered")

    def _condition(self, cond: Cond) -> str:
        kind = cond[0]
        if kind == "S":
            return f"message {'NOT ' if cond[2] else ''}LIKE {self.shapes[cond[1]].handle}"
        if kind == "T":
            return f"ts IN {self._time(cond[1])}"
        if kind == "L":
            return f"line {'NOT ' if cond[2] else ''}LIKE {self._text(cond[1], negated=cond[2])}"
        if kind == "N":
            name = self._column(cond[1])
            if name[0] == "A" and name[1:].isdigit() and not self.candidates.slot(name).slot.numeric:
                raise Dropped("a number compared with a field of texts")
            return f"{name} {cond[2]} {self._number(cond[3])}"
        if kind == "OR":
            return f"({' OR '.join(self._condition(one) for one in cond[1])})"
        if kind == "ABSENT":
            return f"line LIKE {self._absent()}"
        _, ref, value, operator = cond
        for handle in self.candidates.values:
            names = [ref[1]] if ref[0] == "col" else []
            if ref[0] in ("slot", "field"):
                names = [self._column(ref)]
            for name in names:
                if name in handle.columns and handle.columns[name].casefold() == value.casefold():
                    return f"{name} {operator} {handle.handle}"
        raise Dropped(f"value of {ref[1] if ref[0] == 'col' else 'slot'} not offered")

    def _time(self, phrase: str) -> str:
        spans = self.candidates.times
        if len(spans) != 1:
            raise Dropped(f"{len(spans)} times")
        ((handle, span),) = spans.items()
        if len(span.text) < 0.5 * len(phrase):
            raise Dropped("time cut short")
        return handle

    def _text(self, text: str, *, negated: bool) -> str:
        for handle in self.candidates.values:
            if handle.text.casefold() == text.casefold():
                if not may_be_text(handle) and (negated or not handle.guess):
                    raise Dropped("text that the grammar does not offer")
                return handle.handle
        raise Dropped("text not offered")

    def _absent(self) -> str:
        spare = [handle for handle in self.candidates.values if handle.guess]
        if len(spare) != 1:
            raise Dropped("no phrase for what is absent")
        if self.candidates.coverage > 0.55:
            raise Dropped("absent looks present")
        return spare[0].handle
