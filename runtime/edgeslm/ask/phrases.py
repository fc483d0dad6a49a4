"""What questions are put in: the words of one, what one may begin with, and the sets of words that several rules share.

Sets of words, and texts of patterns, stand where a compiled pattern would cost every run and serve few.
"""

import re

_WORD = re.compile(r"[a-z']+")
OPENING = (  # what a question may begin with that says nothing
    r"^\W*(?:(?:so|and|but|please|tell me|can you tell me|hey|hi|hello|ok|okay|well|just|quick question|btw|now"
    r"|do you know|i wonder)\W+)*"
)
SUPERLATIVE = frozenset("more most busiest fewest least peak highest lowest worst quietest calmest fuller".split())
SHARES = frozenset("percentage percent share fraction proportion pct portion".split())
CLOCK = frozenset("time times date day moment when timestamp ts hour minute".split())
_RANKING = SUPERLATIVE | frozenset(
    "top rank ranks ranked ranking leading leader winner first last order ordered sort sorted descending best worst"
    " more less which what when single one main chiefly mostly predominantly primary dominant maximum max minimum min"
    " foremost compare compared versus vs".split()
)
HIGH = frozenset(
    "hottest warmest fullest heaviest longest largest biggest highest greatest maximum max maximal slowest peak"
    " latest".split()
)
LOW = frozenset(
    "coldest coolest lightest shortest smallest lowest least minimum min minimal fastest quickest tiniest"
    " briefest".split()
)
MEANS = frozenset("average averages averaged avg mean".split())
SPEEDS = frozenset("speed speeds rate rates throughput bandwidth free left remaining".split())


def may_rank(question: str) -> bool:
    """Whether any word of it could ask for the first of a ranking: `most`, `top`, `which … more`."""
    words = words_of(question)
    return not _RANKING.isdisjoint(words) or any(is_superlative(word) for word in words)


def is_superlative(word: str) -> bool:
    return word.endswith("est") and len(word) > 4


def words_of(question: str) -> list[str]:
    return _WORD.findall(question.casefold())
