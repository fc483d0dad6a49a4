"""A causal language model in a GGUF file: tokenize, complete a prompt under a grammar, apply the chat template.

It knows llama.cpp and nothing of logs, questions or SQL. One Model is used by one thread at a time.
Invariants: the weights are held in memory once; a completion depends on its arguments alone, never on earlier calls
(unless `reuse_prefix` is asked for, which may change the last digits of a logit); a bad file raises ModelError, it
never ends the process.
"""

from __future__ import annotations

import ctypes
import os
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgeslm.engine.adapter import apply_adapter, load_adapter
from edgeslm.engine.choice import Chooser, Forcer, Pace
from edgeslm.engine.cores import default_threads
from edgeslm.engine.gguf_file import check_causal, check_header
from edgeslm.engine.hooks import Hooks
from edgeslm.engine.library import Library, first_reason, load_library
from edgeslm.engine.memory import KV_TYPES, Plan
from edgeslm.errors import ModelError

# Tokens per prefill step: larger gains nothing on small cores and costs buffers.
_BATCH_TOKENS = 512
# Tokens that a grammar forces are read in batches of at most this many, each with its logits.
_FORCED_AT_ONCE = 16


@dataclass(frozen=True)
class Completion:
    """What the model wrote and what it cost.

    tokens and logprobs (natural, the grammar aside) leave out the end token.
    """

    text: str
    tokens: list[int]
    logprobs: list[float]
    prompt_tokens: int
    completion_tokens: int
    prefill_ms: float
    decode_ms: float
    finished: bool  # ended by the model or by a stop text, not by max_tokens or a full context


class Model:
    """A loaded GGUF model. A context manager: memory is freed on exit (or when the object goes away)."""

    def __init__(
        self,
        path: str | Path,
        *,
        n_ctx: int = 2048,
        threads: int | None = None,
        reuse_prefix: bool = False,
        adapter: str | Path | None = None,
        plan: Plan | None = None,
        outputs: int = _FORCED_AT_ONCE,
    ) -> None:
        """Load `path` with a context of `n_ctx` tokens, at most what it was trained for.

        threads: cores to compute with, by default those really available.
        reuse_prefix: keep the beginning that a prompt shares with the prompt before it.
        adapter: GGUF of a LoRA adapter made for this model.
        plan: how to hold it in memory, instead of n_ctx. outputs: tokens of one batch whose logits may be read.
        Raises ModelError for a file that is missing, damaged, or no causal language model.
        """
        self.path = Path(path)
        self.threads = threads or default_threads()
        self._reuse_prefix = reuse_prefix
        self._cached: list[int] = []
        self.pace = Pace()  # what batches of forced tokens have cost and gained so far
        self.clock = time.perf_counter  # what decoding is timed and judged by
        check_header(self.path)
        self._library = load_library()
        self._llama = self._library.llama
        plan = plan or Plan(n_ctx)
        handle = load_weights(self._library, self.path, plan.load_mode)
        try:
            self.metadata: dict[str, str] = dict(read_metadata(self._llama, handle))
            check_causal(self.path, self.metadata)
            self._check_kind(handle)
            self._vocab = self._llama.llama_model_get_vocab(handle)
            self.train_context: int = self._llama.llama_model_n_ctx_train(handle)
            lora = load_adapter(self._library, handle, Path(adapter)) if adapter else None
            context = self._make_context(handle, plan, outputs)
            if lora:
                apply_adapter(self._library, context, lora)
        except BaseException:
            self._llama.llama_model_free(handle)
            raise
        self._handle = handle
        self._context = context
        self.n_ctx: int = self._llama.llama_n_ctx(context)
        self._finalizer = weakref.finalize(self, _free, self._library, context, handle)

    @property
    def name(self) -> str:
        """The model's own name, or the file's."""
        return self.metadata.get("general.name") or self.path.stem

    @property
    def library(self) -> Library:
        """The library that computes it."""
        return self._library

    @property
    def context(self) -> Any:
        """llama.cpp's context, for `edgeslm.generate`, which decodes by itself."""
        return self._context

    @property
    def n_layer(self) -> int:
        """How many layers it has."""
        count: int = self._llama.llama_model_n_layer(self._handle)
        return count

    def hooks(self) -> Hooks:
        """Batches with a verdict and early exit on this model's context."""
        return Hooks(self._library, self._context)

    def is_end(self, token: int) -> bool:
        """Whether the model says with this token that it is done."""
        return bool(self._llama.llama_vocab_is_eog(self._vocab, token))

    def close(self) -> None:
        """Free the model's memory; the object cannot be used afterwards."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def tokenize(self, text: str, *, add_special: bool = True, parse_special: bool = True) -> list[int]:
        """Token ids of `text`. add_special: BOS where the model wants one; parse_special: `<s>` in it is a token."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        while True:
            buffer = (self._llama.llama_token * size)()
            count = self._llama.llama_tokenize(self._vocab, data, len(data), buffer, size, add_special, parse_special)
            if count >= 0:
                return list(buffer[:count])
            size = -count

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`; control tokens are left out, bytes that are not UTF-8 replaced."""
        return b"".join(self._piece(token) for token in tokens).decode("utf-8", "replace")

    def chat_prompt(self, system: str, user: str) -> str:
        """The prompt for one exchange by the model's chat template; plain text without one that llama.cpp knows."""
        template = self._llama.llama_model_chat_template(self._handle, None)
        if template:
            for roles in (("system", "user"), ("user",)):  # some templates have no system role
                text = self._apply_template(template, system, user, roles)
                if text is not None:
                    return text
        return f"{system}\n\n{user}\n" if system else f"{user}\n"

    def complete(
        self,
        prompt: str | Sequence[int],
        *,
        grammar: str | None = None,
        max_tokens: int = 256,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int = 0,
        ignore_end: bool = False,
        reuse_prefix: bool | None = None,
        fast_forward: bool = True,
    ) -> Completion:
        """Continue `prompt`, text or token ids, greedily at temperature 0, else drawn with `seed`.

        grammar: GBNF with a rule `root`; the text is then a prefix of a sentence of it, a whole one if `finished`.
        stop: the text ends before the first of these. ignore_end: write on after an end token, to measure a number of
        tokens. reuse_prefix: this time, instead of what the model was made with. fast_forward: read what the grammar
        forces in batches where that is faster; the text is the same. Raises ModelError if the prompt does not fit the
        context, the grammar is not GBNF, or the weights are damaged.
        """
        tokens = self.tokenize(prompt) if isinstance(prompt, str) else list(prompt)
        if not 0 < len(tokens) < self.n_ctx:
            raise ModelError(
                f"the prompt does not fit {self.name}",
                reason=f"it has {len(tokens)} tokens and the context holds {self.n_ctx}",
                hint="shorten the question, or use a model with a longer context" if tokens else "give some text",
            )
        with self._grammar(grammar) as (sampler, forcer):
            chooser = self.make_chooser(temperature=temperature, seed=seed, grammar=sampler)
            started = time.perf_counter()
            self._prefill(tokens, self._reuse_prefix if reuse_prefix is None else reuse_prefix)
            prefilled, begun = time.perf_counter(), self.clock()
            limit = min(max_tokens, self.n_ctx - len(tokens))
            written, logprobs, text, finished = self._decode(
                chooser, forcer, limit, stop, ignore_end=ignore_end, fast_forward=fast_forward
            )
        return Completion(
            text=text,
            tokens=written,
            logprobs=logprobs,
            prompt_tokens=len(tokens),
            completion_tokens=len(written),
            prefill_ms=(prefilled - started) * 1e3,
            decode_ms=(self.clock() - begun) * 1e3,
            finished=finished,
        )

    def make_chooser(self, *, temperature: float, seed: int, grammar: Any) -> Chooser:
        """What chooses the tokens of a completion; a measurement may put another in its place."""
        return Chooser(self._library, self._context, self.name, temperature=temperature, seed=seed, grammar=grammar)

    def _check_kind(self, handle: Any) -> None:
        """Refuse what llama.cpp loads but cannot continue a text with."""
        has_vocabulary = (
            self._llama.llama_vocab_type(self._llama.llama_model_get_vocab(handle)) != self._llama.LLAMA_VOCAB_TYPE_NONE
        )
        reasons = [
            text
            for wrong, text in (
                (self._llama.llama_model_has_encoder(handle), "it is an encoder-decoder model"),
                (not self._llama.llama_model_has_decoder(handle), "it has no decoder"),
                (self._llama.llama_model_is_diffusion(handle), "it is a diffusion model"),
                (not has_vocabulary, "it has no vocabulary"),
            )
            if wrong
        ]
        if reasons:
            raise ModelError(
                f"{self.path} is not a causal language model",
                reason="; ".join(reasons),
                hint="name a GGUF that generates text",
            )

    def _make_context(self, handle: Any, plan: Plan, outputs: int) -> Any:
        params = self._llama.llama_context_default_params()
        params.n_ctx = min(plan.n_ctx, self.train_context) if self.train_context > 0 else plan.n_ctx
        params.type_k = params.type_v = KV_TYPES[plan.kv_type][0]
        params.n_batch = params.n_ubatch = min(_BATCH_TOKENS, params.n_ctx)
        # Few tokens' logits are read: without this a row per batch token is reserved, n_vocab floats each.
        params.n_outputs_max = min(outputs, params.n_batch)
        params.n_threads = params.n_threads_batch = self.threads
        params.no_perf = True
        context = self._library.own.edgeslm_make_context(handle, params)
        if not context:
            raise ModelError(
                f"cannot prepare the model {self.path}",
                reason=first_reason(self._library.take_log()) or "llama.cpp gave no reason",
                hint="free some memory, or use a smaller model",
            )
        return context

    def _apply_template(self, template: bytes, system: str, user: str, roles: tuple[str, ...]) -> str | None:
        texts = {"system": system, "user": user}
        if "system" not in roles:
            texts["user"] = f"{system}\n\n{user}"
        messages = (self._llama.llama_chat_message * len(roles))(
            *((role.encode(), texts[role].encode("utf-8", "replace")) for role in roles)
        )
        size = 4 * (len(system) + len(user)) + 1024
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = self._llama.llama_chat_apply_template(template, messages, len(roles), True, buffer, size)
            if length < 0:
                return None
            if length <= size:
                return buffer.raw[:length].decode("utf-8", "replace")
            size = length

    @contextmanager
    def _grammar(self, grammar: str | None) -> Iterator[tuple[Any, Forcer | None]]:
        """A sampler that enforces the grammar and what knows where it leaves no choice; nothing without a grammar."""
        if grammar is None:
            yield None, None
            return
        sampler = self._llama.llama_sampler_init_grammar(self._vocab, grammar.encode(), b"root")
        if not sampler:
            raise ModelError("the grammar is not valid GBNF", reason=first_reason(self._library.take_log()))
        # A recurrent state cannot go back to before a token that was offered and not chosen.
        can_go_back = not (
            self._llama.llama_model_is_recurrent(self._handle) or self._llama.llama_model_is_hybrid(self._handle)
        )
        forcer = Forcer(self._library, self._vocab, grammar, self.tokenize_within) if can_go_back else None
        try:
            yield sampler, forcer
        finally:
            self._llama.llama_sampler_free(sampler)
            if forcer is not None:
                forcer.close()

    def tokenize_within(self, text: str) -> list[int]:
        """Tokens of `text` where it follows other text; some tokenizers put a space before what stands first."""
        before = self.tokenize("\n", add_special=False, parse_special=False)
        tokens = self.tokenize("\n" + text, add_special=False, parse_special=False)
        return tokens[len(before) :] if tokens[: len(before)] == before else []

    def _prefill(self, tokens: list[int], reuse_prefix: bool) -> None:
        """Decode the prompt; afterwards the context holds exactly `tokens` and the logits of the last one."""
        memory = self._llama.llama_get_memory(self._context)
        kept = _common_length(self._cached, tokens[:-1]) if reuse_prefix else 0
        if kept == 0 or not self._llama.llama_memory_seq_rm(memory, 0, kept, -1):
            self._llama.llama_memory_clear(memory, False)
            kept = 0
        self._cached = tokens[:kept]
        for start in range(kept, len(tokens), _BATCH_TOKENS):
            self._decode_tokens(tokens[start : start + _BATCH_TOKENS])

    def _decode(
        self,
        chooser: Chooser,
        forcer: Forcer | None,
        limit: int,
        stop: Sequence[str],
        *,
        ignore_end: bool,
        fast_forward: bool,
    ) -> tuple[list[int], list[float], str, bool]:
        """Write at most `limit` tokens. Returns tokens, their logprobs, the text, and whether it ended by itself."""
        tokens: list[int] = []
        logprobs: list[float] = []
        data = b""
        stops = [text.encode() for text in stop if text]
        forced: list[int] = []  # what the grammar says comes next, as far as it was asked
        offered: list[int] = []  # those of them that are read with the token before them, not yet chosen
        while len(tokens) < limit:
            started = self.clock()
            if tokens:
                self._decode_tokens([tokens[-1], *offered], len(offered) + 1)
            elapsed = self.clock() - started if tokens else 0.0
            for index, expected in enumerate([*offered, None]):
                token, logprob = chooser.choose(index if offered else -1)
                if self.is_end(token) and not ignore_end:
                    return tokens, logprobs, data.decode("utf-8", "replace"), True
                tokens.append(token)
                logprobs.append(logprob)
                data += self._piece(token)
                ends = [data.find(text) for text in stops if text in data]
                if ends:
                    return tokens, logprobs, data[: min(ends)].decode("utf-8", "replace"), True
                if forcer is not None:
                    forcer.accept(token)
                if token != expected:
                    self._take_back(len(offered) - index)
                    break
            if forcer is not None:
                if forcer.is_done and not ignore_end:
                    return tokens, logprobs, data.decode("utf-8", "replace"), True
                if elapsed:
                    self.pace.note(len(offered), index, elapsed, to_the_end=len(offered) == len(forced))
                room = self.pace.most(min(limit - len(tokens), _FORCED_AT_ONCE) - 1) if fast_forward else 0
                forced = forcer.tokens(tokens, data.decode("utf-8", "replace"), room) if room > 0 else []
                offered = forced[: self.pace.most(len(forced))]
        return tokens, logprobs, data.decode("utf-8", "replace"), False

    def _take_back(self, count: int) -> None:
        """Forget the last `count` tokens of the cache."""
        if count:
            memory = self._llama.llama_get_memory(self._context)
            self._cached = self._cached[: len(self._cached) - count]
            self._llama.llama_memory_seq_rm(memory, 0, len(self._cached), -1)

    def _decode_tokens(self, tokens: list[int], outputs: int = 1) -> None:
        """Run the model over `tokens` after what the context holds. Raises ModelError if llama.cpp refuses."""
        status = self.hooks().decode(tokens, len(self._cached), outputs)
        if status != 0:
            self._cached = []
            reason = first_reason(self._library.take_log()) or f"llama_decode returned {status}"
            raise ModelError(f"{self.name} could not be run", reason=reason)
        self._cached += tokens

    def _piece(self, token: int) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = self._llama.llama_token_to_piece(self._vocab, token, buffer, size, 0, False)
            if length >= 0:
                return buffer.raw[:length]
            size = -length


def load_weights(library: Library, path: Path, mode: str = "read") -> Any:
    """The model's handle, its weights read into memory or mapped. Raises ModelError with llama.cpp's reason."""
    llama = library.llama
    params = llama.llama_model_default_params()
    # Mapped and repacked for the CPU, weights would be held twice: they are read, or mapped and not repacked.
    params.load_mode = llama.LLAMA_LOAD_MODE_MMAP if mode == "map" else llama.LLAMA_LOAD_MODE_NONE
    params.use_extra_bufts = mode != "map"
    params.n_gpu_layers = 0
    library.take_log()
    handle = library.own.edgeslm_load_model(os.fsencode(path), params)
    if not handle:
        raise ModelError(
            f"cannot load the model {path}",
            reason=first_reason(library.take_log()) or "llama.cpp gave no reason",
            hint="compare the file's SHA-256 with its source; `edgeslm doctor` names the llama.cpp version",
        )
    return handle


def _free(library: Library, context: Any, handle: Any) -> None:
    library.llama.llama_free(context)
    library.llama.llama_model_free(handle)


def read_metadata(llama: Any, handle: Any) -> Iterator[tuple[str, str]]:
    """The GGUF's scalar metadata as text; arrays are left out by llama.cpp or shortened."""
    for index in range(llama.llama_model_meta_count(handle)):
        yield (
            _read_text(llama.llama_model_meta_key_by_index, handle, index),
            _read_text(llama.llama_model_meta_val_str_by_index, handle, index),
        )


def _read_text(function: Any, handle: Any, index: int) -> str:
    size = 256
    while True:
        buffer = ctypes.create_string_buffer(size)
        length = function(handle, index, buffer, size)
        if length < size:
            return buffer.value.decode("utf-8", "replace")
        size = length + 1


def _common_length(first: Sequence[int], second: Sequence[int]) -> int:
    length = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        length += 1
    return length
