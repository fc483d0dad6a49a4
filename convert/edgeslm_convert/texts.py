"""The texts of a recipe as token sequences: which pieces of them are taken is decided by the recipe's seed alone.

A text is cut at line ends into windows a bit larger than a sequence, so that a large corpus is sampled throughout and
only what is taken is tokenized. Refuses to know what the sequences are for.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError, ModelError
from edgeslm_convert.data.plain import read_texts
from edgeslm_convert.data.prompts import code_pairs, prompts
from edgeslm_convert.data.records import Caps, Record
from edgeslm_convert.data.sets import load
from edgeslm_convert.recipe import CODE_PAIRS, Recipe, Texts

_CHARACTERS_A_TOKEN = 8  # of a window, and of a data set; most tokenizers need fewer
_LEAST_TOKENS = 2


def read_records(recipe: Recipe, texts: Texts) -> list[Record]:
    """The records of one section of the recipe. Raises InputError that names what cannot be read.

    Of a data set no more is read than its tokens can need.
    """
    if texts.data:
        copy = Path(recipe.resolved(texts.path)) if texts.path else None
        records = load(texts.data, copy, caps=Caps(characters=texts.tokens * _CHARACTERS_A_TOKEN))
    else:
        records = read_texts([Path(recipe.resolved(name)) for name in texts.files])
    if texts.form == CODE_PAIRS:
        records = code_pairs(records)
    elif texts.form:
        records = prompts(texts.form, records)
    return list(records)


def digest(records: Sequence[Record]) -> str:
    """SHA-256 over the records' texts and where their answers begin, in order."""
    total = hashlib.sha256()
    for record in records:
        data = record.text.encode("utf-8", "surrogatepass")
        total.update(len(record.prompt).to_bytes(8, "big") + len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


@dataclass(frozen=True)
class Passage:
    """tokens: a tensor [1, t] of ids. given: how many at its beginning a model need not predict, at least one."""

    tokens: Any
    given: int = 1


def passages(checkpoint: Path, records: Sequence[Record], wanted: Texts) -> list[Passage]:
    """Pieces of the records under the checkpoint's own tokenizer, special tokens included. A pair's prompt is given.

    At most wanted.tokens tokens in sequences of at most wanted.sequence. Raises InputError if there are none.
    """
    import torch

    tokenizer = load_tokenizer(checkpoint)
    size = wanted.sequence * _CHARACTERS_A_TOKEN
    windows = [
        window
        for record in records
        for window in (
            [(record.text, record.prompt)] if record.prompt else ((text, "") for text in _windows(record.text, size))
        )
    ]
    random.Random(wanted.seed).shuffle(windows)
    found: list[Passage] = []
    left = wanted.tokens
    for window, prompt in windows:
        if left < _LEAST_TOKENS:
            break
        ids = tokenizer(window, truncation=True, max_length=min(wanted.sequence, left))["input_ids"]
        given = _in_common(ids, tokenizer(prompt)["input_ids"]) if prompt else 1
        if len(ids) >= _LEAST_TOKENS and len(ids) > given:
            found.append(Passage(torch.tensor([ids]), given))
            left -= len(ids)
    if not found:
        raise InputError("the texts of the recipe are too short", reason="not one piece of two tokens is in them")
    return found


def _in_common(ids: Sequence[int], prompt: Sequence[int]) -> int:
    """How many tokens the whole text and its prompt alone begin with, the first one in any case."""
    count = next((at for at, (one, other) in enumerate(zip(ids, prompt, strict=False)) if one != other), None)
    return max(1, min(len(ids), len(prompt)) if count is None else count)


def load_tokenizer(checkpoint: Path) -> Any:
    """The tokenizer in a checkpoint folder. Raises ModelError."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a damaged tokenizer's library leads to
        raise ModelError(f"cannot load the tokenizer in {checkpoint}", reason=str(error)[:500]) from error


def _windows(text: str, size: int) -> Iterator[str]:
    """Pieces of at least `size` characters, the last one aside, that end with a line unless lines are long."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + size)
        end = len(text) if end < 0 else end + 1
        for cut in range(start, end, 4 * size):
            yield text[cut : min(end, cut + 4 * size)]
        start = end
