"""Closed-form first aid for a BERT that lost layers: each layer's last matrix is fitted to what the next one read.

Where layers are gone, what leaves a layer is not what the following kept one was trained on. Its feed-forward output is
linear in its weights, so the best ones for some sample tokens are found by ridge regression in seconds, with no
gradient; distillation goes on from there. It refuses to know texts and vocabularies.
Source of the idea: layer-wise reconstruction, as in Frantar & Alistarh 2022, Optimal Brain Compression, eq. 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_RIDGE = 1e-3  # of the mean of the Gram matrix's diagonal
_SCALES = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)  # tried lengths of the sum that the last norm reads, to the residual's

Masked = tuple[Tensor, Tensor]  # ids and attention mask, [b, t] each


@torch.no_grad()
def refit(student: Any, teacher: Any, kept: Sequence[int], samples: Sequence[Masked]) -> list[float]:
    """Fit, layer after layer, student in place; the relative error each layer is left with, before its norm's gain.

    student, teacher: BertModels with the same vocabulary; kept: the teacher's layers that the student has. samples:
    batches of the same token ids for both.
    """
    following = [*kept[1:], len(teacher.encoder.layer)]
    states: list[Tensor] = []
    wanted: list[list[Tensor]] = [[] for _ in kept]
    real: list[Tensor] = []
    masks: list[Tensor] = []
    for ids, mask in samples:
        hidden = teacher(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        for index, layer in enumerate(following):
            wanted[index].append(hidden[layer][mask.bool()])
        states.append(student.embeddings(input_ids=ids))
        real.append(mask.bool())
        masks.append(torch.where(mask.bool(), 0.0, torch.finfo(torch.float32).min)[:, None, None, :])
    errors = []
    for index, layer in enumerate(student.encoder.layer):
        norm = teacher.encoder.layer[following[index] - 1].output.LayerNorm
        target = (torch.cat(wanted[index]) - norm.bias) / norm.weight
        attended = [_attention(layer, state, mask) for state, mask in zip(states, masks, strict=True)]
        inside = torch.cat([a[here] for a, here in zip(attended, real, strict=True)])
        errors.append(_fit(layer.output, layer.intermediate(inside), inside, target))
        layer.output.LayerNorm.load_state_dict(norm.state_dict())
        states = [layer.output(layer.intermediate(a), a) for a in attended]
    return errors


def _attention(layer: Any, state: Tensor, mask: Tensor) -> Tensor:
    found = layer.attention(state, attention_mask=mask)
    out: Tensor = found[0] if isinstance(found, tuple) else found
    return out


def _fit(output: Any, features: Tensor, residual: Tensor, target: Tensor) -> float:
    """Set output.dense so that dense(features) + residual is nearest to a multiple of target; the relative error.

    features: [n, n_ff], residual: [n, width], target: [n, width] of unit variance. Both parts of the answer are linear
    in the multiple, so one decomposition serves every multiple tried.
    """
    ones = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    gram = ones.T @ ones
    gram.diagonal().add_(_RIDGE * gram.diagonal().mean())
    both = torch.linalg.solve(gram, ones.T @ torch.cat([target, residual], dim=1))
    to_target, to_residual = both.chunk(2, dim=1)
    missed_target, missed_residual = target - ones @ to_target, residual - ones @ to_residual
    length = residual.std()
    tried = {}
    for scale in _SCALES:
        by = float(scale * length)
        tried[by] = float(functional.mse_loss(missed_target - missed_residual / by, torch.zeros_like(target)))
    best = min(tried, key=lambda by: tried[by])
    weights = best * to_target - to_residual
    output.dense.weight.copy_(weights[:-1].T)
    output.dense.bias.copy_(weights[-1])
    return tried[best]
