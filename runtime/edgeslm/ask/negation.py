"""What a question leaves out: whether it excludes anything at all, and the values it names as left out.

Words only; which condition is turned round is the planner's choice unless the question says so of a value outright.
"""

import re
from collections.abc import Iterable

from edgeslm.ask.candidates import ValueHandle
from edgeslm.ask.lexicon import split_words, stems, stop_words

_NEGATING = frozenset(
    "not no non never none nobody nothing neither nor without w/o except excepting excluding besides but apart aside"
    " other others otherwise minus outside rest else different unlike rather instead lack lacks lacking missing misses"
    " absent only unless beyond away remaining inverse opposite hide drop dropping filter filtered cannot nowhere free"
    " another elsewhere everything anything everyone anyone rid unequal less".split()
)
_STARTS = ("exclud", "forget", "ignor", "omit", "leav", "skip", "disregard", "excep", "remov")
_OPERATORS = re.compile(r"!=|<>|≠|\bsave for\b|\btak(?:e|ing)\b.+\bout\b|\b\w+n['’]?t\b|[!~¬]\s*\w|(?<!\S)-\w", re.I)
_LEFT_OUT = (  # what a value stands behind that is left out
    r"(?:apart from|aside from|other than|except(?: for| from)?|excepting|excluding|excludes?|besides|disregard(?:ing)?"
    r"|ignor(?:e|ing)|omit(?:ting)?|leav(?:e|ing) (?:out|aside)|(?:not|without) counting|not including|but not"
    r"|not (?:from|by|on|in|at|for)"
    r"|(?:that|which|who|what|it) (?:is|are|was|were)(?: not|n't)|other \w+ than|others? than"
    r"|(?:\bnot|n't|\bnever|\bwithout|\bno) (?:mention|contain|includ|say|have|hav|hold)\w*|\black(?:s|ing)?)"
    r"(?: (?:the|those|any|all|that|lines|messages|entries|ones|from|of|by|a|an|user|host|program|app|component))*\W*$"
)
_OUTRIGHT = (
    r"\b(?:apart|aside) from\b|\b(?:anything|something|everything|everyone|anyone|reasons?|others?|\w+s) other than\b"
    r"|\bexcept(?:ing| for)?\b|\bexclud(?:e|ing)\b|\bleav(?:e|ing) (?:out|aside)\b"
    r"|(?:\bnot|n't) (?:about|related to|due to|caused by|mention\w*|contain\w*|includ\w*|involv\w*|because of"
    r"|concern\w*)\b"
)
_FROM = r"((?:\S+\s+){0,3})\b(?:from|on|by|of|via|at)\s+(?:the )?(?:host |user |node |address |ip |client )?[\"'(\[]*$"
_OUT_SPAN = (  # group 1: what it leaves out
    r"\b(?:(?<!time )without|except(?:ing)?(?: for| from)?|excluding|not counting|not including|leaving (?:out|aside)"
    r"|ignoring|disregarding|omitting|skipping|(?:other|rather) than|apart from|aside from|not about"
    r"|not (?:related|due) to|but not)\b"
    r"((?:(?![,;:.)?!]|\b(?:per|by|each|every|which|who|how|what|when|between|during|before|after)\b).)*)"
)
_NOT_COUNTED = r"(?:^|[,;.!?(])([^,;.!?(]*?)\b(?:do not|don't|does not|doesn't|should not|shouldn't) count\b"
_JOINED = r"[\s\"'”]*(?:,|and|or|nor|&|/)(?: (?:the|from|by|on))?[\s\"'“]*"
_ASIDE = r"^\W*(?:aside|out)\b"


def may_exclude(question: str) -> bool:
    """Whether any word or sign of it could leave something out: `except`, `other than`, `isn't`, `!=`."""
    words = split_words(question)
    return (
        not _NEGATING.isdisjoint(words)
        or any(word.startswith(_STARTS) for word in words)
        or _OPERATORS.search(question) is not None
    )


def left_out_words(question: str) -> frozenset[str]:
    """The stems of words that only stand in what it leaves out: of restored in `new bans (without restored bans)`."""
    spans = [found.span(1) for found in re.finditer(_OUT_SPAN, question, re.I)]
    spans += [found.span(1) for found in re.finditer(_NOT_COUNTED, question, re.I)]
    rest, out = question, []
    for start, end in spans:
        out += split_words(question[start:end])
        rest = rest[:start] + " " * (end - start) + rest[end:]
    kept = {stem for word in split_words(rest) for stem in stems(word)}
    return frozenset(stem for word in out if word not in stop_words() for stem in stems(word)) - kept


def kept_values(question: str, values: Iterable[ValueHandle]) -> frozenset[str]:
    """The handles of values that something is said to be from, on or of, so that are not left out."""
    return frozenset(
        value.handle
        for value in values
        if (before := re.search(_FROM, question[: value.at[0]], re.I))
        and _NEGATING.isdisjoint(split_words(before[1]))
        and not _OPERATORS.search(before[1])
    )


def excludes_outright(question: str) -> bool:
    """Whether it says of what it asks about what shall not be: `other than`, `not about`, `except`."""
    return re.search(_OUTRIGHT, question, re.I) is not None


def left_out(question: str, values: Iterable[ValueHandle]) -> frozenset[str]:
    """The handles of values that it leaves out: `apart from root and admin`, `leaving sshd aside`."""
    found: set[str] = set()
    last = None  # where the last one ended
    for value in sorted((one for one in values if not one.guess), key=lambda one: one.at):
        before, after = question[: value.at[0]], question[value.at[1] :]
        aside = re.search(r"\bleav(?:e|ing)\W*$", before, re.I) and re.match(_ASIDE, after, re.I)
        joined = last is not None and re.fullmatch(_JOINED, question[last : value.at[0]], re.I)
        if aside or joined or re.search(rf"(?:\b|(?=n't)){_LEFT_OUT}", before, re.I):
            found.add(value.handle)
            last = value.at[1]
    return frozenset(found)
