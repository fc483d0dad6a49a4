"""Phrases about a simulated log, each with the condition it means: subjects, filters, times and columns.

The words come from the wording bank (wordings/*.toml) and from the sources. Knows nothing of whole questions or SQL.
"""

import random
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

from edgeslm.ask.fields import Field
from edgeslm_convert.logmodel.manner import NUMBERS, plural, write_clock, write_date
from edgeslm_convert.logmodel.simulate import ENTITY_TYPES, Log, Template, load_sources

# A condition, in symbols: ("S", template, negated) | ("V", ref, value, op) | ("L", text, negated) | ("T", phrase)
# | ("N", ref, op, number) | ("OR", conditions) | ("ABSENT",)
Cond = tuple[Any, ...]
# A column: ("col", name) | ("slot", template, slot) | ("field", name)
Ref = tuple[Any, ...]

PLACE = re.compile(r"\{(\w+)\}")
_CORE = set("host app pid component thread level method path status ip user node facility tid".split())
_TIME_KINDS = {
    "last_n": 12, "last_one": 8, "today": 2, "yesterday": 2, "on_date": 6, "between": 8, "after": 5, "before": 4,
    "in_hour": 1, "date_between": 5, "date_after": 2, "date_before": 2, "part": 1,
}  # fmt: skip


@cache
def bank(name: str) -> Any:
    """A file of the wording bank, parsed."""
    return tomllib.loads(resources.files(__package__).joinpath("wordings", f"{name}.toml").read_text(encoding="utf-8"))


@dataclass
class Subject:
    """What is counted or shown: its nouns and clauses, and the conditions it stands for."""

    many: str
    one: str | None
    conds: list[Cond]
    template: int | None = None
    says: dict[str, str] | None = None
    everything: bool = False
    near: int | None = None  # the template that a quoted text was taken from


class Phrases:
    """Draws phrases about one simulated log."""

    def __init__(self, log: Log, rng: random.Random, fields: Sequence[Field] = ()) -> None:
        """fields: the named fields of the log's messages, as its profile has them."""
        self.log, self.rng = log, rng
        self.fields = {one.name: one for one in reversed(fields) if one.words and one.name not in log.columns}
        self.counts = Counter(log.truth)
        self.modifiers, self.columns = bank("modifiers"), bank("columns")
        self.first, self.last = log.records[0]["ts"], log.records[-1]["ts"]
        self.entities = {kind for at in self.counts for kind in self.types(at) if kind in ENTITY_TYPES}
        self.present = [
            name
            for name in log.columns
            if name in _CORE and any(record.get(name) is not None for record in log.records)
        ]

    def types(self, at: int) -> list[str]:
        """The slot types of a template."""
        return [kind.split(" ")[0] for kind in self.log.templates[at].slot_types().values()]

    # subjects ---------------------------------------------------------------------------------------------------------
    def template_subject(self, at: int) -> Subject:
        """One event, by a phrase for it or by words of its message. Raises ValueError where the message has too few."""
        template, rng = self.log.templates[at], self.rng
        roll = rng.random()
        says = rng.choice(template.says) if template.says else None
        if says and roll < 0.62:
            return Subject(says["nps"], says["np"], [("S", at, False)], at, says)
        literal = rng.choice(template.literals()).strip(" :,.;=()[]'\"")
        words = literal.split()
        if not words or not any(word[:1].isalpha() for word in words):
            raise ValueError("no words")
        if len(words) > 2:
            size = rng.randint(2, min(5, len(words)))
            start = rng.randrange(len(words) - size + 1)
            words = words[start : start + size]
        text = " ".join(words).strip(" :,.;=()[]'\"")
        if len(text) < 5 or '"' in text:
            raise ValueError("too short")
        pair = rng.choice(self.modifiers["quoted_event"])
        quoted = rng.random() < 0.5
        condition: Cond = ("L", text, False) if quoted else ("S", at, False)
        shown = text if quoted else rng.choice([text, text.lower()])
        many, one = (pair[key].replace("{V}", shown) for key in ("many", "one"))
        if not quoted:
            many, one = many.replace('"', ""), one.replace('"', "")
            if rng.random() < 0.4:
                many = one = shown
        return Subject(many, one, [condition], None if quoted else at, near=at)

    def subject(self, *, event: bool = False) -> Subject:
        """An event, a level, a program, everything, or something this log does not hold."""
        rng, roll = self.rng, self.rng.random()
        if event or roll < 0.54:
            return self.template_subject(rng.choice(list(self.counts)))
        if roll < 0.58:
            return self._either_event()
        if roll < 0.7 and "level" in self.present:
            return self._level_subject()
        if roll < 0.8 and ("app" in self.present or "component" in self.present):
            name = rng.choice([one for one in ("app", "component") if one in self.present])
            value = self._value_of(name)
            pair = rng.choice(self.modifiers["app_event"])
            many, one = (pair[key].replace("{V}", value) for key in ("many", "one"))
            return Subject(many, one, [("V", ("col", name), value, "=")])
        if roll < 0.85:
            return self.absent_subject()
        pair = rng.choice(self.modifiers["everything_nouns"])
        return Subject(pair["many"], pair["one"], [], everything=True)

    def _either_event(self) -> Subject:
        """One of two events, told apart by a word where the same thing did both. Raises ValueError for one alone."""
        rng = self.rng
        first = self.log.templates[rng.choice(list(self.counts))]
        others = [at for at in self.counts if self.log.templates[at] is not first]
        same = [
            (mine, its, at)
            for at in others
            for mine in first.says
            for its in self.log.templates[at].says
            if mine["subj"] == its["subj"] and mine["past"] != its["past"]
        ]
        number = self.log.templates.index(first)
        if same and rng.random() < 0.7:
            mine, its, other = rng.choice(same)
            says = {"subj": mine["subj"]} | {key: f"{mine[key]} or {its[key]}" for key in ("base", "past")}
            many, one = (f"{mine[key]} or {its[key]}" for key in ("nps", "np"))
        else:
            other = rng.choice(others)
            if not first.says or not self.log.templates[other].says:
                raise ValueError("no phrase")
            mine, its, says = rng.choice(first.says), rng.choice(self.log.templates[other].says), None
            joint = rng.choice([" or ", " or ", " and ", ", "])
            many, one = mine["nps"] + joint + its["nps"], f"{mine['np']} or {its['np']}"
        either = ("OR", [("S", number, False), ("S", other, False)])
        return Subject(many, one, [either], None, says)

    def _level_subject(self) -> Subject:
        rng = self.rng
        levels = bank("levels")
        present = sorted({record["level"] for record in self.log.records})
        level = rng.choice(present if rng.random() < 0.85 else ["WARN", "ERROR", "FATAL", "DEBUG", "INFO"])
        own = "at_least" in levels.get(level, {})
        if (rng.random() < 0.14 and level in levels.get("at_least", {})) or (rng.random() < 0.14 and own):
            phrase = rng.choice(levels[level]["at_least"] if own else levels["at_least"][level])
            noun = rng.choice(["lines", "messages", "entries", "records"])
            many = phrase if phrase.split()[0].rstrip("s") in ("warning", "error", "info") else f"{noun} {phrase}"
            return Subject(many, None, [("V", ("col", "level"), level, ">=")])
        pair = rng.choice(levels[level]["nouns"])
        if rng.random() < 0.25:
            event = rng.choice(self.modifiers["level_event"])
            pair = {key: text.replace("{V}", rng.choice([level, level.lower()])) for key, text in event.items()}
        return Subject(pair["many"], pair["one"], [("V", ("col", "level"), level, "=")])

    def absent_subject(self) -> Subject:
        """An event that this log does not hold: it is asked for as text."""
        source = self.rng.choice(list(load_sources().values()))
        names = {template.source for template in self.log.templates}
        if source.name in names:
            raise ValueError("present")
        template: Template = self.rng.choice(source.templates)
        says = self.rng.choice(template.says)
        return Subject(says["nps"], says["np"], [("ABSENT",)], None, says)

    # values, filters, times -------------------------------------------------------------------------------------------
    def _value_of(self, name: str, rows: list[int] | None = None) -> str:
        records = [self.log.records[row] for row in rows] if rows else self.log.records
        return str(self.rng.choice([record[name] for record in records if record.get(name) is not None]))

    def rows(self, conds: list[Cond]) -> list[int]:
        """The records that a subject's conditions leave, as far as its template goes."""
        at = next((cond[1] for cond in conds if cond[0] == "S"), None)
        return [row for row, truth in enumerate(self.log.truth) if at is None or truth == at]

    def filter_phrase(self, subject: Subject) -> tuple[str, list[Cond]]:
        """A further condition with its phrase."""
        rng, rows = self.rng, self.rows(subject.conds)
        options: list[tuple[str, Ref, str]] = []
        used = {cond[1][1] for cond in subject.conds if cond[0] == "V" and cond[1][0] == "col"}
        if rng.random() < 0.07:
            return self._either_filter(used)
        row = rng.choice(rows)
        for name in self.present:
            if name not in used and name not in ("thread", "pid", "tid"):
                options.append((name, ("col", name), str(self.log.records[row][name])))
        at = self.log.truth[row]
        for slot, kind in self.log.templates[at].slot_types().items():
            base = kind.split(" ")[0]
            value = self.log.slots[row][slot]
            if base in ("ip", "user"):
                options += [(base, ("col", base), value)] * 3
            elif subject.template == at and base not in ("int", "float", "port", "pid"):
                options.append(("other", ("slot", at, slot), value))
            elif subject.template == at and base == "int":
                options.append(("number", ("slot", at, slot), value))
        if rng.random() < 0.15:
            return self.mention_filter(row, at, subject)
        for one, seen in self.fields_of(row):
            options += [("number" if one.slot.numeric else "other", ("field", one.name), seen)] * 2
        name, ref, value = rng.choice(options)
        if name == "level":
            phrase = rng.choice(self.modifiers["filter_level"]).replace("{V}", rng.choice([value, value.lower()]))
            return phrase, [("V", ref, value, "=")]
        if name == "number":
            kind, operator = rng.choice(
                [("eq", "="), ("eq", "="), ("gt", ">"), ("lt", "<"), ("ge", ">="), ("le", "<=")]
            )
            phrase = rng.choice(self.modifiers[f"filter_number_{kind}"]).replace("{N}", value)
            phrase = phrase.replace("{col}", self.noun(ref)[0])
            return phrase, [("N", ref, operator, value)]
        key = f"filter_{name}" if f"filter_{name}" in self.modifiers else "filter_other"
        template = rng.choice(self.modifiers[key])
        negated = rng.random() < 0.16
        if negated:
            template = rng.choice(self.modifiers["filter_not"])
        noun = self.noun(ref)[0] if "{col}" in template else ""
        return template.replace("{V}", value).replace("{col}", noun), [("V", ref, value, "<>" if negated else "=")]

    def _either_filter(self, used: set[str]) -> tuple[str, list[Cond]]:
        """A further condition that one of two values of a column holds. Raises IndexError where no column has two."""
        rng = self.rng
        seen = {
            name: sorted({str(record[name]) for record in self.log.records})
            for name in self.present
            if name in ("app", "component", "host", "level") and name not in used
        }
        name = rng.choice([name for name, values in seen.items() if len(values) > 1])
        first, second = rng.sample(seen[name], 2)
        phrase = rng.choice(self.modifiers[rng.choice(["filter_either", "filter_either_col"])])
        fill = {"V": first, "V2": second, "col": self.noun(("col", name))[0]}
        text = PLACE.sub(lambda match: fill[match[1]], phrase)
        return text, [("OR", [("V", ("col", name), value, "=") for value in (first, second)])]

    def mention_filter(self, row: int, at: int, subject: Subject) -> tuple[str, list[Cond]]:
        """A further condition on text: a value or a constant word of that row."""
        rng = self.rng
        values = [value for value in self.log.slots[row].values() if len(value) > 3 and " " not in value]
        values += self._names_at(row)
        words = [word for word in self._constant_words(at) if word.isalpha()]
        value = rng.choice(values + words)
        negated = rng.random() < 0.4
        phrase = rng.choice(self.modifiers["filter_not_mention" if negated else "filter_mention"])
        shown = f'"{value}"' if value in words or rng.random() < 0.3 else value
        return phrase.replace('"{V}"', "{V}").replace("{V}", shown), [("L", value, negated)]

    def time_phrase(self) -> tuple[str, list[Cond], datetime | None]:
        """A time phrase and the moment that relative ones count back from."""
        rng = self.rng
        times = bank("times")
        span = max(60.0, (self.last - self.first).total_seconds())
        now = self.last + timedelta(seconds=rng.choice([0, rng.uniform(0, span / 4)]))
        kind = rng.choices(list(_TIME_KINDS), list(_TIME_KINDS.values()))[0]
        moment = self.first + timedelta(seconds=rng.uniform(0, span))
        a, b = sorted([moment, self.first + timedelta(seconds=rng.uniform(0, span))])
        if a.time() > b.time():
            a, b = b, a
        unit = "minute" if span < 7200 else rng.choice(["hour", "hour", "day", "minute"])
        number = rng.choice([2, 3, 5, 6, 10, 12, 15, 20, 24, 30, 45, 48])
        if kind == "part":
            parts = times["part_of_day"]
            phrase = rng.choice(parts[rng.choice(["morning", "afternoon", "evening", "night"])])
        else:
            options = list(times[kind]) + (list(times.get(f"last_n_{unit}", [])) if kind == "last_n" else [])
            phrase = rng.choice(options)
        shown = str(number) if rng.random() < 0.75 or "{n}{u}" in phrase or number not in NUMBERS else NUMBERS[number]
        clock = rng.choice(["%H:%M", "%H:%M", "%H:%M:%S", "%-I%p", "%-I:%M %p"])
        fill = {
            "n": shown, "unit": unit, "u": unit[0], "a": write_clock(a, clock), "b": write_clock(b, clock),
            "date": write_date(moment, rng), "weekday": moment.strftime("%A"),
        }  # fmt: skip
        phrase = PLACE.sub(lambda match: fill[match[1]], phrase)
        return phrase, [("T", phrase)], now

    def fields_of(self, row: int) -> list[tuple[Field, str]]:
        """The named fields of a record's message, with their values there."""
        message = self.log.records[row]["message"]
        found = ((one, re.search(one.regex, message)) for one in self.fields.values())
        return [(one, match[1]) for one, match in found if match]

    # columns ----------------------------------------------------------------------------------------------------------
    def noun(self, ref: Ref) -> tuple[str, str]:
        """What people call a column, one and many."""
        if ref[0] == "field":
            return self._field_noun(self.fields[ref[1]])
        if ref[0] == "slot":
            template = self.log.templates[ref[1]]
            names = template.slots.get(ref[2])
            kind = template.slot_types()[ref[2]].split(" ")[0]
            if names and (kind not in self.columns or self.rng.random() < 0.6):
                return names["one"], names["many"]
        else:
            kind = ref[1]
        nouns = self.columns[kind]
        nouns = nouns["nouns"] if isinstance(nouns, dict) else nouns
        pair = self.rng.choices(nouns, [1 / (place + 3) for place in range(len(nouns))])[0]  # commonest first
        return pair["one"], pair["many"]

    def _field_noun(self, one: Field) -> tuple[str, str]:
        """A field by the words of its name, some left out, or as it is written, at times as `codes` or `values`."""
        rng, words = self.rng, list(one.words)
        if len(words) > 1 and rng.random() < 0.25:
            words.pop(rng.randrange(len(words)))
        name = " ".join(words) if rng.random() < 0.75 else one.name.strip().lower()
        if rng.random() < 0.3:
            kinds = ("value", "number", "reading") if one.slot.numeric else ("value", "code", "name", "string", "entry")
            name += " " + rng.choice(kinds)
        return name, name if rng.random() < 0.1 else plural(name)

    def column_ref(self, subject: Subject, *, but: Ref | None = None) -> Ref:
        """A text column or slot that says something of the subject."""
        rng = self.rng
        options: list[Ref] = []
        used = {cond[1][1] for cond in subject.conds if cond[0] == "V" and cond[1][0] == "col"}
        for name in self.present:
            if name not in used and len({record[name] for record in self.log.records}) > 1:
                options += [("col", name)] * (1 if name in ("pid", "thread", "tid") else 2)
        at = subject.template if subject.template is not None else subject.near
        row = next((row for row, truth in enumerate(self.log.truth) if truth == at), None)
        held = self.fields.values() if row is None else (one for one, _ in self.fields_of(row))
        options += [("field", one.name) for one in held] * (3 if row is None else 6)
        if at is not None:
            for slot, kind in self.log.templates[at].slot_types().items():
                base = kind.split(" ")[0]
                if base in ("ip", "user", "path", "url", "mac", "uuid", "email") or base not in ("int", "float"):
                    options += [("slot", at, slot)] * 9
                elif slot in self.log.templates[at].slots:
                    options += [("slot", at, slot)] * 3
        else:
            read = [name for name in ("ip", "user") if name in self.entities and name not in self.log.columns]
            options += [("col", name) for name in read] * 3
        options = [ref for ref in options if ref != but]
        return rng.choice(options)

    def numeric_ref(self) -> tuple[int, str, dict[str, str]]:
        """A slot with numbers: its template, its name, and its nouns."""
        options = [
            (at, slot, names)
            for at in self.counts
            for slot, names in self.log.templates[at].slots.items()
            if self.log.templates[at].slot_types()[slot].split(" ")[0] in ("int", "float") and self.counts[at] > 2
        ]
        return self.rng.choice(options)

    def mention(self) -> tuple[Cond, str]:
        """A condition on text, and the text as the question writes it."""
        rng = self.rng
        row = rng.randrange(len(self.log.records))
        values = [value for value in self.log.slots[row].values() if len(value) > 3] + self._names_at(row)
        words = [word for word in self._constant_words(self.log.truth[row]) if word.isalnum()]
        absent = [f"{rng.choice(['ERR', 'E', 'job', 'XK', 'id'])}{rng.choice(['-', '_', ''])}{rng.randint(100, 99999)}"]
        value = rng.choice(values * 2 + words * 2 + absent)
        quoted = value in words or " " in value or rng.random() < 0.3
        return ("L", value, False), f'"{value}"' if quoted else value

    def _names_at(self, row: int) -> list[str]:
        """The program and component that wrote a record: names that a question may mention as text."""
        record = self.log.records[row]
        return [str(record[name]) for name in ("app", "component") if len(str(record.get(name) or "")) > 3]

    def slot_values(self, at: int) -> list[str]:
        """The longer values in a template's messages."""
        rows = [row for row, truth in enumerate(self.log.truth) if truth == at]
        return [value for row in rows for value in self.log.slots[row].values() if len(value) > 4]

    def _constant_words(self, at: int) -> list[str]:
        return [word for literal in self.log.templates[at].literals() for word in literal.split() if len(word) > 4]
