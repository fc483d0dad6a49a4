"""Questions over a simulated log, each with the query it means, still in symbols (templates, columns, values).

The wording bank (wordings/*.toml) gives the phrases, this module the composition. Knows nothing of prompts or handles:
`pair.py` resolves the symbols against what linking really offers.
"""

import random
import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

from edgeslm_convert.logmodel.simulate import ENTITY_TYPES, Log, Template, load_sources

# A condition, in symbols: ("S", template, negated) | ("V", ref, value, op) | ("L", text, negated) | ("T", phrase) | ("N", ref, op, number)
Cond = tuple[Any, ...]
# A column: ("col", name) | ("slot", template, slot)
Ref = tuple[Any, ...]

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 12: "twelve", 15: "fifteen", 20: "twenty"}
WEIGHTS = {
    "count": 13, "lines": 9, "first_time": 5, "last_time": 7, "when_time": 3, "distinct_count": 8, "distinct_list": 24, "value": 6, "share": 2,
    "exists": 9, "count_mention": 3, "lines_mention": 4, "lines_first": 2, "lines_last": 3, "compare_two": 2, "count_not": 3, "per_group_count_one": 3,
    "top_n": 9, "top_one": 8, "bottom_n": 1, "rank_all": 7, "series": 9, "busiest_one": 4, "busiest_n": 3, "quietest_one": 1, "series_distinct": 1,
    "avg_num": 3, "max_num": 4, "min_num": 2, "sum_num": 2, "median_num": 1, "avg_per_group": 1, "top_by_num": 2, "argmax": 3, "argmin": 1,
    "count_num_gt": 2, "count_num_lt": 1, "list_num_gt": 1, "list_num_lt": 1, "lines_num_gt": 1, "having": 2, "duration": 2, "between_events": 2,
    "gap": 2, "first_value": 2, "last_value": 2, "distinct_per_group": 1, "top_distinct": 1,
}  # fmt: skip
NUMERIC = {"avg_num", "max_num", "min_num", "sum_num", "median_num", "avg_per_group", "top_by_num", "argmax", "argmin", "count_num_gt", "count_num_lt", "list_num_gt", "list_num_lt", "lines_num_gt"}  # fmt: skip
NEEDS_COL = {"distinct_count", "distinct_list", "value", "per_group_count_one", "top_n", "top_one", "bottom_n", "rank_all", "series_distinct", "avg_per_group", "top_by_num", "argmax", "argmin", "list_num_gt", "list_num_lt", "having", "first_value", "last_value", "distinct_per_group", "top_distinct"}  # fmt: skip
_CORE = {"host", "app", "pid", "component", "thread", "level", "method", "path", "status", "ip", "user", "node", "facility", "tid"}
_PLACE = re.compile(r"\{(\w+)\}")


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


@cache
def bank(name: str) -> Any:
    """A file of the wording bank, parsed."""
    return tomllib.loads(resources.files(__package__).joinpath("wordings", f"{name}.toml").read_text(encoding="utf-8"))


@cache
def wordings(intent: str) -> tuple[str, ...]:
    return tuple(bank(intent)["wordings"])


@dataclass
class _Subject:
    """What is counted or shown: its nouns and clauses, and the conditions it stands for."""

    many: str
    one: str | None
    conds: list[Cond]
    template: int | None = None
    says: dict[str, str] | None = None
    everything: bool = False
    near: int | None = None  # the template that a quoted text was taken from


class Asker:
    """Asks questions of one simulated log."""

    def __init__(self, log: Log, rng: random.Random, *, holdout: bool | None = None) -> None:
        """holdout: None uses every wording; False leaves out every twelfth, True uses only those."""
        self.log, self.rng, self.holdout = log, rng, holdout
        self.counts = Counter(log.truth)
        self.modifiers, self.columns = bank("modifiers"), bank("columns")
        self.first, self.last = log.records[0]["ts"], log.records[-1]["ts"]
        self.entities = {kind for at in self.counts for kind in self._types(at) if kind in ENTITY_TYPES}
        self.present = [name for name in log.columns if name in _CORE and any(record.get(name) is not None for record in log.records)]

    def _types(self, at: int) -> list[str]:
        return [kind.split(" ")[0] for kind in self.log.templates[at].slot_types().values()]

    def ask(self) -> Question | None:
        """One random question, or None where the dice did not fit the log."""
        intent = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        try:
            question = self._build(intent)
        except (KeyError, IndexError, ValueError):
            return None
        if question is not None:
            question.text = self._finish(question.text, intent)
        return question

    # subjects ---------------------------------------------------------------------------------------------------------
    def _template_subject(self, at: int) -> _Subject:
        template, rng = self.log.templates[at], self.rng
        roll = rng.random()
        says = rng.choice(template.says) if template.says else None
        if says and roll < 0.62:
            return _Subject(says["nps"], says["np"], [("S", at, False)], at, says)
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
        return _Subject(many, one, [condition], None if quoted else at, near=at)

    def _subject(self, *, event: bool = False) -> _Subject:
        rng, roll = self.rng, self.rng.random()
        if event or roll < 0.58:
            return self._template_subject(rng.choice(list(self.counts)))
        if roll < 0.7 and "level" in self.present:
            return self._level_subject()
        if roll < 0.8 and ("app" in self.present or "component" in self.present):
            name = rng.choice([one for one in ("app", "component") if one in self.present])
            value = self._value_of(name)
            pair = rng.choice(self.modifiers["app_event"])
            return _Subject(pair["many"].replace("{V}", value), pair["one"].replace("{V}", value), [("V", ("col", name), value, "=")])
        if roll < 0.85:
            return self._absent_subject()
        pair = rng.choice(self.modifiers["everything_nouns"])
        return _Subject(pair["many"], pair["one"], [], everything=True)

    def _level_subject(self) -> _Subject:
        rng = self.rng
        levels = bank("levels")
        present = sorted({record["level"] for record in self.log.records})
        level = rng.choice(present if rng.random() < 0.85 else ["WARN", "ERROR", "FATAL", "DEBUG", "INFO"])
        if rng.random() < 0.14 and level in levels.get("at_least", {}) or rng.random() < 0.14 and "at_least" in levels.get(level, {}):
            phrases = levels[level]["at_least"] if "at_least" in levels.get(level, {}) else levels["at_least"][level]
            phrase = rng.choice(phrases)
            noun = rng.choice(["lines", "messages", "entries", "records"])
            many = f"{noun} {phrase}" if not phrase.split()[0].rstrip("s") in ("warning", "error", "info") else phrase
            return _Subject(many, None, [("V", ("col", "level"), level, ">=")])
        pair = rng.choice(levels[level]["nouns"])
        if rng.random() < 0.25:
            pair = {key: text.replace("{V}", rng.choice([level, level.lower()])) for key, text in rng.choice(self.modifiers["level_event"]).items()}
        return _Subject(pair["many"], pair["one"], [("V", ("col", "level"), level, "=")])

    def _absent_subject(self) -> _Subject:
        """An event that this log does not hold: it is asked for as text."""
        source = self.rng.choice(list(load_sources().values()))
        names = {template.source for template in self.log.templates}
        if source.name in names:
            raise ValueError("present")
        template: Template = self.rng.choice(source.templates)
        says = self.rng.choice(template.says)
        return _Subject(says["nps"], says["np"], [("ABSENT",)], None, says)

    # values, filters, times -------------------------------------------------------------------------------------------
    def _value_of(self, name: str, rows: list[int] | None = None) -> str:
        records = [self.log.records[row] for row in rows] if rows else self.log.records
        return str(self.rng.choice([record[name] for record in records if record.get(name) is not None]))

    def _rows(self, conds: list[Cond]) -> list[int]:
        at = next((cond[1] for cond in conds if cond[0] == "S"), None)
        return [row for row, truth in enumerate(self.log.truth) if at is None or truth == at]

    def _filter(self, subject: _Subject) -> tuple[str, list[Cond]]:
        """A further condition with its phrase."""
        rng, rows = self.rng, self._rows(subject.conds)
        options: list[tuple[str, Ref, str]] = []
        used = {cond[1][1] for cond in subject.conds if cond[0] == "V" and cond[1][0] == "col"}
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
            return self._mention_filter(row, at, subject)
        name, ref, value = rng.choice(options)
        if name == "level":
            phrase = rng.choice(self.modifiers["filter_level"]).replace("{V}", rng.choice([value, value.lower()]))
            return phrase, [("V", ref, value, "=")]
        if name == "number":
            phrase = rng.choice(self.modifiers["filter_number_eq"]).replace("{N}", value).replace("{col}", self._noun(ref)[0])
            return phrase, [("N", ref, "=", value)]
        key = f"filter_{name}" if f"filter_{name}" in self.modifiers else "filter_other"
        template = rng.choice(self.modifiers[key])
        negated = rng.random() < 0.1
        if negated:
            template = rng.choice(self.modifiers["filter_not"])
        noun = self._noun(ref)[0] if "{col}" in template else ""
        return template.replace("{V}", value).replace("{col}", noun), [("V", ref, value, "<>" if negated else "=")]

    def _mention_filter(self, row: int, at: int, subject: _Subject) -> tuple[str, list[Cond]]:
        rng = self.rng
        values = [value for value in self.log.slots[row].values() if len(value) > 3 and " " not in value]
        words = [word for literal in self.log.templates[at].literals() for word in literal.split() if len(word) > 4 and word.isalpha()]
        value = rng.choice(values + words)
        negated = rng.random() < 0.4
        phrase = rng.choice(self.modifiers["filter_not_mention" if negated else "filter_mention"])
        shown = f'"{value}"' if value in words or rng.random() < 0.3 else value
        return phrase.replace('"{V}"', "{V}").replace("{V}", shown), [("L", value, negated)]

    def _time(self) -> tuple[str, list[Cond], datetime | None]:
        """A time phrase and the moment that relative ones count back from."""
        rng = self.rng
        times = bank("times")
        span = max(60.0, (self.last - self.first).total_seconds())
        now = self.last + timedelta(seconds=rng.choice([0, rng.uniform(0, span / 4)]))
        kind = rng.choices(["last_n", "last_one", "today", "yesterday", "on_date", "between", "after", "before", "in_hour", "date_between", "date_after", "date_before", "part"],
                           [12, 8, 2, 2, 6, 8, 5, 4, 1, 5, 2, 2, 1])[0]  # fmt: skip
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
            "n": shown, "unit": unit, "u": unit[0], "a": _clock(a, clock), "b": _clock(b, clock),
            "date": _date(moment, rng), "weekday": moment.strftime("%A"),
        }  # fmt: skip
        phrase = _PLACE.sub(lambda match: fill[match[1]], phrase)
        return phrase, [("T", phrase)], now

    # columns ----------------------------------------------------------------------------------------------------------
    def _noun(self, ref: Ref) -> tuple[str, str]:
        if ref[0] == "slot":
            template = self.log.templates[ref[1]]
            names = template.slots.get(ref[2])
            kind = template.slot_types()[ref[2]].split(" ")[0]
            if names and (kind not in self.columns or self.rng.random() < 0.6):
                return names["one"], names["many"]
            pair = self.rng.choice(self.columns[kind]["nouns"] if isinstance(self.columns.get(kind), dict) else self.columns[kind])
            return pair["one"], pair["many"]
        nouns = self.columns[ref[1]]
        pair = self.rng.choice(nouns["nouns"] if isinstance(nouns, dict) else nouns)
        return pair["one"], pair["many"]

    def _column_ref(self, subject: _Subject, *, but: Ref | None = None) -> Ref:
        """A text column or slot that says something of the subject."""
        rng = self.rng
        options: list[Ref] = []
        used = {cond[1][1] for cond in subject.conds if cond[0] == "V" and cond[1][0] == "col"}
        for name in self.present:
            if name not in used and len({record[name] for record in self.log.records}) > 1:
                options += [("col", name)] * (1 if name in ("pid", "thread", "tid") else 2)
        at = subject.template if subject.template is not None else subject.near
        if at is not None:
            for slot, kind in self.log.templates[at].slot_types().items():
                base = kind.split(" ")[0]
                if base in ("ip", "user", "path", "url", "mac", "uuid", "email") or base not in ("int", "float"):
                    options += [("slot", at, slot)] * 9
                elif slot in self.log.templates[at].slots:
                    options += [("slot", at, slot)] * 3
        else:
            options += [("col", name) for name in ("ip", "user") if name in self.entities and name not in self.log.columns] * 3
        options = [ref for ref in options if ref != but]
        return rng.choice(options)

    def _numeric_ref(self) -> tuple[int, str, dict[str, str]]:
        options = [
            (at, slot, names)
            for at in self.counts
            for slot, names in self.log.templates[at].slots.items()
            if self.log.templates[at].slot_types()[slot].split(" ")[0] in ("int", "float") and self.counts[at] > 2
        ]
        return self.rng.choice(options)

    # composing --------------------------------------------------------------------------------------------------------
    def _build(self, intent: str) -> Question | None:
        from edgeslm_convert.logmodel.forms import SQL_FORMS

        rng = self.rng
        numeric: tuple[int, str, dict[str, str]] | None = None
        if intent in NUMERIC:
            numeric = self._numeric_ref()
            subject = self._template_subject(numeric[0]) if rng.random() < 0.75 else _Subject("lines", None, [("S", numeric[0], False)], numeric[0])
            if subject.template is None and subject.near is None:
                return None
        elif intent in NEEDS_COL and rng.random() < 0.12:
            at = rng.choice([at for at in self.counts if self.log.templates[at].slots])
            subject = _Subject("lines", "line", [("S", at, False)], at, everything=True)
        elif intent in ("count_mention", "lines_mention"):
            subject = _Subject("lines", "line", [])
        elif intent in ("count", "exists", "lines") and rng.random() < (0.3 if intent == "exists" else 0.1):
            subject = self._absent_subject()
        else:
            subject = self._subject(event=intent in ("first_time", "last_time", "when_time", "value", "between_events") and rng.random() < 0.8)
        if any(cond[0] == "ABSENT" for cond in subject.conds) and intent not in ("count", "exists", "lines", "first_time", "last_time", "series"):
            return None
        fill: dict[str, str] = {"E": subject.many}
        if subject.one:
            fill["E1"] = subject.one
        if subject.says:
            fill["did"] = f"did {subject.says['subj']} {subject.says['base']}"
            fill["happened"] = f"{subject.says['subj']} {subject.says['past']}"
        conds = list(subject.conds)
        now = None
        time_phrase = filter_phrase = ""
        if rng.random() < 0.3 and intent not in ("between_events",):
            time_phrase, extra, now = self._time()
            conds += extra
        if rng.random() < 0.3 and intent not in ("between_events", "compare_two", "share", "count_not") and not any(cond[0] == "ABSENT" for cond in conds):
            filter_phrase, extra = self._filter(subject)
            conds += extra
        refs: dict[str, Ref] = {}
        if intent in NEEDS_COL:
            refs["col"] = self._column_ref(subject)
            fill["col"], fill["cols"] = self._noun(refs["col"])
        if intent in ("distinct_per_group", "top_distinct"):
            refs["col2"] = self._column_ref(subject, but=refs["col"])
            fill["cols2"] = self._noun(refs["col2"])[1]
        number = None
        if numeric:
            refs["num"] = ("slot", numeric[0], numeric[1])
            names = numeric[2]
            columns = [name for name in ("bytes", "duration", "pid") if name in self.log.columns]
            columns += ["port"] * ("port" in self._types(numeric[0]))
            if columns and rng.random() < 0.25 and not intent.startswith(("count_num", "list_num", "lines_num")):
                refs["num"] = ("col", rng.choice(columns))
                one, many = self._noun(refs["num"])
                names = {"one": one, "many": many, "most": "highest", "least": "lowest", "thing": "line"}
            fill |= {"num": names["one"], "most": names.get("most", "highest"), "least": names.get("least", "lowest"), "thing": names.get("thing", "line"), "things": _plural(names.get("thing", "line"))}
            if refs.get("col") == refs["num"]:
                return None
        more: dict[str, list[Cond]] = {}
        bucket = ""
        unit_words = {"second": ["second"], "minute": ["minute", "minute", "min"], "hour": ["hour", "hour", "hr", "hour"], "day": ["day", "day", "date"]}
        if intent in ("series", "busiest_one", "busiest_n", "quietest_one", "series_distinct"):
            bucket = rng.choice(["minute", "hour", "hour", "day"])
            fill["unit"] = rng.choice(unit_words[bucket]) if rng.random() < 0.3 else bucket
            fill["unitly"] = {"minute": "per-minute", "hour": "hourly", "day": "daily"}[bucket]
        template = self._wording(intent, fill, subject, bool(time_phrase), bool(filter_phrase))
        if "{N}" in template:
            if intent.startswith(("count_num", "list_num", "lines_num")) and numeric:
                values = sorted(float(self.log.slots[row][numeric[1]]) for row, truth in enumerate(self.log.truth) if truth == numeric[0])
                picked = values[int(len(values) * rng.uniform(0.2, 0.8))]
                number = f"{picked:.0f}" if picked == int(picked) or rng.random() < 0.7 else f"{picked:g}"
            elif intent == "having":
                number = str(rng.choice([1, 2, 3, 5, 10, 20, 50, 100]))
            else:
                number = str(rng.choice([2, 3, 3, 3, 4, 5, 5, 5, 6, 7, 8, 10, 10, 15, 20]))
            if number == "1":
                return None
            fill["N"] = NUMBERS[int(number)] if number.isdigit() and int(number) in NUMBERS and rng.random() < 0.3 else number
        if intent == "compare_two":
            name = rng.choice([one for one in self.present if one in ("app", "component", "host", "user", "ip")])
            pair = rng.sample(sorted({str(record[name]) for record in self.log.records}), 2)
            fill["V"], fill["V2"] = pair
            refs["col"] = ("col", name)
            fill["col"] = self._noun(refs["col"])[0]
            more["either"] = [("V", refs["col"], pair[0], "="), ("V", refs["col"], pair[1], "=")]
        elif intent in ("count_mention", "lines_mention"):
            extra, shown = self._mention()
            conds += [extra]
            fill["V"] = shown
        elif intent == "count_not":
            conds, fill = self._negative(template, conds, fill, subject)
        elif intent == "between_events":
            other = self._template_subject(rng.choice([at for at in self.counts if at != subject.template]))
            if subject.template is None or other.template is None or not other.says or not subject.says:
                return None
            fill |= {"B1": other.one or other.many, "B_happened": f"{other.says['subj']} {other.says['past']}"}
            more = {"first": [("S", subject.template, False)], "second": [("S", other.template, False)]}
            conds = []
            if "{V}" in template:
                shared = set(self._slot_values(subject.template)) & set(self._slot_values(other.template))
                value = rng.choice(sorted(shared))
                fill["V"] = value
                conds = [("L", value, False)]
        elif intent == "share":
            more["part"] = [cond for cond in conds if cond[0] != "T"]
            conds = [cond for cond in conds if cond[0] == "T"]
            if not more["part"]:
                return None
        fill |= {"F": filter_phrase, "T": time_phrase}
        missing = {name for name in _PLACE.findall(template)} - set(fill)
        if missing:
            return None
        text = _tidy(_PLACE.sub(lambda match: fill[match[1]], template))
        form = SQL_FORMS[intent]
        if number is None and "LIMIT {N}" in form:
            form = form.replace("LIMIT {N}", "LIMIT 1")
        return Question(intent, text, form, refs, conds, more, number, bucket, now)

    def _slot_values(self, at: int) -> list[str]:
        return [value for row, truth in enumerate(self.log.truth) if truth == at for value in self.log.slots[row].values() if len(value) > 4]

    def _negative(self, template: str, conds: list[Cond], fill: dict[str, str], subject: _Subject) -> tuple[list[Cond], dict[str, str]]:
        rng = self.rng
        text_words = ("mention", "contain", "includ", " say", "grep", "in them", "without", "the word", "the text", "the string")
        as_text = any(word in template for word in text_words) and "{col}" not in template
        row = rng.choice(self._rows(subject.conds))
        if as_text:
            _, extra = self._mention_filter(row, self.log.truth[row], subject)
            fill["V"] = extra[0][1] if rng.random() < 0.5 else f'"{extra[0][1]}"'
            return [*conds, ("L", extra[0][1], True)], fill
        options: list[Ref] = [("col", name) for name in self.present if name in ("app", "component", "host", "user", "ip")]
        kinds = self.log.templates[self.log.truth[row]].slot_types()
        slots = [slot for slot, kind in kinds.items() if kind in ("ip", "user")]
        if slots and subject.template is not None:
            slot = rng.choice(slots)
            ref: Ref = ("col", kinds[slot])
            value = self.log.slots[row][slot]
        else:
            ref = rng.choice(options)
            value = str(self.log.records[row][ref[1]])
        fill["V"] = value
        fill["col"] = self._noun(ref)[0]
        return [*conds, ("V", ref, value, "<>")], fill

    def _mention(self) -> tuple[Cond, str]:
        rng = self.rng
        row = rng.randrange(len(self.log.records))
        values = [value for value in self.log.slots[row].values() if len(value) > 3]
        words = [word for literal in self.log.templates[self.log.truth[row]].literals() for word in literal.split() if len(word) > 4 and word.isalnum()]
        absent = [f"{rng.choice(['ERR', 'E', 'job', 'XK', 'id'])}{rng.choice(['-', '_', ''])}{rng.randint(100, 99999)}"]
        value = rng.choice(values * 2 + words * 2 + absent)
        quoted = value in words or " " in value or rng.random() < 0.3
        return ("L", value, False), f'"{value}"' if quoted else value

    def _wording(self, intent: str, fill: dict[str, str], subject: _Subject, timed: bool, filtered: bool) -> str:
        """A wording whose places can be filled and that has room for the modifiers."""
        later = {"N", "V", "V2", "B1", "B_happened", "F", "T", "col"}
        fits = []
        for index, template in enumerate(wordings(intent)):
            if self.holdout is not None and (index % 12 == 5) != self.holdout:
                continue
            places = set(_PLACE.findall(template))
            if not places <= set(fill) | later or (timed and "T" not in places) or (filtered and "F" not in places):
                continue
            names_subject = bool(places & {"E", "E1", "did", "happened", "thing", "things"})
            if not names_subject and not subject.everything and intent not in NUMERIC and intent not in ("count_mention", "lines_mention"):
                continue
            fits.append(template)
        return self.rng.choice(fits)

    def _finish(self, text: str, intent: str) -> str:
        """Politeness, case, end mark and typos, as people type."""
        rng = self.rng
        question = bool(re.match(r"(how|when|which|what|who|at what|did|was|is|are|were)\b", text, re.I))
        roll = rng.random()
        if roll < 0.05:
            text = f"{rng.choice(self.modifiers['politeness_prefix'])} {text}"
        elif roll < 0.09:
            text = f"{rng.choice(self.modifiers['politeness_prefix_question' if question else 'politeness_prefix_order'])} {text}"
        if rng.random() < 0.1:
            suffix = rng.choice(self.modifiers["politeness_suffix"])
            text = text.rstrip("?. ") + ("" if suffix[0] in ",?!." else " ") + suffix
        roll = rng.random()
        if roll < 0.25:
            text = text.rstrip("?.")
        if rng.random() < 0.3:
            text = _lower(text)
        if rng.random() < 0.1:
            text = _typo(text, rng)
        return text


def _lower(text: str) -> str:
    return "".join(part if part.startswith('"') else part.lower() for part in re.split(r'("[^"]*")', text))


def _typo(text: str, rng: random.Random) -> str:
    """One slip in one plain word: a swap, a lost, a doubled or a wrong letter."""
    places = [match for match in re.finditer(r"(?<![\w./\"-])[a-z]{5,}(?![\w./\"-])", text)]
    if not places:
        return text
    match = rng.choice(places)
    word = match.group()
    at = rng.randint(1, len(word) - 2)
    slip = rng.choice(["swap", "lose", "double", "wrong"])
    changed = {
        "swap": word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        "lose": word[:at] + word[at + 1 :],
        "double": word[:at] + word[at] + word[at:],
        "wrong": word[:at] + rng.choice("aeiorstnl") + word[at + 1 :],
    }[slip]
    return text[: match.start()] + changed + text[match.end() :]


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith(("s", "x", "ch")) else "s")


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\s+([?.,:;!])", r"\1", text)
    text = re.sub(r"^[,:;]\s*", "", text)
    return re.sub(r",\s*([?.])", r"\1", text).strip(" ,:")


def _clock(moment: datetime, layout: str) -> str:
    return moment.strftime(layout).lower() if "%p" in layout else moment.strftime(layout)


def _date(moment: datetime, rng: random.Random) -> str:
    day = moment.day
    suffix = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return rng.choice([
        moment.strftime("%Y-%m-%d"), moment.strftime(f"%B {day}"), moment.strftime(f"%b {day}"), moment.strftime(f"{day} %B"), moment.strftime(f"{day} %b"),
        moment.strftime(f"%b {day}{suffix}"), moment.strftime(f"the {day}{suffix} of %B"), moment.strftime(f"%A %B {day}"), moment.strftime(f"%B {day}, %Y"), moment.strftime(f"the {day}{suffix}"),
    ])  # fmt: skip
