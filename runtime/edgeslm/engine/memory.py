"""How a model will be held in memory: context size, type of the KV cache, load mode. Chosen to fit a limit, or refused.

The numbers are reckoned from the file's metadata before anything is loaded. It refuses to measure: what a process
really uses depends on the system; `Plan.bytes` is an upper bound for the shapes this was tried on (docs/log.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgeslm.engine.gguf_metadata import read_metadata
from edgeslm.errors import InputError, ModelError

KV_TYPES = {"f16": (1, 2.0), "q8_0": (8, 34 / 32), "q4_0": (2, 18 / 32)}  # enum ggml_type, bytes for one number
LOAD_MODES = ("read", "map")
# Python, llama.cpp, the vocabulary and the buffers of a graph for 512 tokens, less what grows with the model.
_PROCESS_BYTES = 40_000_000
_FILE_FACTOR = 1.1
_SMALLEST_CONTEXT = 256
_KV_BLOCK = 32  # numbers in a block of the quantized types


@dataclass(frozen=True)
class ModelSize:
    """What of a file decides its memory."""

    file_bytes: int
    n_layer: int
    kv_width: int  # numbers in the keys and values of one token, over all layers
    head_width: int  # numbers in one head's key
    train_context: int

    @classmethod
    def from_file(cls, path: Path) -> ModelSize:
        """Read the metadata of a GGUF. Raises ModelError where it does not tell."""
        metadata = read_metadata(path)
        architecture = metadata.get("general.architecture")

        def number(key: str, default: int | None = None) -> int:
            value = metadata.get(f"{architecture}.{key}", default)
            if not isinstance(value, int) or isinstance(value, bool):
                raise ModelError(f"cannot reckon the memory of {path}", reason=f"it has no {architecture}.{key}")
            return value

        n_layer, width = number("block_count"), number("embedding_length")
        heads = _per_layer(metadata.get(f"{architecture}.attention.head_count"), n_layer, path)
        kv_heads = _per_layer(metadata.get(f"{architecture}.attention.head_count_kv", heads), n_layer, path)
        key_width = number("attention.key_length", width // max(1, heads[0]))
        value_width = number("attention.value_length", key_width)
        return cls(
            file_bytes=path.stat().st_size,
            n_layer=n_layer,
            kv_width=sum(kv_heads) * (key_width + value_width),
            head_width=key_width,
            train_context=number("context_length", 0),
        )


@dataclass(frozen=True)
class Plan:
    """One way to hold a model."""

    n_ctx: int
    kv_type: str = "f16"
    load_mode: str = "read"

    def kv_bytes(self, size: ModelSize) -> int:
        """Bytes of the KV cache, which llama.cpp allots whole."""
        padded = -(-self.n_ctx // 256) * 256
        return int(padded * size.kv_width * KV_TYPES[self.kv_type][1])

    def bytes(self, size: ModelSize) -> int:
        """What the process will hold at most. Mapped weights are the system's to drop and not counted."""
        weights = 0 if self.load_mode == "map" else int(size.file_bytes * _FILE_FACTOR)
        return weights + self.kv_bytes(size) + _PROCESS_BYTES


def choose_plan(size: ModelSize, n_ctx: int, max_bytes: int | None = None, *, n_needed: int = 0) -> Plan:
    """The best plan within `max_bytes`: all of the context in f16 first, then a smaller KV type, then less context.

    n_ctx: tokens wanted. n_needed: tokens without which there is no answer (the prompt's). Weights are read into
    memory, where llama.cpp repacks them for the CPU; mapped they would be held twice. Mapped and not repacked comes
    last: slower, and the system reads them again whenever it dropped them. Raises InputError that says what is too
    large.
    """
    wanted = min(n_ctx, size.train_context) if size.train_context > 0 else n_ctx
    best = Plan(wanted)
    if max_bytes is None:
        return best
    kinds = [kind for kind in KV_TYPES if kind == "f16" or size.head_width % _KV_BLOCK == 0]
    least = max(n_needed, min(wanted, _SMALLEST_CONTEXT))
    for mode in LOAD_MODES:
        for kind in kinds:
            plan = replace(best, kv_type=kind, load_mode=mode)
            if plan.bytes(size) <= max_bytes:
                return plan
        room = _largest_context(replace(best, kv_type=kinds[-1], load_mode=mode), size, max_bytes)
        if room >= least:
            return Plan(room, kinds[-1], mode)
    smallest = Plan(least, kinds[-1], "map")
    raise InputError(
        f"the model does not fit {max_bytes:,} bytes",
        reason=f"its file has {size.file_bytes:,}, {least} tokens of context need {smallest.kv_bytes(size):,} as "
        f"{smallest.kv_type}, and the process about {_PROCESS_BYTES:,}",
        hint=f"allow at least {smallest.bytes(size):,} with --max-memory, or take a smaller model",
    )


def _largest_context(plan: Plan, size: ModelSize, max_bytes: int) -> int:
    """The most tokens, in steps of 256, that leave the plan within the limit."""
    free = max_bytes - replace(plan, n_ctx=0).bytes(size)
    step = replace(plan, n_ctx=256).kv_bytes(size)
    return max(0, min(plan.n_ctx, free // step * 256)) if step else plan.n_ctx


def _per_layer(value: object, n_layer: int, path: Path) -> list[int]:
    """A number for each layer, from one number or an array."""
    if isinstance(value, int):
        return [value] * n_layer
    if isinstance(value, list) and len(value) == n_layer:
        return [int(number) for number in value]
    raise ModelError(f"cannot reckon the memory of {path}", reason="it does not say how many heads its layers have")
