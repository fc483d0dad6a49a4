"""What HF's format cannot express and a GGUF can: layers stored once, matrices stored as two factors, exits.

The checkpoint holds everything written out and its config.json says what is shared or of low rank; here the GGUF that
was made of it is rewritten so that it is stored that way. Nothing is decided here, and nothing changes but the last
digits of factored matrices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy

from edgeslm.errors import PlanError
from edgeslm_convert.share.files import share_file
from edgeslm_convert.share.gguf_copy import Source, copy_file

SHARING, LOW_RANK, EARLY_EXIT = "layer_sharing", "low_rank", "early_exit"  # keys of config.json
# As edgeslm.generate reads them.
_EXIT_LAYER, _EXIT_CONFIDENCE = "edgeslm.exit.layer", "edgeslm.exit.confidence"
_MOST_ERROR = 0.01  # of a factored matrix: f16 rounding is far below, training far above


def store_as_configured(checkpoint: Path, path: Path) -> None:
    """Rewrite the GGUF `path`, made of `checkpoint`, as the checkpoint's configuration says; mostly it says nothing."""
    config = json.loads((checkpoint / "config.json").read_text())
    if ranks := config.get(LOW_RANK):
        factor_file(path, path, ranks)
    if exits := config.get(EARLY_EXIT):
        write_exit(path, path, int(exits["layer"]), float(exits["confidence"]))
    if sharing := config.get(SHARING):
        share_file(path, path, sharing)


def factor_file(source: Path, out: Path, ranks: Mapping[str, int]) -> None:
    """Write `out` with matrices of `source` as two factors each. ranks: HF name of a layer's linear part -> its rank.

    The matrices must be of that rank. Raises PlanError for a name that the architecture does not have.
    """
    file = Source(source)
    names = _gguf_names(file, ranks)
    kept = [(name, name) for name in file.tensors if name not in names]
    made: dict[str, Any] = {}
    for name, rank in names.items():
        tensor = file.tensors[name]
        if tensor.tensor_type not in (gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.F32):
            raise PlanError(f"cannot factor {name}", reason="it is quantized already", hint="factor the f16 file")
        first, second = split(numpy.asarray(tensor.data, dtype=numpy.float32), rank)
        _check_rank(name, tensor.data, first, second)
        stem = name.removesuffix(".weight")
        made[f"{stem}.low_rank_a.weight"] = first.astype(tensor.data.dtype)
        made[f"{stem}.low_rank_b.weight"] = second.astype(tensor.data.dtype)
    copy_file(file, out, tensors=kept, change=lambda writer: None, added=made)


def write_exit(source: Path, out: Path, layer: int, confidence: float) -> None:
    """Write `out` as `source` with the layer to leave at, and the top probability from which on an exit is sure."""
    file = Source(source)
    if not 1 <= layer <= file.n_layer:
        raise PlanError(f"there is no exit layer {layer}", reason=f"the model has layers 1 to {file.n_layer}")

    def add(writer: gguf.GGUFWriter) -> None:
        writer.add_uint32(_EXIT_LAYER, layer)
        writer.add_float32(_EXIT_CONFIDENCE, confidence)

    names = [(name, name) for name in file.tensors]
    copy_file(file, out, tensors=names, change=add, leave_out=[_EXIT_LAYER, _EXIT_CONFIDENCE])


def split(matrix: Any, rank: int) -> tuple[Any, Any]:
    """(first [rank, n_in], second [n_out, rank]) with second @ first = `matrix` [n_out, n_in], which has that rank.

    The columns of a matrix of rank r are spanned by r random mixtures of them; one power iteration keeps rounding out.
    Source: Halko, Martinsson and Tropp 2011, Finding structure with randomness, algorithm 4.4.
    """
    random = numpy.random.default_rng(0)
    basis, _ = numpy.linalg.qr(matrix @ random.standard_normal((matrix.shape[1], rank), dtype=numpy.float32))
    basis, _ = numpy.linalg.qr(matrix @ (matrix.T @ basis))
    return basis.T @ matrix, basis


def _check_rank(name: str, matrix: Any, first: Any, second: Any) -> None:
    """Raise PlanError if the factors are not the matrix: something has trained it since it was made low-rank."""
    error = numpy.linalg.norm(matrix - second @ first) / max(float(numpy.linalg.norm(matrix)), 1e-30)
    if error > _MOST_ERROR:
        raise PlanError(
            f"cannot store {name} as two factors",
            reason=f"it is not of rank {len(first)}: the product is {error:.1%} off",
            hint="make low_rank the last step: training after it fills the rank up again",
        )


def _gguf_names(file: Source, ranks: Mapping[str, int]) -> dict[str, int]:
    """Names of tensors in the file -> rank."""
    architecture = next((key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == file.architecture), None)
    if architecture is None:
        raise PlanError(f"cannot factor matrices of {file.path}", reason=f"{file.architecture} is not known")
    names = gguf.get_tensor_name_map(architecture, file.n_layer)
    found: dict[str, int] = {}
    unknown = []
    for part, rank in ranks.items():
        for layer in range(file.n_layer):
            places = [f"model.layers.{layer}.{part}", f"transformer.h.{layer}.{part}"]
            name = next((f"{known}.weight" for place in places if (known := names.get_name(place))), "")
            if name in file.tensors:
                found[name] = int(rank)
            elif layer == 0:
                unknown.append(part)
    if unknown:
        raise PlanError(f"cannot factor matrices of {file.path}", reason=f"it has no {', '.join(unknown)}")
    return found
