"""Choosing the next token: greedily or drawn, under a grammar if there is one, and what that grammar forces.

Text that a grammar forces is offered as tokens to read in one batch; each is chosen all the same, as if it had been
read alone, so a forced text costs one step and changes no result. It refuses to run the model.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable, Sequence
from typing import Any

from edgeslm.engine.costs import Acceptance, Costs, best_length, expected_tokens
from edgeslm.engine.hooks import bind
from edgeslm.engine.ledger import Ledger
from edgeslm.engine.library import Library
from edgeslm.errors import ModelError

_FORCED_BYTES = 1024  # runtime/native/edgeslm.h


class Chooser:
    """Chooses tokens from a context's logits. Close it to free the grammar."""

    def __init__(
        self, library: Library, context: Any, name: str, *, temperature: float = 0.0, seed: int = 0, grammar: Any = None
    ) -> None:
        """grammar: a grammar sampler, not owned. name: of the model, for messages."""
        self._own = bind(library)
        self._context = context
        self._name = name
        self._temperature = temperature
        self._draws = random.Random(seed)
        self._grammar = grammar
        self._logprob = ctypes.c_float()

    def choose(self, index: int) -> tuple[int, float]:
        """The token after entry `index` of the last batch, -1 for its last, and its logprob. Raises ModelError."""
        token: int = self._own.edgeslm_sample_token_at(
            self._context,
            index,
            self._grammar,
            self._temperature,
            self._draws.random(),
            ctypes.byref(self._logprob),
        )
        if token == -1:
            raise ModelError(
                f"{self._name} cannot write what the grammar asks for",
                reason="no token of its vocabulary is allowed here",
            )
        if token < 0:
            raise ModelError(f"{self._name} gives no usable numbers", reason="its weights are damaged")
        return token, self._logprob.value


class Pace:
    """How many forced tokens to read at once: as many as pay here, none where batches have been slower.

    They pay where reading the weights takes the time; a model small enough for the CPU's cache may gain nothing.
    """

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._costs = Costs()
        # Forced tokens are wrong only where the model splits the text otherwise than the tokenizer; the last of them
        # also where its token goes on beyond what is forced.
        self._acceptance = Acceptance(hits=1.9, trials=2.0)
        self._last = Acceptance(hits=1.0, trials=2.0)
        self.steps = 0
        self.offered = 0
        self.accepted = 0

    def note(self, offered: int, accepted: int, elapsed: float, *, to_the_end: bool = False) -> None:
        """A step that offered forced tokens beside the one before them took `elapsed`; `accepted` were right.

        to_the_end: the last of them was the last forced one.
        """
        self.steps += 1
        self.offered += offered
        self.accepted += accepted
        if not offered:
            self._ledger.plain_step(elapsed)
            return
        if self._ledger.plain:
            self._costs.observe_batch(offered + 1, elapsed / self._ledger.plain)
        if to_the_end and accepted >= offered - 1:
            self._last.record(int(accepted == offered), int(accepted < offered))
            self._acceptance.record(offered - 1, 0)
        else:
            self._acceptance.record(accepted, int(accepted < offered))
        self._ledger.trial(elapsed, accepted + 1, self._costs.verify(offered + 1))

    def most(self, forced: int) -> int:
        """How many of `forced` tokens to read at once now."""
        rate = self._acceptance.rate
        more = self._costs.verify(forced + 1) - self._costs.verify(forced)
        if forced > 1 and self._last.rate * rate ** (forced - 1) < more:
            forced -= 1
        length = best_length(self._costs, rate if forced > 1 else self._last.rate, 0.0, forced)
        while length and not self._ledger.affords(self._costs.verify(length + 1) - expected_tokens(rate, length)):
            length -= 1
        return length


class Forcer:
    """Follows a grammar as tokens are chosen and offers the tokens of the text that must come. Close it."""

    def __init__(
        self, library: Library, vocabulary: Any, grammar: str, tokenize: Callable[[str], Sequence[int]]
    ) -> None:
        """grammar: GBNF that a sampler has accepted already. tokenize: of text that follows other text."""
        self._own = bind(library)
        self._tokenize = tokenize
        self._handle = self._own.edgeslm_forcer_init(vocabulary, grammar.encode())
        self._buffer = ctypes.create_string_buffer(_FORCED_BYTES)
        if not self._handle:
            raise ModelError("the grammar is not valid GBNF")

    def close(self) -> None:
        """Free the grammar."""
        self._own.edgeslm_forcer_free(self._handle)
        self._handle = None

    def accept(self, token: int) -> None:
        """Go on by a chosen token."""
        self._own.edgeslm_forcer_accept(self._handle, token)

    @property
    def is_done(self) -> bool:
        """Whether nothing but the end may follow."""
        return bool(self._own.edgeslm_forcer_is_done(self._handle))

    def text(self) -> str:
        """The text that must follow; empty where there is a choice."""
        length = self._own.edgeslm_forcer_text(self._handle, self._buffer, _FORCED_BYTES)
        return self._buffer.raw[: max(0, length)].decode("utf-8", "replace")

    def tokens(self, written: Sequence[int], text: str, most: int) -> list[int]:
        """At most `most` tokens of the text that must follow `written`, whose text is `text`.

        There are none where the model split the text otherwise than the tokenizer would: it would do so again.
        """
        forced = self.text()
        if not forced or most < 1:
            return []
        whole = list(self._tokenize(text + forced))
        if whole[: len(written)] != list(written):
            return []
        return whole[len(written) : len(written) + most]
