"""The sharing array: entry i is the layer whose weights layer i uses, i itself where it has its own.

Invariant: what `problems` lets pass, the runtime loads (runtime/native/edgeslm_stored.cpp checks the same). It refuses
to know weights.
"""

from __future__ import annotations

from collections.abc import Sequence

KEY = "{architecture}.layer_sharing"


def own_weights(n_layer: int) -> list[int]:
    """No layer shares."""
    return list(range(n_layer))


def adjacent(n_layer: int, size: int = 2, *, first: int = 0, last: int = 0) -> list[int]:
    """Groups of `size` neighbours share; the first `first` and the last `last` layers, and a rest, stay alone.

    Source: MobileLLM (Liu et al. 2024), section 2.4, repeats each block immediately.
    """
    sharing = own_weights(n_layer)
    for start in range(first, n_layer - last - size + 1, size):
        sharing[start : start + size] = [start] * size
    return sharing


def cyclic(n_layer: int, period: int, *, first: int = 0, last: int = 0) -> list[int]:
    """The shared layers repeat a cycle of `period` layers, apart from the first `first` and last `last`.

    Source: Takase and Kiyono 2023, Lessons on Parameter Sharing across Layers in Transformers ("cycle").
    """
    sharing = own_weights(n_layer)
    for layer in range(first, n_layer - last):
        sharing[layer] = first + (layer - first) % period
    return sharing


def from_pairs(n_layer: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Each pair (i, j) with i < j makes j use the weights of i."""
    sharing = own_weights(n_layer)
    for source, layer in pairs:
        sharing[layer] = source
    return sharing


def groups(sharing: Sequence[int]) -> dict[int, list[int]]:
    """Source layer -> all layers that use its weights, itself first; layers alone are left out."""
    found: dict[int, list[int]] = {}
    for layer, source in enumerate(sharing):
        found.setdefault(source, []).append(layer)
    return {source: layers for source, layers in found.items() if len(layers) > 1}


def problems(sharing: Sequence[int], n_layer: int) -> list[str]:
    """Everything that is wrong with the array, one sentence each; empty if the runtime will load it."""
    if len(sharing) != n_layer:
        return [f"the sharing array has {len(sharing)} entries, the model has {n_layer} layers"]
    wrong = [
        f"layer {layer} names layer {source}, the model has {n_layer} layers"
        for layer, source in enumerate(sharing)
        if not 0 <= source < n_layer
    ]
    if wrong:
        return wrong
    for layer, source in enumerate(sharing):
        if sharing[source] != source:
            wrong.append(f"layer {layer} names layer {source}, which has no weights of its own")
        elif source > layer:
            wrong.append(f"layer {layer} names layer {source}, which comes after it")
    return wrong
