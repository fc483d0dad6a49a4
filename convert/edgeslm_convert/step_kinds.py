"""The kinds of steps that a recipe may name, by name. A technique joins by a line in KINDS.

A kind says what its settings are, which texts it needs, what is wrong with settings for a shape, what shape it leaves,
and how it is done. Its module is imported when a recipe names it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from edgeslm_convert.shape import ModelShape

# Kind -> where its StepKind is.
KINDS = {
    "prune_depth": "edgeslm_convert.steps_prune:PRUNE_DEPTH",
    "prune_width": "edgeslm_convert.steps_prune:PRUNE_WIDTH",
    "prune_vocab": "edgeslm_convert.steps_prune:PRUNE_VOCAB",
    "distill": "edgeslm_convert.steps_recover:DISTILL",
    "distill_encoder": "edgeslm_convert.steps_recover:DISTILL_ENCODER",
    "finetune": "edgeslm_convert.steps_recover:FINETUNE",
    "share": "edgeslm_convert.steps_stored:SHARE",
    "early_exit": "edgeslm_convert.steps_recover:EARLY_EXIT",
    "low_rank": "edgeslm_convert.steps_stored:LOW_RANK",
    "zeroed": "edgeslm_convert.steps_prune:ZEROED",
}


@dataclass
class Work:
    """What a step is done with. Texts are given by the section's name."""

    checkpoint: Path  # what to begin with
    source: Path  # the unpruned checkpoint that the recipe begins with: a student's teacher
    out: Path  # the folder to write
    scratch: Path  # a folder that outlives a killed run, for what can be gone on from
    settings: Any
    passages: Callable[[str], Sequence[Any]]  # section -> texts.Passage, of the checkpoint's own tokens
    records: Callable[[str], Sequence[Any]]  # section -> its records; none where the recipe has no such section
    wanted: Callable[[str], Any]  # section -> what the recipe says of it
    kept: dict[str, Any] = field(default_factory=dict)  # what is left of the source: layers, channels, tokens
    say: Callable[[str], None] = lambda text: None

    def sequences(self, section: str) -> list[Any]:
        """A section's texts as tensors [1, t] of the checkpoint's own tokens, prompts and answers alike."""
        return [passage.tokens for passage in self.passages(section)]


@dataclass(frozen=True)
class StepKind:
    """One kind. `run` writes the folder work.out, may change work.kept and returns a report of plain values.

    texts: the sections that the settings need; also: those that are read where the recipe has them. cut: to how many
    tokens a step cuts the lines of its texts, whose `sequence` then does not count. on_gguf: for what a Hugging Face
    checkpoint cannot say; it writes another GGUF out of the one that was converted, given work.kept.
    """

    settings: Any  # a frozen dataclass
    check: Callable[[ModelShape, Any], list[str]]
    after: Callable[[ModelShape, Any], ModelShape]
    run: Callable[[Work], Mapping[str, Any]]
    texts: Callable[[Any], Sequence[str]] = lambda settings: ()
    also: Sequence[str] = ()
    cut: Callable[[Any], int] | None = None
    on_gguf: Callable[[Path, Path, Mapping[str, Any]], None] | None = None


@functools.cache
def kind(name: str) -> StepKind:
    """The kind of that name. Raises KeyError."""
    module, _, attribute = KINDS[name].partition(":")
    found: StepKind = getattr(import_module(module), attribute)
    return found
