"""Our functions in the compiled library beyond loading and sampling: batches with a verdict, and early exit.

They are bound when first used. It refuses to decide when a hook pays; `edgeslm.generate` does.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

from edgeslm.engine.library import Library
from edgeslm.errors import InputError, ModelError


class Hooks:
    """The hooks of one context. The context must outlive it."""

    def __init__(self, library: Library, context: Any) -> None:
        """Raises ModelError where the library was built before these functions were."""
        self._own = bind(library)
        self._token = library.llama.llama_token
        self._context = context

    def decode(self, tokens: Sequence[int], position: int, outputs: int) -> int:
        """Run the model over `tokens` at `position`, with an output for each of the last `outputs`; 0 is success."""
        buffer = (self._token * len(tokens))(*tokens)
        status: int = self._own.edgeslm_decode_tokens(self._context, buffer, len(tokens), position, outputs)
        return status

    def greedy(self, first: int, count: int) -> tuple[list[int], list[float]]:
        """The most likely token after batch entries first .. first + count - 1, and how far it leads the next one.

        Raises ModelError where the logits are not numbers.
        """
        tokens = (self._token * count)()
        margins = (ctypes.c_float * count)()
        _check_numbers(self._own.edgeslm_greedy_tokens(self._context, first, count, tokens, margins))
        return list(tokens), list(margins)

    def next_token(self, token: int, position: int) -> int:
        """Run the model over `token` at `position`; the most likely next one, or -1 where llama.cpp refuses.

        Raises ModelError where the logits are not numbers.
        """
        found: int = self._own.edgeslm_next_token(self._context, token, position)
        if found < -1:
            _check_numbers(found)
        return found

    def top_probability(self, index: int) -> float:
        """The probability of the most likely token after batch entry `index`."""
        probability: float = self._own.edgeslm_top_probability(self._context, index)
        _check_numbers(int(min(probability, 0.0)))
        return probability

    @property
    def exit_layer(self) -> int:
        """The exit layer in force, 0 where all layers are computed."""
        layer: int = self._own.edgeslm_get_exit_layer(self._context)
        return layer

    def set_exit_layer(self, layer: int, n_layer: int) -> None:
        """Compute the first `layer` of `n_layer` layers from now on, or all with 0. Raises InputError, ModelError."""
        status = self._own.edgeslm_set_exit_layer(self._context, layer)
        if status == -1:
            raise InputError(f"there is no exit layer {layer}", reason=f"the model has layers 1 to {n_layer}")
        if status == -2:
            raise ModelError(
                "this model cannot leave layers out", reason="it keeps a recurrent state or has an encoder"
            )
        if status != 0:
            raise ModelError("this library cannot leave layers out", reason="llama.cpp was built without our patches")


def _check_numbers(status: int) -> None:
    if status == -3:
        raise ModelError("the model gives no usable numbers", reason="its weights are damaged")
    if status < 0:
        raise ModelError("the model gave no output where one was asked for", reason=f"status {status}")


@functools.cache
def bind(library: Library) -> Any:
    """The library with the signatures of these functions (runtime/native/edgeslm.h) set."""
    own, llama = library.own, library.llama
    context, token, integer = llama.llama_context_p_ctypes, ctypes.POINTER(llama.llama_token), ctypes.c_int32
    forcer, numbers = ctypes.c_void_p, ctypes.POINTER(ctypes.c_float)
    signatures: dict[str, tuple[list[Any], Any]] = {
        "edgeslm_decode_tokens": ([context, token, integer, integer, integer], integer),
        "edgeslm_greedy_tokens": ([context, integer, integer, token, numbers], integer),
        "edgeslm_next_token": ([context, llama.llama_token, integer], integer),
        "edgeslm_top_probability": ([context, integer], ctypes.c_float),
        "edgeslm_set_exit_layer": ([context, integer], integer),
        "edgeslm_get_exit_layer": ([context], integer),
        "edgeslm_forcer_init": ([llama.llama_vocab_p_ctypes, ctypes.c_char_p], forcer),
        "edgeslm_forcer_free": ([forcer], None),
        "edgeslm_forcer_accept": ([forcer, integer], integer),
        "edgeslm_forcer_is_done": ([forcer], ctypes.c_bool),
        "edgeslm_sample_token_at": (
            [context, integer, llama.llama_sampler_p_ctypes, ctypes.c_float, ctypes.c_float, numbers],
            integer,
        ),
        "edgeslm_forcer_text": ([forcer, ctypes.c_char_p, integer], integer),
    }
    for name, (arguments, result) in signatures.items():
        try:
            function = getattr(own, name)
        except AttributeError as error:
            raise ModelError(
                f"the compiled library in {library.folder} is older than this package",
                reason=str(error),
                hint="install edgeslm again (`make run` in a checkout)",
            ) from error
        function.argtypes, function.restype = arguments, result
    return own
