"""What a language model is trained towards, as functions of logits and hidden states.

Positions without a label (-100) cost nothing: they have no loss, and the head is not run on them.
It refuses to know optimizers, schedules and files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import Module, functional

IGNORED = -100
NO_WORD = -1
_MOST_LOGITS = 2**26  # numbers in one part's logits: 256 MiB in float32


@dataclass(frozen=True)
class Outputs:
    """logits: [n, n_vocab] at the asked positions, float32; hidden: n_layer + 1 times [b, t, n_embd] if asked for."""

    logits: Tensor
    hidden: tuple[Tensor, ...] = ()


def answer_places(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and places whose next token is labelled, and that token: three [n] of labels [b, t]."""
    wanted = labels[:, 1:]
    rows, places = (wanted != IGNORED).nonzero(as_tuple=True)
    return rows, places, wanted[rows, places]


def forward(model: Module, ids: Tensor, rows: Tensor, places: Tensor, *, hidden: bool = False) -> Outputs:
    """What a causal language model makes of ids [b, t], its head run on (rows, places) only.

    The head sees chosen positions by a hook, so that whatever an architecture does to logits is done here too.
    Right padding needs no mask under causal attention.
    """
    head = model.get_output_embeddings()
    handle = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][rows, places], *inputs[1:]))
    try:
        found = model(input_ids=ids, use_cache=False, output_hidden_states=hidden)
    finally:
        handle.remove()
    return Outputs(found.logits.float(), tuple(found.hidden_states) if hidden else ())


def parts(ids: Tensor, labels: Tensor, n_vocab: int) -> Iterator[tuple[Tensor, Tensor, float]]:
    """A batch in parts whose logits stay within 256 MiB (a row at the least), each with its share of the labels."""
    counts = (labels[:, 1:] != IGNORED).sum(-1).tolist()
    total = sum(counts)
    start = 0
    while start < len(counts):
        end, size = start + 1, counts[start]
        while end < len(counts) and (size + counts[end]) * n_vocab <= _MOST_LOGITS:
            size += counts[end]
            end += 1
        if size:
            yield ids[start:end], labels[start:end], size / total
        start = end


def divergence(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(teacher || student) of softened distributions in nats, a position's mean, times the temperature squared.

    student, teacher: logits [n, n_vocab]. Source: Hinton et al. 2015, Distilling the Knowledge, section 2.
    """
    log_student = functional.log_softmax(student / temperature, dim=-1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=-1)
    return functional.kl_div(log_student, log_teacher, log_target=True, reduction="batchmean") * temperature**2


def word_means(states: Tensor, words: Tensor, count: int) -> Tensor:
    """The mean state of each of `count` words, [count, width]: of states [b, t, width] where words [b, t] names it."""
    here = words != NO_WORD
    numbers = words[here]
    sums = states.new_zeros(count, states.shape[-1]).index_add(0, numbers, states[here])
    return sums / numbers.bincount(minlength=count).clamp_min(1)[:, None]


def relative_error(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference where mask [b, t] is not 0, relative to the teacher's mean square; both [b, t, width]."""
    here = mask.bool()
    wanted = teacher[here].float()
    return functional.mse_loss(student[here].float(), wanted) / wanted.square().mean().clamp_min(1e-12)


def layer_map(n_student: int, n_teacher: int, kept: Sequence[int] | None = None) -> list[tuple[int, int]]:
    """Pairs of hidden states to match, counted as transformers does: 0 is the embedding, i the output of layer i - 1.

    kept: the teacher's layers that the student has. What leaves a kept layer is to be what the next kept one read in
    the teacher, so that the layers between them are made up for. Without it layers are spread evenly.
    """
    if kept is None:
        return [(layer, round(layer * n_teacher / n_student)) for layer in range(1, n_student + 1)]
    return [(layer + 1, following) for layer, following in enumerate([*kept[1:], n_teacher])]


def mean_pooled(hidden: Tensor, mask: Tensor) -> Tensor:
    """Sentence embeddings [b, width]: the mean of hidden [b, t, width] where mask [b, t] is 1."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp_min(1)
