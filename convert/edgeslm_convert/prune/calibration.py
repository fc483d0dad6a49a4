"""Runs a model over calibration text and adds up what passes by. One sequence at a time; no activations are kept.

A sequence is a tensor [1, t] of token ids. The model is left as it was found: mode, gradients and hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from edgeslm.errors import ModelError

Calibration = Sequence[Tensor]


def has_head(model: Any) -> bool:
    """Whether the model predicts tokens left to right, so that it has a loss on plain text."""
    return bool(model.get_output_embeddings() is not None and model.config.model_type not in ("bert", "distilbert"))


def check_calibration(calibration: Calibration, least: int = 2) -> None:
    """Raise ModelError unless there is a sequence and each has `least` tokens."""
    if not calibration or any(tokens.dim() != 2 or tokens.shape[1] < least for tokens in calibration):
        raise ModelError(
            "cannot calibrate",
            reason=f"the calibration text has no sequence, or one of fewer than {least} tokens",
            hint="give more text, or one with longer lines",
        )


@contextmanager
def resting(model: Any) -> Iterator[None]:
    """The model in evaluation mode, its weights taking no gradients; afterwards as before."""
    training = model.training
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval()
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        model.train(training)
        for parameter in wanted:
            parameter.requires_grad_(True)


@contextmanager
def hooks(handles: list[Any]) -> Iterator[None]:
    """Removes the hooks at the end, whatever happens."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def forward(model: Any, tokens: Tensor) -> Any:
    """One sequence through the model, without a cache."""
    tokens = tokens.to(model.device)
    known = {} if model.config.model_type in ("bert", "distilbert") else {"use_cache": False}
    return model(input_ids=tokens, attention_mask=torch.ones_like(tokens), **known)


def loss(model: Any, tokens: Tensor, given: int = 1) -> Tensor:
    """Mean negative log-likelihood of the tokens after the first `given` ones, in nats."""
    logits = forward(model, tokens).logits[0, given - 1 : -1].float()
    return nn.functional.cross_entropy(logits, tokens[0, given:].to(logits.device))


@torch.no_grad()
def perplexity(model: Any, calibration: Calibration, given: Sequence[int] | None = None) -> float:
    """exp of the mean negative log-likelihood over all predicted tokens of the calibration text.

    given: how many tokens at each sequence's beginning are not predicted; by default the first one.
    """
    check_calibration(calibration)
    total, count = 0.0, 0
    with resting(model):
        for tokens, start in zip(calibration, given or [1] * len(calibration), strict=True):
            predicted = tokens.shape[1] - start
            total += float(loss(model, tokens, start)) * predicted
            count += predicted
    return float(torch.tensor(total / count, dtype=torch.float64).exp())


@torch.no_grad()
def last_hidden(model: Any, tokens: Tensor) -> Tensor:
    """The base model's output for one sequence, [t, n_embd], in float32."""
    return forward(model.base_model, tokens).last_hidden_state[0].float()


def watch_input(module: nn.Module, take: Callable[[Tensor], None]) -> Any:
    """Gives `take` the very tensor that goes into `module`, [1, token, channel]; its gradient can be watched."""
    return module.register_forward_pre_hook(lambda _, inputs: take(inputs[0]))


def rows(activations: Tensor) -> Tensor:
    """[…, token, channel] -> [token, channel] in float32, apart from the graph."""
    return activations.detach().float().flatten(0, -2)


def watch_output(module: nn.Module, take: Callable[[Tensor], None]) -> Any:
    """Gives `take` what comes out of `module`, [1, token, channel]."""

    def hook(_: nn.Module, __: Any, output: Any) -> None:
        take(output[0] if isinstance(output, tuple) else output)

    return module.register_forward_hook(hook)


def run(model: Any, calibration: Calibration, handles: list[Any], *, gradients: bool = False) -> None:
    """The model over all sequences with hooks in place. With gradients, those of the loss reach every activation.

    No weight takes a gradient, so memory is that of one sequence's activations.
    """
    check_calibration(calibration)
    if not gradients:
        with hooks(handles), resting(model), torch.no_grad():
            for tokens in calibration:
                forward(model, tokens)
        return
    embedding = model.get_input_embeddings()
    begin = embedding.register_forward_hook(lambda _, __, output: output.requires_grad_(True))
    with hooks([*handles, begin]), resting(model), torch.enable_grad():
        for tokens in calibration:
            loss(model, tokens).backward()
