"""Which known words a misspelt one may mean, by the share of letters they have in common in order.

rapidfuzz is imported only when some known word can be near enough at all: most questions have no typo, and the import
costs as much as linking a question. Refuses to know what the words mean.
"""

from collections.abc import Sequence


def nearest(word: str, known: Sequence[str], *, least: float, most: int) -> list[str]:
    """At most `most` of the known words whose similarity is at least `least` (0 to 100), the nearest first.

    Similarity: twice the longest common subsequence over both lengths (Indel ratio).
    """
    possible = [other for other in known if _may_be_near(word, other, least)]
    if not possible:
        return []
    from rapidfuzz import fuzz, process

    close = process.extract(word, possible, scorer=fuzz.ratio, score_cutoff=least, limit=most)
    return [other for other, _, _ in close]


def _may_be_near(word: str, other: str, least: float) -> bool:
    """False only where the similarity is below `least`: by the lengths, else by the letters in whatever order."""
    both = len(word) + len(other)
    if not both:
        return True
    if 200 * min(len(word), len(other)) < least * both:
        return False
    return 200 * sum(min(word.count(letter), other.count(letter)) for letter in set(word)) >= least * both
