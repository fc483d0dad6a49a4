"""The ways to take a step: plain, drafted and verified, or with a confident early exit.

Invariant of `Speculative`: the text is the one that `Plain` writes. A batch of tokens is computed with other kernels
than one token, so its logits differ in the last digits; where that could decide, between two tokens that lead by less
than NEAR_TIE, the token is computed again alone, as plain decoding does. It refuses to know what a text is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from edgeslm.generate.costs import Acceptance, Costs, best_length
from edgeslm.generate.decoder import BATCH_TOKENS, Decoder
from edgeslm.generate.drafts import Drafter

# Logits of one token differ by at most about this between a batch and the token alone (docs/log.md).
NEAR_TIE = 0.05
_TRIALS = 4  # drafted tokens after which a mode must pay
_FREE_RETRY = 8  # tokens until a mode whose guesses cost nothing but bookkeeping guesses again
_FIRST_RETRY = 64  # tokens until a mode that was switched off is tried again; then twice as many


@dataclass
class Tally:
    """What a mode did, for the timing."""

    steps: int = 0
    drafted: int = 0
    accepted: int = 0
    recomputed: int = 0  # near ties
    lengths: dict[int, int] = field(default_factory=dict)
    early: int = 0  # tokens that left at the exit layer
    switched_off: str = ""


class Mode(Protocol):
    """Takes steps. `pending` is the last token chosen; the decoder has read all before it."""

    tally: Tally

    def step(self, pending: int, most: int) -> list[int]:
        """At least one and at most `most` tokens after `pending`; the decoder has then read all but the last."""
        ...


class Plain:
    """One token a step, all layers (or those up to the decoder's exit layer)."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.tally = Tally()

    def step(self, pending: int, most: int) -> list[int]:
        """One token."""
        self._decoder.read([pending])
        self.tally.steps += 1
        return self._decoder.best(0, 1)[0]


class Speculative:
    """Drafts, verifies all drafted tokens in one batch, and drafts as many as pays; none where none do."""

    def __init__(self, decoder: Decoder, drafter: Drafter, costs: Costs, *, free_trials: bool) -> None:
        """free_trials: a draft costs next to nothing, so the mode goes on guessing while it is switched off."""
        self._decoder = decoder
        self._drafter = drafter
        self._costs = costs
        self._free_trials = free_trials
        self._plain = Plain(decoder)
        self._acceptance = Acceptance()
        self._rest = 0
        self._next_rest = _FIRST_RETRY
        self._length = 0
        self.tally = Tally()
        self._choose_length()

    @property
    def acceptance(self) -> float:
        """The present estimate of the share of drafted tokens that are right."""
        return self._acceptance.rate

    def step(self, pending: int, most: int) -> list[int]:
        """What plain decoding would write, one token or more."""
        self.tally.steps += 1
        if self._length == 0:
            return self._guess(pending) if self._is_trial() else self._plain.step(pending, most)
        draft = self._drafter.draft(pending, min(self._length, most - 1, self._decoder.room - 1))
        return self._verify(pending, draft) if draft else self._plain.step(pending, most)

    def _choose_length(self) -> None:
        """As many drafted tokens as pay by what is known now."""
        self._length = best_length(self._costs, self._acceptance.rate, self._drafter.cost())

    def _is_trial(self) -> bool:
        """Whether to guess without relying on it. Rests after guesses that did not pay."""
        if self._rest > 0:
            self._rest -= 1
            return False
        return True

    def _guess(self, pending: int) -> list[int]:
        """A plain step that also learns whether a draft would have been right."""
        draft = self._drafter.draft(pending, 1)
        tokens = self._plain.step(pending, 1)
        if draft:
            hit = draft[0] == tokens[0]
            self._acceptance.record(int(hit), int(not hit))
            self._choose_length()
        if self._length == 0 and self._acceptance.seen >= _TRIALS:
            rate = self._acceptance.rate
            self.tally.switched_off = f"drafts were right {rate:.0%} of the time, too seldom to pay here"
            self._rest = _FREE_RETRY if self._free_trials else self._next_rest
            self._next_rest *= 2
        return tokens

    def _verify(self, pending: int, draft: list[int]) -> list[int]:
        decoder, held = self._decoder, len(self._decoder.tokens)
        batch = [pending, *draft]
        started = time.perf_counter()
        decoder.read(batch, outputs=len(batch))
        self._costs.observe(len(batch), (time.perf_counter() - started) * 1e3)
        tokens, margins = decoder.best(0, len(batch))
        accepted = 0
        while accepted < len(draft) and margins[accepted] >= NEAR_TIE and tokens[accepted] == draft[accepted]:
            accepted += 1
        decoder.keep(held + accepted + 1)
        verdict = tokens[accepted]
        if margins[accepted] < NEAR_TIE:
            decoder.keep(held + accepted)
            verdict = self._plain.step(batch[accepted], 1)[0]
            self.tally.recomputed += 1
        self._record(draft, accepted, verdict)
        return [*draft[:accepted], verdict]

    def _record(self, draft: list[int], accepted: int, verdict: int) -> None:
        missed = accepted < len(draft)
        # A near tie that turned out as drafted was no miss.
        hits = accepted + int(missed and draft[accepted] == verdict)
        self._acceptance.record(hits, int(missed and hits == accepted))
        self._choose_length()
        self.tally.switched_off = ""
        self.tally.drafted += len(draft)
        self.tally.accepted += hits
        self.tally.lengths[len(draft)] = self.tally.lengths.get(len(draft), 0) + 1


class ConfidentExit:
    """Leaves at the exit layer where its head is sure enough; goes through all layers where it is not.

    A token that left early has no keys and values above the exit layer. The exit's own layers do not need them; before
    all layers are computed for a later token, those tokens are read again through all layers, in one batch with it. So
    every full step sees exactly the cache that full decoding of the same text would have made.
    Source: Schuster et al. 2022, CALM (confidence by the top probability); Bae et al. 2023, FREE (catching up).
    """

    def __init__(self, decoder: Decoder, layer: int, confidence: float, costs: Costs) -> None:
        self._decoder = decoder
        self._layer = layer
        self._confidence = confidence
        self._costs = costs
        self._complete = len(decoder.tokens)  # tokens in the cache with entries in all layers
        self._spent = 0.0
        self._written = 0
        self.tally = Tally()

    def step(self, pending: int, most: int) -> list[int]:
        """One token, from the exit layer or from the last one."""
        if self.tally.switched_off:
            return [self._full(pending)]
        self.tally.steps += 1
        started = time.perf_counter()
        token = self._early(pending) if len(self._decoder.tokens) - self._complete < BATCH_TOKENS - 1 else None
        if token is None:
            token = self._full(pending)
        else:
            self.tally.early += 1
        self._spent += (time.perf_counter() - started) * 1e3
        self._written += 1
        self._judge()
        return [token]

    def _early(self, pending: int) -> int | None:
        decoder = self._decoder
        decoder.exit_layer = self._layer
        try:
            decoder.read([pending])
            if decoder.top_probability(0) >= self._confidence:
                return decoder.best(0, 1)[0][0]
        finally:
            decoder.exit_layer = 0
        decoder.keep(len(decoder.tokens) - 1)
        return None

    def _full(self, pending: int) -> int:
        decoder = self._decoder
        batch = [*decoder.tokens[self._complete :], pending]
        decoder.keep(self._complete)
        decoder.read(batch)
        self._complete = len(decoder.tokens)
        return decoder.best(len(batch) - 1, 1)[0][0]

    def _judge(self) -> None:
        """Switch the mode off once it is clear that it costs more than it saves."""
        unfinished = len(self._decoder.tokens) - self._complete
        if self._written >= 2 * _TRIALS and unfinished == 0 and self._spent > self._costs.plain * self._written:
            share = self.tally.early / self._written
            self.tally.switched_off = f"{share:.0%} of the tokens left early, too few to pay here"
