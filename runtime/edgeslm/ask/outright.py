"""What a question says outright of its answer's form: lines, things, how many, an order. The grammar asks.

Only what no reading could mean is ruled out; which of the rest is meant is the planner's choice.
"""

import re
from collections.abc import Mapping

from edgeslm.ask.measures import is_unit
from edgeslm.ask.phrases import CLOCK, HIGH, LOW, MEANS, OPENING, SHARES, words_of

_ORDERED = (
    r"\b(?:(?:most|least)(?: (?:common|frequent|often|active|seen|used|numerous)(?:ly)?)?|commonest"
    r"|highest(?: (?:count|number)s?)?|largest|biggest|busiest|lowest|smallest|worst|fewest|rarest) (?:ones? )?first\b"
    r"|\bfrom (?:most|highest|largest) to (?:least|lowest|smallest)\b|\bdescending\b"
)
_SHOWING = frozenset("show print display give list find get fetch".split())
_SHOW = rf"^\W*(?:(?:please|can you|could you|would you)\s+)*(?:{'|'.join(sorted(_SHOWING))})(?: me| us)?"
_LINES = (
    _SHOW + r"(?: all| every| each)?(?: of)?(?: the)?(?: whole| full| log)* (?:lines?|entries|entry|messages?|records?)"
    r" (?:that|which|where|in which|with|containing|mentioning|whose|about)\b|" + _SHOW + r" where\b"
    r"|^\W*(?:all )?(?:the )?(?:log )?(?:lines|entries|messages|records)"
    r" (?:that|which|where|in which|with|containing|mentioning|whose|about)\b"
)
_ENDING_IN_LINES = (  # after the words that order something to be shown
    r"(?: all| every)?(?: of)?(?: the| those)?(?: [^\s,]+){0,5}? (?:lines|entries|messages|records)"
    r"(?=\W*$| (?:of|from|between|after|before|during|since|until|about|for|in|on|at|by|saying|please|with"
    r"|where|that)\b)"
)
_LINE_NOUNS = frozenset("lines entries messages records".split())
_DISTINCT = r"^\W*(?:the |all |all the )?(?:distinct|unique|different|uniq)\b"
_COUNTED = frozenset("many number nr no num nb count counts total amount quantity much wc".split())
_DIFFERENT = frozenset("different distinct unique uniq individual separate kinds types sorts".split())
_MANY_LINES = r"\bhow (?:many|often)(?: of the)?(?: \S+){0,2} (?:lines|messages|entries|records|times)\b|\bhow often\b"
_WHICH = OPENING + r"(?:(?:show me|give me)\W+)*(?:which|who|whose)\b"
_NO_THINGS = frozenset(
    "line lines entry entries message messages record records time times when many often percentage percent share much"
    " long first last latest earliest newest oldest percentile average gap".split()
)
_WHEN_LINES = frozenset("before after while until".split())
_HOW_MANY = OPENING + r"(?:how (?:many|often)|number of)\b((?: \S+){0,3})"
_WHAT = OPENING + (
    r"(?:what(?:'?s| is| was)\b"
    r"|what (?!time|times|date|day|hour|minute|moment|second|kind|sort|percentage|share|happen)"
    r"[a-z-]+(?: [a-z-]+)? (?:did|was|does|has|had|is)\b)"
)
_PIECES = frozenset(
    "second seconds minute minutes hour hours day days date dates week weeks month months year years time times"
    " period periods hourly daily busiest".split()
)
_SAID = frozenset(
    "message messages text said say says happened happening going events event entry error errors case"
    " cases occurrence wording logged".split()
)
_EXACTLY = (  # group 1: once; otherwise a number follows
    r"\b(?<!the )(?:exactly|only|just) "
    r"(?:(once|(?:one|a single) (?!of\b|kind|type|sort|different|distinct))|(?=\d|[a-z]))"
)
_MANY_EACH = (
    r"\bhow (?:many|often)(?: times| lines| entries| messages)? each\b|\bwith (?:the |their )?(?:counts|numbers)\W*$"
    r"|\band (?:the |their )?counts\b"
)
_REPEATED = r"\bmore than (?:once|one (?:line|time|message|entry|record)\b)|\bat least twice\b|\brepeatedly\b"
_WHETHER = (
    OPENING + r"(?:(?:did|was|were|has|have|had|is there|are there|does|do)\b"
    r"(?! (?:more|most|less|fewer)\b)|any\b)"
)
_IF_ANY = r"\bif (?:there (?:is|are|was|were) )?(?:any|one|some)\b(?! of)\W*$"
_JOINING = frozenset(
    "or and both either any all nor neither plus as together besides including these those than versus vs"
    " compared".split()
)
_NO_LINES = frozenset(
    "per by each every grouped number count counts counted share percent percentage average mean sum total first last"
    " latest earliest most least fewest top".split()
)


def asks_for_order(question: str) -> bool:
    """Whether it says in what order a ranking shall come, so that all of it is wanted: `most frequent first`."""
    may = not {"first", "descending", "from"}.isdisjoint(words_of(question))
    return may and re.search(_ORDERED, question, re.I) is not None


def asks_for_lines(question: str) -> bool:
    """Whether it orders lines to be shown and names no order, number or group of them: `lines with …`."""
    may = not (_SHOWING | _LINE_NOUNS).isdisjoint(words_of(question))
    order = (re.match(_LINES, question, re.I) or re.match(_SHOW + _ENDING_IN_LINES, question, re.I)) if may else None
    if order is None or not (_NO_LINES | HIGH | LOW | MEANS).difference(("each", "every")).isdisjoint(
        words_of(order.group())
    ):
        return False
    rest = question[order.end() :]
    words = words_of(rest)
    other = not _NO_LINES.isdisjoint(words) or any(word.endswith("est") and len(word) > 5 for word in words)
    return not other and re.search(r"\bhow (?:many|much|often)\b", rest, re.I) is None


def asks_for_values(question: str) -> bool:
    """Whether it names different values and no number of them: `distinct status codes`."""
    named = re.match(_DISTINCT, question, re.I) is not None
    return named and _COUNTED.isdisjoint(words_of(question)) and "#" not in question


def asks_for_different(question: str) -> bool:
    """Whether it says that equal values count once: `different`, `unique`."""
    return not _DIFFERENT.isdisjoint(words_of(question))


def counts_lines(question: str) -> bool:
    """Whether it asks how many lines there are, so of no column how many values: `how many error lines`."""
    words = words_of(question)
    return _DIFFERENT.isdisjoint(words) and re.search(_MANY_LINES, question, re.I) is not None


def asks_for_things(question: str) -> bool:
    """Whether it asks which things there are, so for no number, time or line: `which upstreams failed`.

    Not where it may mean a line or the first or last of something: `which error came last`.
    """
    found = re.match(_WHICH, question, re.I)
    words = set(words_of(question))
    return found is not None and words.isdisjoint(_NO_THINGS) and not any(word in _WHEN_LINES for word in words)


def asks_how_many_each(question: str) -> bool:
    """Whether it asks how many there are of each thing: `which hosts failed, and how many times each`."""
    words = set(words_of(question))
    stretches = _PIECES - {"time", "times"}
    return words.isdisjoint(stretches | _DIFFERENT) and re.search(_MANY_EACH, question, re.I) is not None


def asks_how_often_each(question: str, numbers: Mapping[str, tuple[tuple[int, int], str]]) -> str:
    """How often each thing that it asks for occurs: "= 1" of `which hosts wrote exactly one line`, "> 1"; or ""."""
    if not re.match(_WHICH, question, re.I):
        return ""
    if found := re.search(_EXACTLY, question, re.I):
        return "= 1" if found[1] else next((f"= {n}" for n, (at, _) in numbers.items() if at[0] == found.end()), "")
    return "> 1" if re.search(_REPEATED, question, re.I) else ""


def asks_whether(question: str) -> bool:
    """Whether it asks if something happened at all: `did we run out of memory`, `any trouble with the pumps`."""
    return re.match(_WHETHER, question, re.I) is not None or re.search(_IF_ANY, question, re.I) is not None


def asks_how_many(question: str) -> bool:
    """Whether it asks for a number of lines or things, and not for one of units: `how many minutes`."""
    found = re.match(_HOW_MANY, question, re.I)
    return found is not None and not any(is_unit(word) for word in words_of(found[1] or ""))


def asks_what(question: str) -> bool:
    """Whether it asks what something was, so for no lines: `what is the last totalCalories`."""
    words = words_of(question)
    return re.match(_WHAT, question, re.I) is not None and _LINE_NOUNS.union(_SAID).isdisjoint(words)


def asks_for_extreme(question: str) -> bool:
    """Whether it asks what the highest or lowest of some numbers was, so for no lines or number of them."""
    words = set(words_of(question))
    extreme = words & (HIGH | LOW) - {"latest"}
    return bool(extreme) and asks_what(question) and words.isdisjoint(_COUNTED | SHARES | _PIECES)


def asks_for_top_things(question: str) -> bool:
    """Whether it asks for the first of some things that are no stretches of time: `top 3 hosts`."""
    words = set(words_of(question))
    return "top" in words and words.isdisjoint(_PIECES | CLOCK | {"when"})


def may_join(question: str) -> bool:
    """Whether one of several conditions may be enough: it names more than one thing, with `or`, `and` or a comma."""
    return not _JOINING.isdisjoint(words_of(question)) or re.search(r"[,/|&+;]", question) is not None
