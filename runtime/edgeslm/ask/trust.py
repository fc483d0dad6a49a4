"""How far an answer can be trusted: the chance that its reading is what was meant.

The model's own probability says how sure it is among the queries it was offered. Whether what was meant was among them,
it can't know; the words that nothing in the log speaks of, the length of the question and an empty result say more of
that. The weights are a logistic regression on 320 questions that others wrote over ten logs never met (docs/decisions,
9). Knows no SQL and no log.
"""

import math
from dataclasses import dataclass

SURE = 0.65  # from there on an answer counts as sure
_LOGIT, _UNMATCHED, _WORDS, _GUESS, _NOTHING, _BASE = 0.272, -0.254, -0.082, -1.358, -1.502, 1.553
_EDGE = 1e-4  # probabilities nearer to 0 or 1 say no more


@dataclass(frozen=True)
class Doubts:
    """What there is to doubt about the readings of one question.

    least: the probability from which on the model's plans count as sure by themselves. words: how many words of the
    question may name something. unmatched: how many of them nothing in the log speaks of. guess: some of those were
    offered to be looked for as they stand.
    """

    least: float
    words: int
    unmatched: int
    guess: bool

    def trust(self, probability: float, *, found: bool = True) -> float:
        """The chance (0 to 1) that the reading is right. probability: the model's. found: its query found something."""
        return 1 / (
            1
            + math.exp(
                -(
                    _BASE
                    + _LOGIT * (_logit(probability) - _logit(self.least))
                    + _UNMATCHED * self.unmatched
                    + _WORDS * self.words
                    + _GUESS * self.guess
                    + _NOTHING * (not found)
                )
            )
        )


def _logit(probability: float) -> float:
    inner = min(max(probability, _EDGE), 1 - _EDGE)
    return math.log(inner / (1 - inner))
