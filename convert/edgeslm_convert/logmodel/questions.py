"""Questions over a simulated log, each with the query it means, still in symbols (templates, columns, values).

`phrases.py` gives the phrases, this module the composition. Knows nothing of prompts or handles: `pair.py` resolves the
symbols against what linking really offers.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from edgeslm.ask.fields import Field
from edgeslm_convert.logmodel.forms import SQL_FORMS
from edgeslm_convert.logmodel.manner import NUMBERS, as_typed, plural, tidy
from edgeslm_convert.logmodel.phrases import PLACE, Cond, Phrases, Ref, Subject, bank
from edgeslm_convert.logmodel.simulate import Log

__all__ = ["Asker", "Cond", "Question", "Ref", "bank", "wordings"]

WEIGHTS = {
    "count": 12, "lines": 12, "first_time": 5, "last_time": 7, "when_time": 3, "distinct_count": 8, "distinct_list": 24,
    "value": 9, "share": 3, "exists": 9, "count_mention": 3, "lines_mention": 6, "lines_first": 2, "lines_last": 3,
    "compare_two": 3, "count_not": 7, "per_group_count_one": 3, "top_n": 9, "top_one": 8, "bottom_n": 1, "rank_all": 7,
    "series": 9, "busiest_one": 4, "busiest_n": 3, "quietest_one": 1, "series_distinct": 1, "avg_num": 3, "max_num": 6,
    "min_num": 2, "sum_num": 3, "median_num": 1, "avg_per_group": 1, "top_by_num": 2, "argmax": 5, "argmin": 1,
    "count_num_gt": 2, "count_num_lt": 1, "list_num_gt": 2, "list_num_lt": 1, "lines_num_gt": 1, "having": 2,
    "duration": 3, "between_events": 8, "gap": 2, "first_value": 2, "last_value": 2, "distinct_per_group": 1,
    "top_distinct": 1,
}  # fmt: skip
NUMERIC = set(
    "avg_num max_num min_num sum_num median_num avg_per_group top_by_num argmax argmin count_num_gt count_num_lt"
    " list_num_gt list_num_lt lines_num_gt".split()
)
NEEDS_COL = set(
    "distinct_count distinct_list value per_group_count_one top_n top_one bottom_n rank_all series_distinct"
    " avg_per_group top_by_num argmax argmin list_num_gt list_num_lt having first_value last_value distinct_per_group"
    " top_distinct".split()
)
_MENTION = ("count_mention", "lines_mention")
_SERIES = ("series", "busiest_one", "busiest_n", "quietest_one", "series_distinct")
_ABOUT_ABSENT = ("count", "exists", "lines", "first_time", "last_time", "series")
_ABOUT_EVENTS = ("first_time", "last_time", "when_time", "value", "between_events")
_UNFILTERED = ("between_events", "compare_two", "share", "count_not")
_BOUNDED = ("count_num", "list_num", "lines_num")  # intents with a number that values are compared with
_NAMED = ("app", "component", "host", "user", "ip")
_UNIT_WORDS = {
    "minute": ["minute", "minute", "min"], "hour": ["hour", "hour", "hr", "hour"], "day": ["day", "day", "date"],
}  # fmt: skip
_UNITLY = {"minute": "per-minute", "hour": "hourly", "day": "daily"}
# Nouns of the log's lines: "lines from sshd" alone asks to see them as much as for their number.
_LINE_NOUNS = frozenset("line lines entry entries message messages record records row rows".split())
_LIMITS = [2, 3, 3, 3, 4, 5, 5, 5, 6, 7, 8, 10, 10, 15, 20]
_TEXT_WORDS = (
    "mention",
    "contain",
    "includ",
    " say",
    "grep",
    "in them",
    "without",
    "the word",
    "the text",
    "the string",
)
_HOLDOUT_EVERY, _HOLDOUT_AT = 12, 5


@dataclass
class Question:
    """A question, the query it means in symbols, and the relative moment it is asked at."""

    intent: str
    text: str
    form: str
    refs: dict[str, Ref]
    conds: list[Cond]
    more: dict[str, list[Cond]] = field(default_factory=dict)
    number: str | None = None
    bucket: str = ""
    now: datetime | None = None


@dataclass
class _Draft:
    """A question on its way: what its wording's places are filled with, and the query so far."""

    intent: str
    subject: Subject
    fill: dict[str, str]
    conds: list[Cond]
    numeric: tuple[int, str, dict[str, str]] | None = None
    refs: dict[str, Ref] = field(default_factory=dict)
    more: dict[str, list[Cond]] = field(default_factory=dict)
    time: str = ""
    filter: str = ""
    number: str | None = None
    bucket: str = ""
    now: datetime | None = None

    @property
    def absent(self) -> bool:
        return any(cond[0] == "ABSENT" for cond in self.conds)


def _says_nothing(wording: str) -> bool:
    """Whether a wording is its places alone."""
    return not PLACE.sub("", wording).replace("please", "").strip()


def _reads_as_lines(subject: Subject, wording: str) -> bool:
    """Whether a bare noun phrase that is meant to be counted might as well ask to show the lines it names."""
    return (
        _says_nothing(wording) and bool(subject.conds) and subject.many.removeprefix("log ").split()[0] in _LINE_NOUNS
    )


@cache
def wordings(intent: str) -> tuple[str, ...]:
    """The bank's wordings of an intent."""
    return tuple(bank(intent)["wordings"])


class Asker(Phrases):
    """Asks questions of one simulated log."""

    def __init__(
        self, log: Log, rng: random.Random, fields: Sequence[Field] = (), *, holdout: bool | None = None
    ) -> None:
        """holdout: None uses every wording; False leaves out every twelfth, True uses only those."""
        super().__init__(log, rng, fields)
        self.holdout = holdout

    def ask(self) -> Question | None:
        """One random question, or None where the dice did not fit the log."""
        intent = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        try:
            question = self._build(intent)
        except (KeyError, IndexError, ValueError):
            return None
        question.text = as_typed(question.text, self.modifiers, self.rng)
        return question

    def _build(self, intent: str) -> Question:
        """Raises KeyError, IndexError or ValueError where the dice do not fit the log."""
        draft = self._start(intent)
        self._add_modifiers(draft)
        self._add_columns(draft)
        if intent in _SERIES:
            self._add_bucket(draft)
        wording = self._wording(draft)
        if "{N}" in wording:
            self._add_number(draft)
        self._add_special(draft, wording)
        draft.fill |= {"F": draft.filter, "T": draft.time}
        text = tidy(PLACE.sub(lambda match: draft.fill[match[1]], wording))
        form = SQL_FORMS[intent]
        if draft.number is None:
            form = form.replace("LIMIT {N}", "LIMIT 1")
        return Question(intent, text, form, draft.refs, draft.conds, draft.more, draft.number, draft.bucket, draft.now)

    def _start(self, intent: str) -> _Draft:
        """The subject, and the slot with numbers where the intent needs one."""
        rng = self.rng
        numeric: tuple[int, str, dict[str, str]] | None = None
        if intent in NUMERIC and rng.random() < 0.35 and any(one.slot.numeric for one in self.fields.values()):
            subject = self._anything()
        elif intent in NUMERIC:
            numeric = self.numeric_ref()
            if rng.random() < 0.75:
                subject = self.template_subject(numeric[0])
            else:
                subject = Subject("lines", None, [("S", numeric[0], False)], numeric[0])
            if subject.template is None and subject.near is None:
                raise ValueError("no event")
        elif intent in NEEDS_COL and self.fields and rng.random() < 0.12:
            subject = self._anything()
        elif intent in NEEDS_COL and rng.random() < 0.12:
            at = rng.choice([at for at in self.counts if self.log.templates[at].slots])
            subject = Subject("lines", "line", [("S", at, False)], at, everything=True)
        elif intent in _MENTION:
            subject = Subject("lines", "line", [])
        elif intent in ("count", "exists", "lines") and rng.random() < (0.3 if intent == "exists" else 0.1):
            subject = self.absent_subject()
        else:
            subject = self.subject(event=intent in _ABOUT_EVENTS and rng.random() < 0.8)
        draft = _Draft(intent, subject, {"E": subject.many}, list(subject.conds), numeric)
        if draft.absent and intent not in _ABOUT_ABSENT:
            raise ValueError("nothing there")
        if subject.one:
            draft.fill["E1"] = subject.one
        if subject.says:
            draft.fill["did"] = f"did {subject.says['subj']} {subject.says['base']}"
            draft.fill["happened"] = f"{subject.says['subj']} {subject.says['past']}"
        return draft

    def _anything(self) -> Subject:
        """All lines: the column that is asked for says which of them count."""
        pair = self.rng.choice(self.modifiers["everything_nouns"])
        return Subject(pair["many"], pair["one"], [], everything=True)

    def _add_modifiers(self, draft: _Draft) -> None:
        rng = self.rng
        if rng.random() < 0.3 and draft.intent != "between_events":
            draft.time, extra, draft.now = self.time_phrase()
            draft.conds += extra
        if rng.random() < 0.3 and draft.intent not in _UNFILTERED and not draft.absent:
            draft.filter, extra = self.filter_phrase(draft.subject)
            draft.conds += extra

    def _add_columns(self, draft: _Draft) -> None:
        refs, fill, intent = draft.refs, draft.fill, draft.intent
        if intent in NEEDS_COL:
            refs["col"] = self.column_ref(draft.subject)
            fill["col"], fill["cols"] = self.noun(refs["col"])
        if intent in ("distinct_per_group", "top_distinct"):
            refs["col2"] = self.column_ref(draft.subject, but=refs["col"])
            fill["cols2"] = self.noun(refs["col2"])[1]
        if draft.numeric is None:
            if intent in NUMERIC:
                self._add_numeric_field(draft)
            return
        at, slot, names = draft.numeric
        refs["num"] = ("slot", at, slot)
        columns = [name for name in ("bytes", "duration", "pid", "port") if self._has_number(name, at)]
        if columns and self.rng.random() < 0.25 and not intent.startswith(_BOUNDED):
            refs["num"] = ("col", self.rng.choice(columns))
            one, _ = self.noun(refs["num"])
            names = {"one": one, "most": "highest", "least": "lowest", "thing": "line"}
        thing = names.get("thing", "line")
        fill |= {
            "num": names["one"], "most": names.get("most", "highest"), "least": names.get("least", "lowest"),
            "thing": thing, "things": plural(thing),
        }  # fmt: skip
        if refs.get("col") == refs["num"]:
            raise ValueError("the same column twice")

    def _add_numeric_field(self, draft: _Draft) -> None:
        rng = self.rng
        ref: Ref = ("field", rng.choice([name for name, one in self.fields.items() if one.slot.numeric]))
        draft.refs["num"] = ref
        one, _ = self.noun(ref)
        draft.fill |= {"num": one, "most": "highest", "least": "lowest", "thing": "line", "things": "lines"}
        if draft.refs.get("col") == ref:
            raise ValueError("the same column twice")

    def _has_number(self, name: str, at: int) -> bool:
        return name in self.types(at) if name == "port" else name in self.log.columns

    def _add_bucket(self, draft: _Draft) -> None:
        draft.bucket = self.rng.choice(["minute", "hour", "hour", "day"])
        word = self.rng.choice(_UNIT_WORDS[draft.bucket]) if self.rng.random() < 0.3 else draft.bucket
        draft.fill |= {"unit": word, "unitly": _UNITLY[draft.bucket]}

    def _add_number(self, draft: _Draft) -> None:
        rng = self.rng
        if draft.intent.startswith(_BOUNDED) and draft.refs["num"][0] == "field":
            values = sorted(float(value) for value in self.fields[draft.refs["num"][1]].slot.values.elements())
        elif draft.intent.startswith(_BOUNDED) and draft.numeric:
            at, slot, _ = draft.numeric
            values = sorted(float(self.log.slots[row][slot]) for row, truth in enumerate(self.log.truth) if truth == at)
        if draft.intent.startswith(_BOUNDED):
            picked = values[int(len(values) * rng.uniform(0.2, 0.8))]
            number = f"{picked:.0f}" if picked == int(picked) or rng.random() < 0.7 else f"{picked:g}"
        elif draft.intent == "having":
            number = str(rng.choice([1, 2, 3, 5, 10, 20, 50, 100]))
        else:
            number = str(rng.choice(_LIMITS))
        if number == "1":
            raise ValueError("one is no number of its own")
        as_word = number.isdigit() and int(number) in NUMBERS and rng.random() < 0.3
        draft.number = number
        draft.fill["N"] = NUMBERS[int(number)] if as_word else number

    def _add_special(self, draft: _Draft, wording: str) -> None:
        """What single intents need beyond subject, modifiers, columns and numbers."""
        intent = draft.intent
        if intent == "compare_two":
            self._compare(draft)
        elif intent in _MENTION:
            extra, draft.fill["V"] = self.mention()
            draft.conds.append(extra)
        elif intent == "count_not":
            self._negate(draft, wording)
        elif intent == "between_events":
            self._add_second_event(draft, wording)
        elif intent == "share":
            draft.more["part"] = [cond for cond in draft.conds if cond[0] != "T"]
            draft.conds = [cond for cond in draft.conds if cond[0] == "T"]
            if not draft.more["part"]:
                raise ValueError("a share of everything")

    def _compare(self, draft: _Draft) -> None:
        name = self.rng.choice([one for one in self.present if one in _NAMED])
        first, second = self.rng.sample(sorted({str(record[name]) for record in self.log.records}), 2)
        ref: Ref = ("col", name)
        draft.refs["col"] = ref
        draft.fill |= {"V": first, "V2": second, "col": self.noun(ref)[0]}
        draft.more["either"] = [("V", ref, first, "="), ("V", ref, second, "=")]

    def _negate(self, draft: _Draft, wording: str) -> None:
        rng, subject = self.rng, draft.subject
        row = rng.choice(self.rows(subject.conds))
        if any(word in wording for word in _TEXT_WORDS) and "{col}" not in wording:
            _, extra = self.mention_filter(row, self.log.truth[row], subject)
            text = extra[0][1]
            draft.fill["V"] = text if rng.random() < 0.5 else f'"{text}"'
            draft.conds.append(("L", text, True))
            return
        options: list[Ref] = [("col", name) for name in self.present if name in _NAMED]
        kinds = self.log.templates[self.log.truth[row]].slot_types()
        slots = [slot for slot, kind in kinds.items() if kind in ("ip", "user")]
        if slots and subject.template is not None:
            slot = rng.choice(slots)
            ref: Ref = ("col", kinds[slot])
            value = self.log.slots[row][slot]
        else:
            ref = rng.choice(options)
            value = str(self.log.records[row][ref[1]])
        draft.fill |= {"V": value, "col": self.noun(ref)[0]}
        draft.conds.append(("V", ref, value, "<>"))

    def _add_second_event(self, draft: _Draft, wording: str) -> None:
        first = draft.subject
        second = self.template_subject(self.rng.choice([at for at in self.counts if at != first.template]))
        if first.template is None or second.template is None or not second.says or not first.says:
            raise ValueError("no event")
        happened = f"{second.says['subj']} {second.says['past']}"
        draft.fill |= {"B1": second.one or second.many, "B_happened": happened}
        draft.more = {"first": [("S", first.template, False)], "second": [("S", second.template, False)]}
        draft.conds = []
        if "{V}" in wording:
            shared = set(self.slot_values(first.template)) & set(self.slot_values(second.template))
            value = self.rng.choice(sorted(shared))
            draft.fill["V"] = value
            draft.conds = [("L", value, False)]

    def _wording(self, draft: _Draft) -> str:
        """A wording whose places can be filled and that has room for the modifiers."""
        later = {"N", "V", "V2", "B1", "B_happened", "F", "T", "col"}
        intent, fits = draft.intent, []
        needs_subject = not draft.subject.everything and intent not in NUMERIC and intent not in _MENTION
        for index, wording in enumerate(wordings(intent)):
            if self.holdout is not None and (index % _HOLDOUT_EVERY == _HOLDOUT_AT) != self.holdout:
                continue
            places = set(PLACE.findall(wording))
            if not places <= set(draft.fill) | later:
                continue
            if (draft.time and "T" not in places) or (draft.filter and "F" not in places):
                continue
            if needs_subject and not places & {"E", "E1", "did", "happened", "thing", "things"}:
                continue
            if intent == "count" and _reads_as_lines(draft.subject, wording):
                continue
            if intent == "count_mention" and not draft.time and _says_nothing(wording):
                continue
            fits.append(wording)
        return self.rng.choice(fits)
