"""One process that loads a checkpoint with transformers on the CPU and continues a prompt, with a KV cache.

Run by the bench room as `python -m`, never imported by it. It decodes greedily in a loop of its own: `generate` does
the same and more between two tokens, so the base model is never shown slower than it is. Loading is as by default.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import AutoModelForCausalLM

_WARM_UP_PROMPT, _WARM_UP_TOKENS = 8, 4
_SMAPS = Path("/proc/self/smaps_rollup")


def main() -> None:
    """Settings in, as JSON: model, prompt_tokens, new_tokens, threads, dtype."""
    settings = json.loads(sys.argv[1])
    torch.set_num_threads(settings["threads"])
    started = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(
        settings["model"], dtype=getattr(torch, settings["dtype"]), use_safetensors=True, local_files_only=True
    ).eval()
    loaded = time.perf_counter()
    prompt = torch.arange(settings["prompt_tokens"])[None] % model.config.vocab_size
    complete(model, prompt[:, :_WARM_UP_PROMPT], _WARM_UP_TOKENS)
    prefill_s, _, _ = complete(model, prompt, 1)
    found: dict[str, Any] = {"load_s": loaded - started, "first_token_s": prefill_s}
    prefill_s, decode_s, tokens = complete(model, prompt, settings["new_tokens"])
    found |= {"prefill_s": prefill_s, "decode_s": decode_s, "prompt_tokens": prompt.shape[1], "new_tokens": len(tokens)}
    found["smaps_rollup"] = _SMAPS.read_text() if _SMAPS.exists() else ""
    print(json.dumps({**found, "tokens": tokens}))


@torch.inference_mode()
def complete(model: Any, prompt: torch.Tensor, new_tokens: int) -> tuple[float, float, list[int]]:
    """Seconds for the prompt and its first token, seconds for the others, and the tokens."""
    started = time.perf_counter()
    output = model(input_ids=prompt, use_cache=True, logits_to_keep=1)
    token = output.logits[:, -1].argmax(-1, keepdim=True)
    tokens = [int(token)]
    prefilled = time.perf_counter()
    while len(tokens) < new_tokens:
        output = model(input_ids=token, past_key_values=output.past_key_values, use_cache=True)
        token = output.logits[:, -1].argmax(-1, keepdim=True)
        tokens.append(int(token))
    return prefilled - started, time.perf_counter() - prefilled, tokens


if __name__ == "__main__":
    main()
