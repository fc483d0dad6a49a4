"""Exact shapes of known models, random weights: the fp32 base under transformers against our quantized half of it.

The half has every second layer less, which for a random model is the same as a model made with half the layers: so it
is made that way. Two files of it are measured: llama.cpp's Q4_0 mixture, whose head (or tied embedding) is Q6_K, and
Q4_0 throughout, which is what the promise is about. Knows the limits; refuses to say anything of quality.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeslm_bench.exact_shapes import layers_of, read_shape, with_layers
from edgeslm_bench.measure_model import Load, ModelMeasure, Subject, measure
from edgeslm_bench.model_table import memory_ratio, speed_ratio

FILE_TYPE = "Q4_0"


@dataclass(frozen=True)
class Limit:
    """At least so many times as fast as the fp32 base, and at most one so-manieth of its peak memory."""

    speed: float
    memory: float


LIMITS = {"tinyllama-1.1b": Limit(20, 15), "tiny_starcoder_py": Limit(12, 7)}


def measure_shape(
    name: str,
    folder: Path,
    load: Load,
    *,
    also: Sequence[str] = (),
    note: Callable[[str], None] = lambda text: None,
) -> list[ModelMeasure]:
    """Make what is missing in `folder`, then measure base and half in turns; the base comes first.

    also: more dtypes of the base (bfloat16), measured in the same run.
    """
    base, mixture, throughout = prepare(name, folder, note=note)
    bases = [Subject(f"{name}, {dtype} base", base, dtype) for dtype in ("float32", *also)]
    halves = [
        Subject(f"{name}, half the layers, {FILE_TYPE} with Q6_K head", mixture),
        Subject(f"{name}, half the layers, {FILE_TYPE}", throughout),
    ]
    return measure([*bases, *halves], load, note=note)


def prepare(name: str, folder: Path, *, note: Callable[[str], None] = lambda text: None) -> tuple[Path, Path, Path]:
    """The base's checkpoint folder and the half's GGUFs in `folder`, made only where they are not there yet.

    The first GGUF is llama.cpp's mixture, the second is Q4_0 throughout.
    """
    from edgeslm_convert.gguf import to_gguf
    from edgeslm_convert.quantize import quantize
    from edgeslm_convert.random_checkpoint import PRE_TOKENIZER, make_random

    shape = read_shape(name)
    folder.mkdir(parents=True, exist_ok=True)
    stem = Path(name).name.removesuffix(".json")
    base = folder / stem
    mixture, throughout = folder / f"{stem}-half-{FILE_TYPE}-mixture.gguf", folder / f"{stem}-half-{FILE_TYPE}.gguf"
    if not base.is_dir():
        note(f"making {base}: random weights")
        make_random(shape, base)
    if not (mixture.is_file() and throughout.is_file()):
        note(f"making {throughout}: random weights, {layers_of(shape) // 2} of {layers_of(shape)} layers")
        checkpoint, f16 = folder / f"{stem}-half", folder / f"{stem}-half-f16.gguf"
        try:
            make_random(with_layers(shape, layers_of(shape) // 2), checkpoint, seed=1)
            to_gguf(checkpoint, f16, outtype="f16", pre_tokenizer=PRE_TOKENIZER)
            quantize(f16, mixture, FILE_TYPE)
            quantize(f16, throughout, FILE_TYPE, pure=True)
        finally:
            shutil.rmtree(checkpoint, ignore_errors=True)
            f16.unlink(missing_ok=True)
    return base, mixture, throughout


def beyond_limits(name: str, measures: Sequence[ModelMeasure]) -> list[str]:
    """What the last of `measures` does not keep against the first; nothing for a shape without limits."""
    limit = LIMITS.get(name)
    if limit is None:
        return []
    base, ours = measures[0], measures[-1]
    speed, memory = speed_ratio(ours, base), memory_ratio(ours, base)
    found = []
    if not speed >= limit.speed:
        found.append(f"{ours.name} decodes {speed:.2f} x as fast as the base, at least {limit.speed:g} x was promised")
    if not memory >= limit.memory:
        found.append(f"{ours.name} takes 1/{memory:.2f} of the base's memory, at most 1/{limit.memory:g} was promised")
    return found
