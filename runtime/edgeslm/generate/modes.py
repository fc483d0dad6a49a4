"""The ways to take a step: plain, drafted and verified, or with a confident early exit.

Invariant of `Speculative`: the text is the one that `Plain` writes. A batch of tokens is computed with other kernels
than one token, so its logits differ in the last digits; where that could decide, between two tokens that lead by less
than NEAR_TIE, the token is computed again alone, as plain decoding does. It refuses to know what a text is.

What a mode may lose is bounded by its ledger (edgeslm/engine/ledger.py): whatever the estimates say, it stops where it
has been slower than plain decoding.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from edgeslm.engine.costs import SIZES, Acceptance, Costs, best_length
from edgeslm.engine.ledger import Ledger
from edgeslm.generate.decoder import BATCH_TOKENS, Decoder
from edgeslm.generate.drafts import Drafter

# Logits of one token differ by at most about this between a batch and the token alone (docs/log.md).
NEAR_TIE = 0.05
_TRIALS = 4  # drafted tokens after which a mode must pay
_FREE_REST = 8  # tokens without a guess, after guesses that did not pay and cost nothing but bookkeeping
# Looking for a guess costs a small model about twice the time of the look: the model's next step finds cold caches.
_SHADOW = 2.0
_FIRST_REST = 32  # the same where a guess costs a step; then twice as many


Clock = Callable[[], float]


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

    def __init__(self, decoder: Decoder, tally: Tally | None = None) -> None:
        """tally: to count in, where plain steps are only some of a mode's."""
        self._decoder = decoder
        self.tally = tally or Tally()

    def step(self, pending: int, most: int) -> list[int]:
        """One token."""
        self.tally.steps += 1
        return [self._decoder.next(pending)]


class Speculative:
    """Drafts, verifies all drafted tokens in one batch, and drafts as many as pays; none where none do."""

    def __init__(
        self,
        decoder: Decoder,
        drafter: Drafter,
        costs: Costs,
        *,
        free_trials: bool,
        ledger: Ledger | None = None,
        clock: Clock = time.perf_counter,
    ) -> None:
        """free_trials: a draft costs next to nothing, so the mode goes on guessing while it is switched off."""
        self._clock = clock
        self._decoder = decoder
        self._drafter = drafter
        self._costs = costs
        self._free_trials = free_trials
        self._ledger = ledger or Ledger()
        self.tally = Tally()
        self._plain = Plain(decoder, self.tally)
        self._acceptance: defaultdict[int, Acceptance] = defaultdict(Acceptance)  # by the drafter's evidence
        self._overhead = 0.0  # time that looking for a guess took the last time
        self._computed = 0.0  # time that the model took in the last timed step
        self._rest = 0  # steps still to be taken without looking for a guess, and without taking their time
        self._due = 0  # steps of the rest that begins with the next step, which is timed
        self._next_rest = _FIRST_REST

    def step(self, pending: int, most: int) -> list[int]:
        """What plain decoding would write, one token or more."""
        if self._rest:
            self._rest -= 1
            return self._plain.step(pending, 1)
        started = self._clock()
        most = min(most, self._decoder.room) - 1
        if not self._due and self._ledger.plain:  # before a plain step's time is known, nothing is known to be dear
            self._due = self._ledger.wait(self._look_cost())
        if self._due or most < 1 or not (self._free_trials or self._ledger.is_known):
            return self._settle(self._plain_step(pending), started, looked=False)
        evidence = self._drafter.evidence(pending)
        if evidence is None:
            return self._settle(self._plain_step(pending), started)
        wanted = best_length(self._costs, self._acceptance[evidence].rate, self._drafter.cost())
        length = self._affordable(min(wanted, most))
        if length:
            return self._verify(pending, evidence, length, started)
        return self._guess(pending, evidence, started, pays=wanted > 0)

    def _look_cost(self) -> float:
        """Plain tokens that looking for a guess may lose."""
        return self._overhead / self._ledger.plain if self._free_trials else self._drafter.cost()

    def _plain_step(self, pending: int) -> list[int]:
        """A plain step, its time taken."""
        started = self._clock()
        tokens = self._plain.step(pending, 1)
        self._computed = self._clock() - started
        return tokens

    def _settle(self, tokens: list[int], started: float, *, looked: bool = True) -> list[int]:
        """Charge what a plain step took, and what it took to look for a guess and to learn from it."""
        overhead = _SHADOW * max(0.0, self._clock() - started - self._computed)
        if looked and self._ledger.plain:  # the first look reads the whole prompt, the next ones a token
            self._overhead = overhead
        self._ledger.plain_step(self._computed, overhead)
        if self._due:
            self._rest, self._due = self._due - 1, 0
            self._ledger.untimed_steps(self._rest)
        return tokens

    def _affordable(self, length: int) -> int:
        """At most `length` drafted tokens: as many as may all be wrong."""
        cost = self._drafter.cost()
        while length and not self._ledger.affords(self._costs.verify(length + 1) - 1 + length * cost):
            length = next((size - 1 for size in reversed(SIZES) if size <= length), 0)
        return length

    def _guess(self, pending: int, evidence: int, started: float, *, pays: bool) -> list[int]:
        """A plain step that also learns whether a draft would have been right."""
        cost = self._drafter.cost()
        draft = self._drafter.draft(pending, 1)
        drafted = self._clock()
        tokens = self._plain_step(pending)
        self._acceptance[evidence].record(int(draft == tokens), int(draft != tokens))
        if cost > 0:
            self._learn_draft(drafted - started, 1)
            self._ledger.trial(self._clock() - started, 1, 1 + self._drafter.cost())
        if not pays:
            self._switch_off(self._acceptance[evidence])
        elif self._acceptance[evidence].seen >= _TRIALS:
            self._due = _FREE_REST  # it would pay, but has lost too much to be tried; guessing on is not free either
        return tokens if cost > 0 else self._settle(tokens, started)

    def _switch_off(self, acceptance: Acceptance) -> None:
        """Rest after guesses that did not pay, longer each time where a guess costs something."""
        if acceptance.seen >= _TRIALS:
            self.tally.switched_off = f"drafts were right {acceptance.rate:.0%} of the time, too seldom to pay here"
            self._due = _FREE_REST if self._free_trials else self._next_rest
            self._next_rest *= 2

    def _verify(self, pending: int, evidence: int, length: int, started: float) -> list[int]:
        self.tally.steps += 1
        decoder, held = self._decoder, len(self._decoder.tokens)
        draft = self._drafter.draft(pending, length)
        batch = [pending, *draft]
        drafted = self._clock()
        decoder.read(batch, outputs=len(batch))
        tokens, margins = decoder.best(0, len(batch))
        verified = self._clock()
        accepted = 0
        while accepted < len(draft) and margins[accepted] >= NEAR_TIE and tokens[accepted] == draft[accepted]:
            accepted += 1
        decoder.keep(held + accepted + 1)
        verdict = tokens[accepted]
        if margins[accepted] < NEAR_TIE:
            decoder.keep(held + accepted)
            verdict = self._plain.step(batch[accepted], 1)[0]
            self.tally.recomputed += 1
        self._record(evidence, draft, accepted, verdict)
        self._learn_draft(drafted - started, len(draft))
        if self._ledger.plain:
            self._costs.observe_batch(len(batch), (verified - drafted) / self._ledger.plain)
        expected = self._costs.verify(len(batch)) + len(draft) * self._drafter.cost()
        self._ledger.trial(self._clock() - started, accepted + 1, expected)
        return [*draft[:accepted], verdict]

    def _learn_draft(self, elapsed: float, count: int) -> None:
        if self._ledger.plain:
            self._drafter.observe(elapsed / count / self._ledger.plain)

    def _record(self, evidence: int, draft: list[int], accepted: int, verdict: int) -> None:
        missed = accepted < len(draft)
        # A near tie that turned out as drafted was no miss.
        hits = accepted + int(missed and draft[accepted] == verdict)
        self._acceptance[evidence].record(hits, int(missed and hits == accepted))
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

    def __init__(
        self,
        decoder: Decoder,
        layer: int,
        confidence: float,
        costs: Costs,
        ledger: Ledger | None = None,
        clock: Clock = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._decoder = decoder
        self._layer = layer
        self._confidence = confidence
        self._costs = costs
        self._ledger = ledger or Ledger()
        self._complete = len(decoder.tokens)  # tokens in the cache with entries in all layers
        self._tried = 0
        self.tally = Tally()

    def step(self, pending: int, most: int) -> list[int]:
        """One token, from the exit layer or from the last one."""
        self.tally.steps += 1
        started = self._clock()
        unfinished = len(self._decoder.tokens) - self._complete
        risk = self._costs.exit(self._layer, self._decoder.model.n_layer)
        tries = unfinished < BATCH_TOKENS - 1 and self._ledger.affords(risk)
        token = self._early(pending, started) if tries else None
        expected = risk
        if token is None:
            expected = risk * tries + self._costs.verify(unfinished + 1)
            token = self._full(pending)
        elapsed = self._clock() - started
        if tries or unfinished:
            self._ledger.trial(elapsed, 1, expected)
        else:
            self._ledger.plain_step(elapsed)
        self._report(tries)
        return [token]

    def _early(self, pending: int, started: float) -> int | None:
        decoder = self._decoder
        found: int | None = None
        decoder.exit_layer = self._layer
        try:
            decoder.read([pending])
            if decoder.top_probability(0) >= self._confidence:
                found = decoder.best(0, 1)[0][0]
        finally:
            decoder.exit_layer = 0
        self._tried += 1
        if self._ledger.plain:
            self._costs.observe_exit(self._layer, (self._clock() - started) / self._ledger.plain)
        if found is None:
            decoder.keep(len(decoder.tokens) - 1)
        else:
            self.tally.early += 1
        return found

    def _full(self, pending: int) -> int:
        decoder = self._decoder
        batch = [*decoder.tokens[self._complete :], pending]
        decoder.keep(self._complete)
        decoder.read(batch)
        self._complete = len(decoder.tokens)
        return decoder.best(len(batch) - 1, 1)[0][0]

    def _report(self, tries: bool) -> None:
        """Say that the mode rests, where what it gains does not pay for what it tries."""
        if tries:
            self.tally.switched_off = ""
        elif self._tried >= _TRIALS:
            share = self.tally.early / self._tried
            self.tally.switched_off = f"{share:.0%} of the tokens tried left early, too few to pay here"
