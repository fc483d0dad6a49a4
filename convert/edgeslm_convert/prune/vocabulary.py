"""Prunes the vocabulary: the tokens that a corpus uses stay, with what they need; embedding, head and ids follow.

The smaller tokenizer cuts the corpus as before (if `size` leaves room for all it uses) and reads any other text
without loss, in smaller pieces. Which pieces need which is the business of `pieces`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from edgeslm.errors import ModelError, PlanError
from edgeslm_convert.pre_tokenizer import find_pre_tokenizer, recorded_pre_tokenizer
from edgeslm_convert.prune import anatomy
from edgeslm_convert.prune.cut import Cut, apply, indices_of
from edgeslm_convert.prune.pieces import Pieces, read_pieces
from edgeslm_convert.prune.tokenizer_files import write_tokenizer
from edgeslm_convert.shape import ModelShape

# The converter gives Gemma's tokens up to this one their roles by number.
_GEMMA_FIXED = 108


@dataclass(frozen=True)
class VocabularySettings:
    """size: exactly how many tokens stay, the corpus's most frequent; 0: all that come up at least `min_count` times.

    The number is rounded up to `multiple` with the pieces that come first in the tokenizer's own order. pre_tokenizer:
    llama.cpp's name of it; found out from the unpruned tokenizer if empty.
    """

    size: int = 0
    min_count: int = 1
    multiple: int = 32
    pre_tokenizer: str = ""


@dataclass(frozen=True)
class VocabularyReport:
    """Which tokens stayed, by their ids before, in the order of their ids now; and what the corpus is in tokens."""

    kept: tuple[int, ...]
    tokens_before: int
    tokens_after: int
    corpus_pieces_before: int
    corpus_pieces_after: int
    pre_tokenizer: str
    parameters_before: int
    parameters_after: int


def after(shape: ModelShape, settings: VocabularySettings) -> ModelShape:
    """The shape once pruned; without a `size` it is known only when the corpus is counted."""
    return replace(shape, n_vocab=settings.size or shape.n_vocab)


def check(shape: ModelShape, settings: VocabularySettings) -> list[str]:
    """Every reason why these settings cannot be followed, from the shape alone."""
    wrong = anatomy.unknown(shape.architecture)
    if settings.multiple < 1 or settings.min_count < 1:
        wrong.append("prune_vocab: multiple and min_count are at least 1")
    elif settings.size:
        if not 1 <= settings.size < shape.n_vocab:
            wrong.append(f"prune_vocab: size = {settings.size} is not below the {shape.n_vocab} tokens that are there")
        if settings.size % settings.multiple:
            wrong.append(f"prune_vocab: size = {settings.size} is not a multiple of {settings.multiple}")
    return wrong


def prune_vocabulary(
    model: Any, settings: VocabularySettings, texts: Iterable[str], *, tokenizer_from: Path, tokenizer_to: Path
) -> VocabularyReport:
    """Cut the tokens that `texts` do without out of `model`, in place, and out of its tokenizer.

    tokenizer_from: the folder of the unpruned tokenizer. tokenizer_to: a folder that is there, for the files of the
    smaller one. Raises PlanError if the size does not hold what every tokenizer needs, and ModelError for a kind of
    tokenizer that is not known.
    """
    pieces = read_pieces(tokenizer_from)
    name = settings.pre_tokenizer or _pre_tokenizer(tokenizer_from, pieces)
    if max(pieces.by_id) >= model.config.vocab_size:
        raise ModelError(
            "cannot prune the vocabulary",
            reason=f"the tokenizer has tokens up to {max(pieces.by_id)}, the model only {model.config.vocab_size}",
        )
    texts = list(texts)
    counts = Counter(token for text in texts for token in pieces.encode(text))
    kept = choose(pieces, counts, settings, always=_named_ids(model, pieces))
    before = _parameters(model), model.config.vocab_size
    _cut_model(model, kept)
    write_tokenizer(tokenizer_from, tokenizer_to, kept, pre_tokenizer=name)
    smaller = read_pieces(tokenizer_to)
    return VocabularyReport(
        kept=tuple(kept),
        tokens_before=before[1],
        tokens_after=len(kept),
        corpus_pieces_before=counts.total(),
        corpus_pieces_after=sum(len(smaller.encode(text)) for text in texts),
        pre_tokenizer=name,
        parameters_before=before[0],
        parameters_after=_parameters(model),
    )


def choose(
    pieces: Pieces, counts: Counter[int], settings: VocabularySettings, *, always: Iterable[int] = ()
) -> list[int]:
    """Ids of the tokens that stay, rising. `counts`: how often the corpus has each; `always` stay whatever it has."""
    kept = pieces.with_needed(always)
    if settings.size and len(kept) > settings.size:
        raise PlanError(
            f"cannot prune the vocabulary to {settings.size} tokens",
            reason=f"special tokens, bytes and single characters are {len(kept)}",
            hint=f"give a size above {len(kept)}",
        )
    wanted = [token for token, count in _by_frequency(counts) if count >= settings.min_count and token in pieces.by_id]
    if settings.size:
        goal = settings.size
        _fill(kept, wanted, goal, pieces)
    else:
        kept |= pieces.with_needed(wanted)
        goal = -(-len(kept) // settings.multiple) * settings.multiple
        _fill(kept, [token for token, _ in _by_frequency(counts) if token in pieces.by_id], goal, pieces)
    _fill(kept, pieces.fillers(), goal, pieces)
    return sorted(kept)


def _by_frequency(counts: Counter[int]) -> list[tuple[int, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _fill(kept: set[int], candidates: Iterable[int], goal: int, pieces: Pieces) -> None:
    """Add candidates with what they need as long as there is room."""
    for token in candidates:
        if len(kept) >= goal:
            return
        new = pieces.needed(token) - kept
        if len(kept) + len(new) <= goal:
            kept |= new


def _named_ids(model: Any, pieces: Pieces) -> set[int]:
    """Tokens that the configuration names, and those whose number has a meaning elsewhere."""
    named = {value for _, value in _token_ids(model.config)} | {value for _, value in _token_ids(_generation(model))}
    if model.config.model_type == "gemma":
        named |= set(range(_GEMMA_FIXED))
    return named & pieces.by_id.keys()


def _token_ids(config: Any) -> list[tuple[str, int]]:
    found = []
    for name, value in vars(config).items() if config is not None else ():
        if name.endswith("_token_id"):
            values = value if isinstance(value, (list, tuple)) else [value]
            found += [(name, each) for each in values if isinstance(each, int) and not isinstance(each, bool)]
    return found


def _generation(model: Any) -> Any:
    return getattr(model, "generation_config", None)


@torch.no_grad()
def _cut_model(model: Any, kept: list[int]) -> None:
    numbers = {old: new for new, old in enumerate(kept)}
    for config in (model.config, _generation(model)):
        for name in {name for name, _ in _token_ids(config)}:
            value = getattr(config, name)
            if isinstance(value, (list, tuple)):
                setattr(config, name, [numbers[old] for old in value if old in numbers])
            else:
                setattr(config, name, numbers.get(value))
    apply(model, Cut(vocabulary=indices_of(kept)))


def _pre_tokenizer(folder: Path, pieces: Pieces) -> str:
    """llama.cpp's name of the pre-tokenizer, where it needs one: a BPE that is not SentencePiece's."""
    if pieces.kind == "WordPiece":
        return "default"  # llama.cpp has one WordPiece, whatever the name
    if any(piece == "<0x00>" for piece in pieces.ids):
        return ""  # SentencePiece's has none
    return recorded_pre_tokenizer(folder) or find_pre_tokenizer(folder)


def _parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
