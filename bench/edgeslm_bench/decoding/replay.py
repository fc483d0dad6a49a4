"""Models that write a given text: everything is computed, then the token that the text goes on with is taken.

So a workload can be measured on random weights of an exact shape, which by themselves write nothing like a summary or
a query: the time of each step is that of the shape, and what share of guessed tokens is right is a property of the
text, its prompt, the grammar and the tokenizer. Refuses to replay drafts of the model itself, which are its own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeslm.engine import Model
from edgeslm.engine.choice import Chooser
from edgeslm.engine.memory import Plan
from edgeslm.errors import ModelError
from edgeslm.generate.decoder import BATCH_TOKENS, Decoder

_CERTAIN = 1e3  # lead of a replayed token over the second one


class ReplayDecoder(Decoder):
    """Finds most likely what its script goes on with. Without a script it is a plain decoder."""

    def __init__(self, path: str | Path, *, plan: Plan, threads: int | None = None) -> None:
        super().__init__(path, plan=plan, threads=threads)
        self.script: list[int] = []  # the prompt and the text after it
        self._start = 0  # position of the last step's first token

    def read(self, tokens: Sequence[int], *, outputs: int = 1) -> None:
        self._start = len(self.tokens) + (len(tokens) - 1) // BATCH_TOKENS * BATCH_TOKENS
        super().read(tokens, outputs=outputs)

    def best(self, first: int, count: int) -> tuple[list[int], list[float]]:
        tokens, margins = super().best(first, count)
        if not self.script:
            return tokens, margins
        return self._scripted(self._start + first + 1, tokens), [_CERTAIN] * count

    def next(self, token: int) -> int:
        found = super().next(token)
        return self._scripted(len(self.tokens), [found])[0] if self.script else found

    def _scripted(self, place: int, tokens: list[int]) -> list[int]:
        """The script's tokens from `place` on instead of those that were found, as far as it goes."""
        if self.exit_layer:
            raise ModelError("a replayed text says nothing of what the first layers would draft")
        wanted = self.script[place : place + len(tokens)]
        return wanted + tokens[len(wanted) :]


class ReplayModel(Model):
    """Chooses what its script goes on with, under the grammar, and ends where the script does."""

    script: tuple[int, ...] = ()

    def make_chooser(self, *, temperature: float, seed: int, grammar: Any) -> Chooser:
        return _ReplayChooser(self, grammar, self.script)


class _ReplayChooser(Chooser):
    """Does the work of choosing, then takes the script's token. Raises ModelError where the grammar refuses it."""

    def __init__(self, model: ReplayModel, grammar: Any, script: Sequence[int]) -> None:
        super().__init__(model.library, model.context, model.name)
        self._llama = model.library.llama
        self._script = script
        self._enforced = grammar
        self._written = 0

    def choose(self, index: int) -> tuple[int, float]:
        _, logprob = super().choose(index)
        token = self._script[self._written]
        self._written += 1
        single = (self._llama.llama_token_data * 1)(self._llama.llama_token_data(token, 0.0, 0.0))
        candidates = self._llama.llama_token_data_array(single, 1, -1, False)
        if self._enforced:
            self._llama.llama_sampler_apply(self._enforced, ctypes.byref(candidates))
            if single[0].logit != 0.0:
                raise ModelError("the replayed text is not one of the grammar's", reason=f"token {self._written}")
            self._llama.llama_sampler_accept(self._enforced, token)
        return token, logprob
