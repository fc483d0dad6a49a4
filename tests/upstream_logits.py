"""Runs a GGUF in llama.cpp without our patches, through its own bindings. A script for tests; imports nothing of ours.

`python upstream_logits.py FOLDER GGUF TOKEN...`: FOLDER holds lib/ and bindings/ (cmake/upstream.cmake). The logits of
every token go to standard output, float32. Settings are those of edgeslm.engine.evaluate: KV in float32, no flash
attention, one thread.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from pathlib import Path


def main(folder: Path, path: str, tokens: list[int]) -> None:
    """Load, run, write."""
    os.environ["LLAMA_CPP_LIB_PATH"] = str(folder / "lib")
    sys.path.insert(0, str(folder))
    llama = importlib.import_module("bindings.llama_cpp")
    llama.llama_backend_init()
    model = llama.llama_model_load_from_file(os.fsencode(path), llama.llama_model_default_params())
    if not model:
        sys.exit("llama.cpp cannot load the file")
    params = llama.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = len(tokens)
    params.type_k = params.type_v = 0
    params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.n_threads = params.n_threads_batch = 1
    context = llama.llama_init_from_model(model, params)
    batch = llama.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for index, token in enumerate(tokens):
        batch.token[index], batch.pos[index], batch.logits[index] = token, index, 1
        batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
    if llama.llama_decode(context, batch) != 0:
        sys.exit("llama.cpp cannot run the file")
    width = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    for index in range(len(tokens)):
        row = ctypes.string_at(llama.llama_get_logits_ith(context, index), 4 * width)
        sys.stdout.buffer.write(row)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2], [int(word) for word in sys.argv[3:]])
