"""One process that loads a GGUF with the engine and completes a prompt; what it found goes to standard output as JSON.

Run by measure_model as `python -m`, never imported by it. It imports the engine and nothing else, as the device does:
its peak memory is the model's and the interpreter's.
"""

import json
import sys
import time
from pathlib import Path

from edgeslm.engine import Model

_WARM_UP_PROMPT, _WARM_UP_TOKENS = 8, 4
_SMAPS = Path("/proc/self/smaps_rollup")
_TEXT = "which lines of the log count errors by host between noon and midnight "


def main() -> None:
    """Settings in, as JSON: model, prompt_tokens, new_tokens, threads, exit_layer (0: all layers)."""
    settings = json.loads(sys.argv[1])
    prompt_tokens, new_tokens = settings["prompt_tokens"], settings["new_tokens"]
    started = time.perf_counter()
    with Model(settings["model"], n_ctx=prompt_tokens + new_tokens + 1, threads=settings["threads"]) as model:
        loaded = time.perf_counter()
        if settings.get("exit_layer"):
            model.hooks().set_exit_layer(settings["exit_layer"], model.n_layer)
        prompt = model.tokenize(_TEXT * prompt_tokens, add_special=False)[:prompt_tokens]
        model.complete(prompt[:_WARM_UP_PROMPT], max_tokens=_WARM_UP_TOKENS, ignore_end=True)
        first = time.perf_counter()
        model.complete(prompt, max_tokens=1, ignore_end=True)
        answered = time.perf_counter()
        done = model.complete(prompt, max_tokens=new_tokens, ignore_end=True)
        smaps = _SMAPS.read_text() if _SMAPS.exists() else ""
    found = {
        "load_s": loaded - started,
        "first_token_s": answered - first,
        "prefill_s": done.prefill_ms / 1e3,
        "decode_s": done.decode_ms / 1e3,
        "prompt_tokens": done.prompt_tokens,
        "new_tokens": done.completion_tokens,
        "tokens": done.tokens,
        "smaps_rollup": smaps,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
