"""The KV cache of a fixed prompt beginning, kept on disk between runs.

The key holds the model file, the library, how the cache is laid out, and the very tokens, so a hit is always that text
under that model. It refuses to decide what of a prompt is fixed.
"""

from __future__ import annotations

import array
import ctypes
from collections.abc import Sequence

from edgeslm.generate import store
from edgeslm.generate.decoder import Decoder

_SEQUENCE = 0


def restore(decoder: Decoder, tokens: Sequence[int], layout: Sequence[object]) -> bool:
    """Fill the empty decoder with `tokens` from the cache; False if they are not there (any more)."""
    key = _key(decoder, tokens, layout)
    content = store.load(key)
    if content is None:
        return False
    llama = decoder.model.library.llama
    buffer = (ctypes.c_uint8 * len(content)).from_buffer_copy(content)
    if llama.llama_state_seq_set_data(decoder.model.context, buffer, len(content), _SEQUENCE) != len(content):
        store.discard(key)
        llama.llama_memory_clear(llama.llama_get_memory(decoder.model.context), True)
        return False
    decoder.tokens = list(tokens)
    return True


def keep(decoder: Decoder, tokens: Sequence[int], layout: Sequence[object]) -> bool:
    """Write what the decoder holds, exactly `tokens`, to the cache; True if that worked."""
    llama = decoder.model.library.llama
    size = llama.llama_state_seq_get_size(decoder.model.context, _SEQUENCE)
    buffer = (ctypes.c_uint8 * size)()
    written = llama.llama_state_seq_get_data(decoder.model.context, buffer, size, _SEQUENCE)
    return written > 0 and store.save(_key(decoder, tokens, layout), bytes(buffer[:written]))


def _key(decoder: Decoder, tokens: Sequence[int], layout: Sequence[object]) -> str:
    report = decoder.model.library.abi_report()
    text = array.array("i", tokens).tobytes().hex()
    model = store.fingerprint(decoder.model.path)
    return store.entry_key("kv", model, report["pin"], report["patches_sha256"], *layout, text)
