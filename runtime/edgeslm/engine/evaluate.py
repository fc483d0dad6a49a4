"""What a GGUF computes for given tokens: the logits at every position, or an encoder's embeddings.

It is for comparing a file with what it was made from, so it takes token ids, not text, keeps the KV cache in float32
unless told otherwise and leaves out what trades digits for speed (flash attention). It refuses to judge the numbers.
Invariant: rows are plain `array('f')`; numpy is no dependency of the device package.
"""

from __future__ import annotations

import ctypes
import weakref
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from edgeslm.engine.adapter import apply_adapter, load_adapter
from edgeslm.engine.cores import default_threads
from edgeslm.engine.gguf_file import check_header
from edgeslm.engine.library import Library, first_reason, load_library
from edgeslm.engine.model import load_weights, read_metadata
from edgeslm.errors import ModelError

_BATCH_TOKENS = 512
_GGML_TYPES = {"f32": 0, "f16": 1}  # enum ggml_type


class Evaluator:
    """A loaded GGUF that gives raw numbers. A context manager: memory is freed on exit (or with the object)."""

    def __init__(
        self,
        path: str | Path,
        *,
        n_ctx: int = 512,
        kv_type: str = "f32",
        threads: int | None = None,
        observer: tuple[Any, int] | None = None,
        adapter: str | Path | None = None,
    ) -> None:
        """Load `path` with room for `n_ctx` tokens. kv_type: f32 or f16. Raises ModelError.

        observer: a compiled callback and its data, called with every tensor computed (cb_eval of llama.h).
        adapter: GGUF of a LoRA adapter made for this model.
        """
        self.path = Path(path)
        self._observer = observer
        check_header(self.path)
        self._library = load_library()
        self._llama = self._library.llama
        handle = load_weights(self._library, self.path)
        try:
            self.metadata: dict[str, str] = dict(read_metadata(self._llama, handle))
            self.architecture = self.metadata.get("general.architecture", "")
            self.is_encoder = "bert" in self.architecture
            self.train_context: int = self._llama.llama_model_n_ctx_train(handle)
            self.n_ctx = min(n_ctx, self.train_context) if self.train_context > 0 else n_ctx
            self.n_vocab: int = self._llama.llama_vocab_n_tokens(self._llama.llama_model_get_vocab(handle))
            self._width: int = self._llama.llama_model_n_embd(handle)
            lora = load_adapter(self._library, handle, Path(adapter)) if adapter else None
            context = self._make_context(handle, kv_type, threads or default_threads())
            if lora:
                apply_adapter(self._library, context, lora)
        except BaseException:
            self._llama.llama_model_free(handle)
            raise
        self._context = context
        self._finalizer = weakref.finalize(self, _free, self._library, context, handle)

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the model's memory; the object cannot be used afterwards."""
        self._finalizer()

    def logits(self, tokens: Sequence[int]) -> list[array[float]]:
        """The logits after each of `tokens`, read as one text from its beginning: len(tokens) rows of n_vocab.

        Raises ModelError for an encoder, for tokens that do not fit, and if llama.cpp cannot run the model.
        """
        if self.is_encoder:
            raise ModelError(f"{self.path} has no logits", reason=f"{self.architecture} is an encoder")
        self._check_tokens(tokens)
        self._llama.llama_memory_clear(self._llama.llama_get_memory(self._context), False)
        rows: list[array[float]] = []
        for start in range(0, len(tokens), _BATCH_TOKENS):
            part = tokens[start : start + _BATCH_TOKENS]
            self._run(self._llama.llama_decode, part, start)
            rows += [
                _copy(self._llama.llama_get_logits_ith(self._context, index), self.n_vocab)
                for index in range(len(part))
            ]
        return rows

    def embeddings(self, tokens: Sequence[int]) -> list[array[float]]:
        """What an encoder makes of `tokens`, not pooled: its last hidden state, len(tokens) rows.

        Raises ModelError for a model that is no encoder, for tokens that do not fit, and if it cannot be run.
        """
        if not self.is_encoder:
            raise ModelError(f"{self.path} is no encoder", reason=f"its architecture is {self.architecture}")
        self._check_tokens(tokens)
        self._run(self._llama.llama_encode, tokens, 0)
        return [
            _copy(self._llama.llama_get_embeddings_ith(self._context, index), self._width)
            for index in range(len(tokens))
        ]

    def _make_context(self, handle: Any, kv_type: str, threads: int) -> Any:
        params = self._llama.llama_context_default_params()
        params.n_ctx = self.n_ctx
        # An encoder sees all tokens at once.
        params.n_batch = params.n_ubatch = self.n_ctx if self.is_encoder else min(_BATCH_TOKENS, self.n_ctx)
        params.type_k = params.type_v = _GGML_TYPES[kv_type]
        params.flash_attn_type = self._llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.pooling_type = self._llama.LLAMA_POOLING_TYPE_NONE
        params.embeddings = self.is_encoder
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        if self._observer:
            params.cb_eval, params.cb_eval_user_data = self._observer
        context = self._library.own.edgeslm_make_context(handle, params)
        if not context:
            reason = first_reason(self._library.take_log()) or "llama.cpp gave no reason"
            raise ModelError(f"cannot prepare the model {self.path}", reason=reason, hint="free some memory")
        return context

    def _check_tokens(self, tokens: Sequence[int]) -> None:
        reasons = []
        if not 0 < len(tokens) <= self.n_ctx:
            reasons.append(f"there are {len(tokens)} tokens and the context holds {self.n_ctx}")
        if strange := [token for token in tokens if not 0 <= token < self.n_vocab]:
            reasons.append(f"token {strange[0]} is not one of its {self.n_vocab}")
        if reasons:
            raise ModelError(f"{self.path} cannot read these tokens", reason="; ".join(reasons))

    def _run(self, function: Any, tokens: Sequence[int], position: int) -> None:
        """Run the model over `tokens` at `position`, with an output for each."""
        batch = self._llama.llama_batch_init(len(tokens), 0, 1)
        try:
            batch.n_tokens = len(tokens)
            for index, token in enumerate(tokens):
                batch.token[index] = token
                batch.pos[index] = position + index
                batch.n_seq_id[index] = 1
                batch.seq_id[index][0] = 0
                batch.logits[index] = 1
            status = function(self._context, batch)
        finally:
            self._llama.llama_batch_free(batch)
        if status != 0:
            reason = first_reason(self._library.take_log()) or f"llama.cpp returned {status}"
            raise ModelError(f"{self.path} could not be run", reason=reason)


def token_logits(path: str | Path, tokens: Sequence[int], *, kv_type: str = "f32") -> list[array[float]]:
    """The logits of the GGUF at `path` after each of `tokens`; see `Evaluator.logits`."""
    with Evaluator(path, n_ctx=len(tokens), kv_type=kv_type) as model:
        return model.logits(tokens)


def _copy(pointer: Any, length: int) -> array[float]:
    """`length` floats out of llama.cpp's memory, which the next call overwrites."""
    row = array("f")
    row.frombytes(ctypes.string_at(pointer, length * ctypes.sizeof(ctypes.c_float)))
    return row


def _free(library: Library, context: Any, handle: Any) -> None:
    library.llama.llama_free(context)
    library.llama.llama_model_free(handle)
