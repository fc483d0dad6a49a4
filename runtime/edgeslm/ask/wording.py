"""A question in words that linking and the planner know: shorthand written out, what changes no answer left out.

Text in quotes stays as it is. Refuses to decide what a question asks for; misspelt words are find_values' affair.
"""

import re
from collections.abc import Callable

from edgeslm.ask.lexicon import column_stems, split_words, stems, stop_words
from edgeslm.ask.profile import Profile
from edgeslm.ask.rank import COLUMN_OF

QUOTED = re.compile(r"\"([^\"]{1,200})\"|“([^”]{1,200})”|(?<!\w)'([^']{2,200})'(?!\w)|`([^`]{1,200})`")
_BUCKETS = r"(?:seconds|minutes|hours|days|weeks|months|ones|those|buckets|rows|periods)"
# Compiled only for a question that may match: its mark, the pattern, what it becomes.
_SHORTHAND = [
    ("w/o", r"(?<!\S)w/o(?!\S)", "without"),
    ("w/", r"(?<!\S)w/(?:\s+|(?=[a-z]+(?!\S)))", "with "),
    ("#", r"(?<!\S)#\s*(?:of\s+)?(?=[A-Za-z]{2})", "number of "),
    ("hottest", r"\b(?:at (?:its|their|the) )?hottest(?: temperatures?)?\b", "highest temperature"),
    ("coldest", r"\b(?:at (?:its|their|the) )?coldest(?: temperatures?)?\b", "lowest temperature"),
    ("&", r"(?<!\S)&(?!\S)", "and"),
]
_LEFT_OUT = re.compile(r"\b(?:leav|skip|omit|ignor|exclud|without|except|not\b)", re.I)
_EMPTY = (  # buckets without a line, which are in no answer
    r",?\s*\(?\b(?:leaving out|leave out|skipping|skip|omitting|omit|ignoring|ignore|excluding|exclude|without"
    r"|except(?: for)?|but not|not counting)\s+(?:the |any |all )?(?:(?:empty|blank|zero)\s+"
    + _BUCKETS
    + r"|"
    + _BUCKETS
    + r"\s+(?:without any|with none|that have none|(?:with (?:no|zero|0)|without) [a-z]+))(?![\w-])\)?"
)
_EXAMPLES = r"\s*\((?:e\.?g\.?|such as|like|for example)[^()]*\)|\s*\([^()]*(?:\.\.\.|…|\betc\b)[^()]*\)"
_LISTED = r"(\b(?:per|by|each|every|which|what) [\w-]+)\s*\((?:[\w.-]+(?:, | and | or |/))+(?:and |or )?[\w.-]+\)"
_BRACKETS = r"\s*\(([^()]{3,60})\)"
_FIELD = r"\b[\w-]+ \((\w[\w.-]*) ?=\)"  # components (cmp=)
# Before a text in quotes: it is all that the message says.
_WHOLE = (
    r"\b(?:(?:whole|entire|full|complete) (?:message|text)s? (?:is|are|was|reads?|says?|equals?)"
    r"(?: (?:just|only|exactly|simply))?"
    r"|(?:message|text)s? (?:is|are|was|reads?|says?) (?:just|only|exactly|simply|nothing (?:else )?but)"
    r"|messages? (?:that (?:is|are) )?exactly|(?:message|text)s? equals?(?: to)?)\s*[:=]?\s*$"
)


def write_out(question: str, profile: Profile) -> str:
    """The question without shorthand: `w/o` as without, `# errors` as number of errors, `ids (pid=)` as pid.

    What stands in brackets as an example goes, `per program (kubelet, systemd, …)`, and what only explains a noun,
    `loggers (class and method)`.
    """
    fields = {one.name.casefold() for one in profile.fields}

    def named(match: re.Match[str]) -> str:
        return match[1] if match[1].casefold() in fields else match.group()

    def unless_columns(match: re.Match[str]) -> str:
        words = [word for word in split_words(match[1]) if word not in stop_words()]
        return "" if words and all(_names_column(word) for word in words) else match.group()

    def plain(text: str) -> str:
        folded = text.casefold()
        for mark, pattern, words in _SHORTHAND:
            if mark in folded:
                text = re.sub(pattern, words, text, flags=re.I)
        if _LEFT_OUT.search(text):
            text = re.sub(_EMPTY, "", text, flags=re.I)
        if "(" in text:
            text = re.sub(_FIELD, named, re.sub(_EXAMPLES, "", text, flags=re.I))
            text = re.sub(_BRACKETS, unless_columns, re.sub(_LISTED, r"\1", text, flags=re.I))
        return text

    return _outside_quotes(question, plain)


def _names_column(word: str) -> bool:
    return any(stem in COLUMN_OF or stem in column_stems() for stem in stems(word))


def is_whole(before: str) -> bool:
    """Whether a text in quotes after these words is meant to be all of a message: `whose whole message is just "X"`."""
    return re.search(_WHOLE, before, re.I) is not None


def _outside_quotes(text: str, change: Callable[[str], str]) -> str:
    pieces, end = [], 0
    for quote in QUOTED.finditer(text):
        pieces += [change(text[end : quote.start()]), quote.group()]
        end = quote.end()
    return "".join([*pieces, change(text[end:])])
