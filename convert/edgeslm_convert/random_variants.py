"""Variants of a GGUF with random weights, to measure speed and memory on: layers shared, matrices as two factors.

The steps of a recipe change weights with care and take minutes for a large model; where weights are random anyway only
what is stored matters, so it is written on the GGUF itself. Refuses to say anything of quality.
"""

from __future__ import annotations

import re
from pathlib import Path

import gguf
import numpy

from edgeslm.errors import PlanError
from edgeslm_convert.low_rank import LowRankSettings, rank_of
from edgeslm_convert.place import remove
from edgeslm_convert.share.files import share_file
from edgeslm_convert.share.gguf_copy import Source, copy_file
from edgeslm_convert.share.sharing import adjacent

_LAYER = re.compile(r"blk\.(\d+)\.(.+)")
_FFN = re.compile(r"blk\.\d+\.ffn_(gate|up|down)\.weight")


def share_random(source: Path, out: Path, size: int) -> Path:
    """Write `out`: groups of `size` neighbouring layers of `source` use the first one's weights, stored once."""
    file = Source(source)
    sharing = adjacent(file.n_layer, size)
    same = out.with_name(out.name + ".same")

    def origin(name: str) -> str:
        match = _LAYER.fullmatch(name)
        return f"blk.{sharing[int(match[1])]}.{match[2]}" if match else name

    try:
        copy_file(file, same, tensors=[(name, origin(name)) for name in file.tensors], change=lambda writer: None)
        share_file(same, out, sharing)
    finally:
        remove(same)
    return out


def factor_random(source: Path, out: Path, share: float) -> Path:
    """Write `out`: the feed-forward matrices of `source` (f16) as two factors that keep `share` of their parameters.

    Ranks are those that `low_rank` chooses. Raises PlanError where nothing would be saved, or the file is no f16.
    """
    file = Source(source)
    settings = LowRankSettings(share=share)
    made = {}
    chosen = [name for name in file.tensors if _FFN.fullmatch(name)]
    random = numpy.random.default_rng(0)
    for name in chosen:
        tensor = file.tensors[name]
        n_out, n_in = tensor.data.shape
        rank = rank_of(n_out, n_in, settings)
        if not rank or tensor.tensor_type != gguf.GGMLQuantizationType.F16:
            raise PlanError(f"cannot factor {name}", reason=f"{n_out} x {n_in} of type {tensor.tensor_type.name}")
        scale = float(numpy.std(tensor.data[:64], dtype=numpy.float32)) ** 0.5 / rank**0.25
        stem = name.removesuffix(".weight")
        for part, shape in (("a", (rank, n_in)), ("b", (n_out, rank))):
            drawn = random.standard_normal(shape, dtype=numpy.float32) * numpy.float32(scale)
            made[f"{stem}.low_rank_{part}.weight"] = drawn.astype(numpy.float16)
    kept = [(name, name) for name in file.tensors if name not in chosen]
    copy_file(file, out, tensors=kept, change=lambda writer: None, added=made)
    return out
