"""What a GGUF of a recipe is measured to be, and which of the recipe's bounds it breaks.

Agreement with the transformers model it was made from, and for a language model the nats that it loses on a text.
Refuses to know recipes, and to say that a file is good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgeslm_convert.recipe import Accept
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.texts import Passage

_AT_LEAST = ("top1", "min_cosine")


def measure_file(gguf: Path, checkpoint: Path, passages: Sequence[Passage] | None) -> dict[str, Any]:
    """Agreement of `gguf` with `checkpoint` on `passages` (else on random tokens), as a report.

    With passages, a language model's `nats` over `tokens` predicted ones and its `perplexity` too; of a pair its answer
    counts alone.
    """
    from edgeslm_convert.quantize.divergence import perplexity
    from edgeslm_convert.verify import measure

    shape = ModelShape.from_config(checkpoint)
    tokens = [passage.tokens[0].tolist() for passage in passages] if passages else None
    found: dict[str, Any] = {}
    if shape.architecture == "openelm":
        found["agreement"] = None  # transformers has no class for it, and the code that comes with it is not run
    else:
        found["agreement"] = asdict(measure(checkpoint, gguf, tokens))
    if passages and tokens and not shape.is_encoder:
        loss = perplexity(gguf, tokens, given=[passage.given for passage in passages])
        found |= {"perplexity": loss.value, "nats": math.log(loss.value) * loss.tokens, "tokens": loss.tokens}
    return found


def has_reference(source: ModelShape) -> bool:
    """Whether the source is a language model that transformers can run, so that it has a perplexity."""
    return not source.is_encoder and source.architecture != "openelm"


def nats_of(model: Any, passages: Sequence[Passage]) -> tuple[float, int]:
    """What a transformers model loses on `passages`, in nats over all predicted tokens, and how many those are."""
    from edgeslm_convert.prune.calibration import perplexity

    given = [passage.given for passage in passages]
    count = sum(passage.tokens.shape[1] - passage.given for passage in passages)
    return math.log(perplexity(model, [passage.tokens for passage in passages], given)) * count, count


def ratio(found: Mapping[str, Any], source: tuple[float, int]) -> float:
    """Perplexity to the source's, both reckoned per token of the source: exp of the nats that are lost more on each."""
    nats, tokens = source
    return math.exp((found["nats"] - nats) / tokens)


def broken(line: Mapping[str, Any], bounds: Accept) -> list[str]:
    """Every bound that the file in `line` of a manifest does not keep, with the value."""
    measured = line["measured"]
    values = {**(measured.get("agreement") or {}), "max_bytes": line["bytes"]}
    values["max_perplexity_ratio"] = measured.get("perplexity_ratio")
    found = []
    for name, bound in asdict(bounds).items():
        value = values.get(name)
        if bound is None or (value is None and measured.get("agreement") is None and name != "max_perplexity_ratio"):
            continue
        if value is None:
            found.append(f"{line['file']}: {name} was not measured")
        # Not `value > bound`: a NaN keeps no bound.
        elif not (value >= bound if name in _AT_LEAST else value <= bound):
            relation = "below" if name in _AT_LEAST else "above"
            found.append(f"{line['file']}: {name.removeprefix('max_')} is {value:.6g}, {relation} {bound:g}")
    return found


def to_text(line: Mapping[str, Any]) -> str:
    """What was measured, for a person."""
    measured = line["measured"]
    agreement = measured.get("agreement")
    parts = [f"{line['bytes']:,} bytes"]
    if agreement is None:
        parts.append("not compared: transformers has no class for it")
    elif "mean_kl" in agreement:
        parts.append(f"mean KL {agreement['mean_kl']:.3g}, top-1 {agreement['top1']:.2%}")
    else:
        parts.append(f"smallest cosine {agreement['min_cosine']:.6f}")
    if "perplexity" in measured:
        parts.append(f"perplexity {measured['perplexity']:.4g}")
    if "perplexity_ratio" in measured:
        parts.append(f"x {measured['perplexity_ratio']:.3f} of the source's")
    return ", ".join(parts)
