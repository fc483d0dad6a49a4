"""Writes the quantized GGUF: planned first, checked afterwards, moved into place whole.

The work is llama_model_quantize's. Invariant: what bears the output's name has exactly the planned types and size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeslm.errors import ModelError
from edgeslm_convert.quantize import request as call
from edgeslm_convert.quantize.ggml import read_tensors
from edgeslm_convert.quantize.imatrix import ImportanceMatrix
from edgeslm_convert.quantize.plan import Fallback, Plan, make_plan
from edgeslm_convert.quantize.request import Request
from edgeslm_convert.quantize.vocabulary import Vocabulary


@dataclass(frozen=True)
class Quantized:
    """A file that was written: its size, bits a weight, tensors by type, and where the wish met a shape."""

    path: Path
    file_bytes: int
    bits_per_weight: float
    types: Mapping[str, str]
    fallbacks: tuple[Fallback, ...]
    summary: str

    def to_text(self) -> str:
        """Some lines for a person."""
        head = f"{self.path}: {self.file_bytes:,} bytes, {self.bits_per_weight:.2f} bits a weight ({self.summary})"
        return "\n".join([head, *(f"  {fallback.to_text()}" for fallback in self.fallbacks)])


def quantize(
    source: Path,
    out: Path,
    type: str,
    *,
    imatrix: ImportanceMatrix | None = None,
    overrides: Mapping[str, str] | None = None,
    pure: bool = False,
    strict: bool = False,
    requantize: bool = False,
    threads: int = 1,
) -> Quantized:
    """Write `source` (an f16, bf16 or f32 GGUF) as file type `type` to `out`.

    overrides: tensor name -> tensor type. strict: refuse if a tensor cannot have its type, naming all of them.
    See Request for the rest. Raises ModelError; nothing then bears the name `out` that did not before.
    """
    request = Request(type, imatrix, overrides or {}, pure, requantize, threads)
    Vocabulary(source)  # refuses damaged files that would end the process in llama_model_quantize
    plan = make_plan(source, request)
    check_fallbacks(plan, request, strict=strict)
    return write(plan, request, out)


def check_fallbacks(plan: Plan, request: Request, *, strict: bool) -> None:
    """Raise ModelError, if `strict`, that names every tensor which cannot have the type it should have."""
    if strict and plan.fallbacks:
        raise ModelError(
            f"cannot quantize {plan.source} to {request.type} as asked",
            reason="; ".join(fallback.to_text() for fallback in plan.fallbacks),
            hint="choose a type of 32 numbers a block (Q4_0, Q5_0, Q8_0, IQ4_NL), or widths that are multiples of 256",
        )


def write(plan: Plan, request: Request, out: Path) -> Quantized:
    """Carry out what was planned. Raises ModelError."""
    if out.resolve() == plan.source.resolve():
        raise ModelError(f"cannot quantize {out} onto itself", hint="name another output")
    beside = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        call.run(plan.source, beside, request)
        _check_written(beside, plan)
        beside.replace(out)
    except OSError as error:
        raise ModelError(f"cannot write {out}", reason=error.strerror or str(error)) from error
    finally:
        beside.unlink(missing_ok=True)
    types = {name: kind.name for name, kind in plan.types.items()}
    size = out.stat().st_size
    return Quantized(out, size, plan.bits_per_weight, types, plan.fallbacks, plan.summary())


def _check_written(path: Path, plan: Plan) -> None:
    """Raise ModelError unless the file has the types that were planned and all of its bytes."""
    written = read_tensors(path)
    wrong = [tensor.name for tensor in written.tensors if plan.types.get(tensor.name) != tensor.type]
    missing = plan.types.keys() - {tensor.name for tensor in written.tensors}
    data = sum(tensor.bytes_as(tensor.type) for tensor in written.tensors)
    found, expected = path.stat().st_size, written.head_bytes + data
    if wrong or missing or found != expected:
        reason = f"it has {found:,} bytes and should have {expected:,}" if found != expected else ""
        reason = reason or f"tensors are not as planned: {', '.join([*wrong, *sorted(missing)])}"
        raise ModelError(f"cannot write {path}", reason=reason, hint="see if the disk is full")
