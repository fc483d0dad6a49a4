"""A model and the tokens its KV cache holds: read more, take some back, compute fewer layers.

Invariant: `tokens` is exactly what the cache holds, in order. It refuses to know where the next token comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from edgeslm.engine.library import first_reason
from edgeslm.engine.memory import Plan
from edgeslm.engine.model import Model
from edgeslm.errors import ModelError

BATCH_TOKENS = 512  # of one step of llama.cpp, as the engine sets it
MOST_OUTPUTS = 32


class Decoder:
    """A loaded model that is read to and taken back. A context manager: memory is freed on exit."""

    def __init__(
        self, path: str | Path, *, n_ctx: int = 2048, threads: int | None = None, plan: Plan | None = None
    ) -> None:
        """Load `path`; the arguments are those of `Model`. Raises ModelError."""
        self.model = Model(path, n_ctx=n_ctx, threads=threads, plan=plan, outputs=MOST_OUTPUTS)
        self.tokens: list[int] = []
        self._hooks = self.model.hooks()
        self._llama = self.model.library.llama
        self._memory = self._llama.llama_get_memory(self.model.context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the model's memory."""
        self.model.close()

    @property
    def room(self) -> int:
        """How many more tokens fit the context."""
        return self.model.n_ctx - len(self.tokens)

    @property
    def exit_layer(self) -> int:
        """The layer after which the head reads, 0 for the last one."""
        return self._hooks.exit_layer

    @exit_layer.setter
    def exit_layer(self, layer: int) -> None:
        """Raises InputError for a layer that the model does not have, ModelError if it cannot leave layers out."""
        self._hooks.set_exit_layer(layer, self.model.n_layer)

    def set_threads(self, one: int, many: int) -> None:
        """Threads for steps of one token, and for batches."""
        self._llama.llama_set_n_threads(self.model.context, one, many)

    def read(self, tokens: Sequence[int], *, outputs: int = 1) -> None:
        """Run the model over `tokens` after what the cache holds; the last `outputs` of them can then be asked about.

        outputs: at most MOST_OUTPUTS, and within one step of BATCH_TOKENS. Raises ModelError if llama.cpp refuses.
        """
        for start in range(0, len(tokens), BATCH_TOKENS):
            part = list(tokens[start : start + BATCH_TOKENS])
            wanted = min(outputs, len(part)) if start + len(part) == len(tokens) else 0
            status = self._hooks.decode(part, len(self.tokens), wanted)
            if status != 0:
                raise self._failure(f"llama_decode returned {status}")
            self.tokens += part

    def next(self, token: int) -> int:
        """Read one token and choose the next, the most likely one: as `read` and `best`, in one call."""
        found = self._hooks.next_token(token, len(self.tokens))
        if found < 0:
            raise self._failure("llama_decode failed")
        self.tokens.append(token)
        return found

    def _failure(self, otherwise: str) -> ModelError:
        reason = first_reason(self.model.library.take_log()) or otherwise
        return ModelError(f"{self.model.name} could not be run", reason=reason)

    def best(self, first: int, count: int) -> tuple[list[int], list[float]]:
        """The most likely token after entries first … of the last step, and its lead over the second one (logits)."""
        return self._hooks.greedy(first, count)

    def top_probability(self, index: int) -> float:
        """How probable the most likely token after entry `index` of the last step is."""
        return self._hooks.top_probability(index)

    def keep(self, count: int) -> None:
        """Forget all but the first `count` tokens. Raises ModelError for a model that cannot."""
        if count >= len(self.tokens):
            return
        if not self._llama.llama_memory_seq_rm(self._memory, 0, count, -1):
            raise ModelError(f"{self.model.name} cannot take tokens back", reason="it keeps a recurrent state")
        del self.tokens[count:]
