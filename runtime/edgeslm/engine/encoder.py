"""A sentence encoder in a GGUF file: texts to embeddings of unit length, and how alike two of them are.

It tokenizes, runs several texts at a time and pools by the mean over tokens, all in llama.cpp. It refuses to know what
the texts are. Invariants: an embedding depends on its text alone up to rounding, not on the texts beside it; a text
asked for again is answered from memory. Rows are plain `array('f')`; numpy is no dependency of the device package.
"""

from __future__ import annotations

import ctypes
import math
import weakref
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from operator import mul
from pathlib import Path
from types import TracebackType
from typing import Any

from edgeslm.engine.cores import default_threads
from edgeslm.engine.gguf_file import check_header
from edgeslm.engine.library import Library, first_reason, load_library
from edgeslm.engine.model import load_weights, read_metadata
from edgeslm.errors import ModelError

# Of a step. Every token of a step attends to every other before the mask takes out other texts: long steps cost more.
_STEP_TOKENS = 256
_STEP_TEXTS = 32
_GUESSED_TOKENS = 64  # that most texts are within


class Encoder:
    """A loaded sentence encoder. A context manager: memory is freed on exit (or when the object goes away)."""

    def __init__(self, path: str | Path, *, threads: int | None = None, cached: int = 4096) -> None:
        """Load `path`. threads: cores to compute with, by default those really available; cached: texts remembered.

        Raises ModelError for a file that is missing, damaged, or no encoder.
        """
        self.path = Path(path)
        check_header(self.path)
        self._library = load_library()
        self._llama = self._library.llama
        self._cached = cached
        self._known: OrderedDict[str, array[float]] = OrderedDict()
        handle = load_weights(self._library, self.path)
        try:
            self.metadata: dict[str, str] = dict(read_metadata(self._llama, handle))
            architecture = self.metadata.get("general.architecture", "")
            if "bert" not in architecture:
                raise ModelError(f"{self.path} is no encoder", reason=f"its architecture is {architecture}")
            self._vocab = self._llama.llama_model_get_vocab(handle)
            self.width: int = self._llama.llama_model_n_embd(handle)
            self.most_tokens = min(_STEP_TOKENS, self._llama.llama_model_n_ctx_train(handle) or _STEP_TOKENS)
            context = self._make_context(handle, threads or default_threads())
        except BaseException:
            self._llama.llama_model_free(handle)
            raise
        self._context = context
        self._finalizer = weakref.finalize(self, _free, self._library, context, handle)

    def __enter__(self) -> Encoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the model's memory; the object cannot be used afterwards."""
        self._finalizer()

    def embed(self, texts: Sequence[str]) -> list[array[float]]:
        """An embedding of unit length for each text. A text longer than the model reads is cut at its end.

        Raises ModelError if llama.cpp cannot run the model.
        """
        found: dict[str, array[float]] = {}
        for text in dict.fromkeys(texts):
            if text in self._known:
                self._known.move_to_end(text)
                found[text] = self._known[text]
        tokens = {text: self.tokenize(text) for text in dict.fromkeys(texts) if text not in found}
        for step in _steps(sorted(tokens, key=lambda text: len(tokens[text])), tokens, self.most_tokens):
            for text, row in zip(step, self._run([tokens[text] for text in step]), strict=True):
                found[text] = self._known[text] = row
        while len(self._known) > self._cached:
            self._known.popitem(last=False)
        return [found[text] for text in texts]

    def tokenize(self, text: str) -> list[int]:
        """Token ids with the special tokens around them, at most as many as the model reads."""
        data = text.encode("utf-8", "replace")
        size = _GUESSED_TOKENS
        while True:
            buffer = (self._llama.llama_token * size)()
            count = self._llama.llama_tokenize(self._vocab, data, len(data), buffer, size, True, False)
            if count >= 0:
                break
            size = -count
        tokens = list(buffer[:count])
        if len(tokens) > self.most_tokens:
            tokens = [*tokens[: self.most_tokens - 1], tokens[-1]]
        return tokens

    def _run(self, rows: Sequence[Sequence[int]]) -> Iterator[array[float]]:
        """Embed texts of together at most `most_tokens` tokens, each a sequence of its own in one batch."""
        total = sum(len(row) for row in rows)
        batch = self._llama.llama_batch_init(total, 0, 1)
        try:
            at = 0
            for sequence, row in enumerate(rows):
                for position, token in enumerate(row):
                    batch.token[at] = token
                    batch.pos[at] = position
                    batch.n_seq_id[at] = 1
                    batch.seq_id[at][0] = sequence
                    batch.logits[at] = 1
                    at += 1
            batch.n_tokens = at
            status = self._llama.llama_encode(self._context, batch)
        finally:
            self._llama.llama_batch_free(batch)
        if status != 0:
            reason = first_reason(self._library.take_log()) or f"llama.cpp returned {status}"
            raise ModelError(f"{self.path} could not be run", reason=reason)
        for sequence in range(len(rows)):
            pointer = self._llama.llama_get_embeddings_seq(self._context, sequence)
            values = array("f")
            values.frombytes(ctypes.string_at(pointer, self.width * ctypes.sizeof(ctypes.c_float)))
            length = math.hypot(*values)
            if not 0 < length < math.inf:
                raise ModelError(f"{self.path} gives no embedding", reason=f"its length is {length}")
            yield array("f", [value / length for value in values])

    def _make_context(self, handle: Any, threads: int) -> Any:
        params = self._llama.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = self.most_tokens
        params.n_seq_max = _STEP_TEXTS
        params.kv_unified = True
        params.pooling_type = self._llama.LLAMA_POOLING_TYPE_MEAN
        params.embeddings = True
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        context = self._library.own.edgeslm_make_context(handle, params)
        if not context:
            reason = first_reason(self._library.take_log()) or "llama.cpp gave no reason"
            raise ModelError(f"cannot prepare the model {self.path}", reason=reason, hint="free some memory")
        return context


def likeness(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of two embeddings of unit length, -1 to 1."""
    return sum(map(mul, one, other))


def _steps(texts: Sequence[str], tokens: dict[str, list[int]], most: int) -> Iterator[list[str]]:
    """The texts in runs of at most `most` tokens and _STEP_TEXTS texts."""
    step: list[str] = []
    size = 0
    for text in texts:
        if step and (size + len(tokens[text]) > most or len(step) == _STEP_TEXTS):
            yield step
            step, size = [], 0
        step.append(text)
        size += len(tokens[text])
    if step:
        yield step


def _free(library: Library, context: Any, handle: Any) -> None:
    library.llama.llama_free(context)
    library.llama.llama_model_free(handle)
