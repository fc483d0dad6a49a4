"""What a question says outright of time: a moment, the pieces that it counts by, the longest time without a line."""

import re

from edgeslm.ask.phrases import (
    CLOCK,
    HIGH,
    LOW,
    MEANS,
    OPENING,
    SPEEDS,
    SUPERLATIVE,
    is_superlative,
    may_rank,
    words_of,
)

_GAPS = frozenset(
    "gap gaps free between silence silent silences without interval intervals pause pauses paused quiet apart"
    " consecutive lull break breaks idle successive inactivity inactive stretch no nothing hole holes dead"
    " unlogged spacing distance passed passes elapsed empty downtime outage still dry neighbouring adjacent"
    " next previous stalled hang hung wait waited pass went go missing absence absent since separate separated"
    " separates silenced quietest calm nobody none never not".split()
)
_AT_WHICH = OPENING + r"(?:when (?:did|was|were|had|has|is)|at what time)\b"
_LONGEST_GAP = (
    r"\b(?:longest|largest|biggest|greatest|max|maximum|maximal|widest) (?:time )?"
    r"(?:gap|silence|pause|silent (?:period|phase|stretch)|quiet (?:period|phase|stretch)|lull)\b"
)
_BUSY = frozenset("busiest busy most fewest quietest calmest".split())
_SILENCE = frozenset("gap gaps silence silent pause quiet lull line lines message messages".split())
_COUNTED = frozenset(
    "number count counts lines messages entries records events errors warnings failures requests logins attempts"
    " connections times many rate".split()
)
_LASTING = (
    r"\b(?:how long\b|how many (?:seconds|minutes|hours|days)\b|(?:seconds|minutes|hours|time) (?=from|between|until))"
)
_TWO_EVENTS = (
    r"\bfrom\b.+\b(?:until|till|to)\b|\bbetween\b.+\band\b|^\W*after\b"
    r"|\b(?:pass(?:ed)?|elapsed?|go(?:es)? by|went by|(?:it )?take|took)\b.*\b(?:until|till|before)\b"
)
_BOTH_ENDS = (
    r"\bfirst (?:and|to) (?:the )?last\b|\blast .*\bfirst\b|\bto the last\b|\baverage|\bmean\b|\blongest|\bon average"
)
_RANKED = frozenset("top median rank ranks ranked ranking winner compare compared versus vs".split())
_PER_BUCKET = (
    r"\b(?:per|by|(?:for |in |on )?each|(?:for |in )?every|by the) (?:calendar )?"
    r"(second|minute|hour|day|week|month|year)\b(?! of)"
    r"|\b(hourly|daily|weekly|monthly|yearly)\b"
)
_OFTEN = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}
_BEST_BUCKET = OPENING + r"(?:(?:in|on|at|during) )?(?:which|what) (?:one )?(second|minute|hour|day|date|week|month)\b"
_WHICH_BUCKET = r"\b(?:which|what) (?:one )?(?:second|minute|hour|day|date|week|month)\b"
_WHEN = frozenset(
    "ts time times date dates dated day days moment moments earliest since until till hour hours minute minutes o'clock"
    " clock ago point newest oldest instant onset early seen frist firts fisrt".split()
)
_WHEN_STARTS = tuple("when last lat recent fresh start begin began begun end finish initial final first soon".split())


def asks_when(question: str) -> bool:
    """Whether it asks for one moment and no stretch of time: `when did the backup start`; not `when was it busiest`."""
    return re.match(_AT_WHICH, question, re.I) is not None and not may_rank(_without_order(question))


def asks_when_most(question: str) -> str:
    """How to order numbers for the moment of the highest or lowest: "DESC" for `when was it hottest`; "" otherwise."""
    words = set(words_of(question)) - {"latest", "least"}
    high, low = not words.isdisjoint(HIGH), not words.isdisjoint(LOW)
    if high == low or not words.isdisjoint(_BUSY | _SILENCE) or not re.match(_AT_WHICH, question, re.I):
        return ""
    return "DESC" if high else "ASC"


def amount_bucket(question: str) -> str:
    """The piece of time of which a number of each is asked for: of `average latency per hour`; "" for none."""
    words = set(words_of(question))
    asked = words & (MEANS | HIGH | LOW | {"median"})
    other = words & (_BUSY | _COUNTED | _RANKED - {"median"})
    return _one_bucket(question) if asked and not other else ""


def names_time(question: str) -> bool:
    """Whether it says a word for a time outright: `what is the last time …`."""
    return not CLOCK.isdisjoint(words_of(question))


def _without_order(question: str) -> str:
    """The question without `first`, `last` and `which`, which order lines by time where a moment is asked for."""
    return re.sub(r"\b(?:when|first|last|which|what|main|more|less|order\w*|sort\w*)\b", " ", question, flags=re.I)


def asks_for_time_between(question: str) -> bool:
    """Whether it asks how long it took from one event to another: `seconds from "stopped" until "started"`."""
    found = re.search(_LASTING, question, re.I)
    rest = question[found.end() :] if found else ""
    return bool(re.search(_TWO_EVENTS, rest, re.I)) and not re.search(_BOTH_ENDS, question, re.I)


def asks_for_gap(question: str) -> bool:
    """Whether it asks outright for the longest time without a line."""
    return re.search(_LONGEST_GAP, question, re.I) is not None


def may_ask_for_gap(question: str) -> bool:
    """Whether any word of it could ask for the time between neighbouring lines: `longest gap`, `silent for`."""
    return not _GAPS.isdisjoint(words_of(question))


def asked_bucket(question: str) -> str:
    """The piece of time of which each is asked for: of `lines per month`, `errors by day`, `monthly`; "" for none.

    Not of an average or a most, which are asked of those pieces.
    """
    words = set(words_of(question))
    if not words.isdisjoint(MEANS | SUPERLATIVE | _RANKED | SPEEDS | HIGH | LOW) or any(
        is_superlative(word) for word in words
    ):
        return ""
    return _one_bucket(question)


def asks_for_one_bucket(question: str) -> bool:
    """Whether it asks which stretch of time had the most or the least: `on which day were there more errors`."""
    words = words_of(question)
    return not SUPERLATIVE.isdisjoint(words) and re.search(_WHICH_BUCKET, question, re.I) is not None


def best_bucket(question: str) -> str:
    """The stretch of time of which the one with most or least is asked: of `which hour had the most errors`; or ""."""
    found = re.match(_BEST_BUCKET, question, re.I) if asks_for_one_bucket(question) else None
    return "day" if found and found[1].casefold() == "date" else found[1].casefold() if found else ""


def may_ask_when(question: str) -> bool:
    """Whether any word of it (without its time ranges) could ask for a moment: `when`, `last`, `started`, `ts`."""
    words = words_of(question)
    return (
        not _WHEN.isdisjoint(words)
        or any(word.startswith(_WHEN_STARTS) or "stamp" in word for word in words)
        or "how long" in question.casefold()
    )


def _one_bucket(question: str) -> str:
    """The only piece of time that it counts by; "" where there are none or several."""
    found = {one[1] or _OFTEN[one[2]] for one in re.finditer(_PER_BUCKET, question.casefold())}
    return found.pop() if len(found) == 1 else ""
