"""The planner's pairs as token ids; batches of them are made by `data.batches`."""

from pathlib import Path

import numpy
import sentencepiece

from edgeslm_convert.data.batches import Tokenized, batches
from edgeslm_convert.logmodel.generate import read_pairs

__all__ = ["BOS", "EOS", "Tokenized", "batches", "tokenize_pairs"]

BOS, EOS = 1, 2
LONGEST = 384


def tokenize_pairs(pairs: Path, tokenizer: Path, *, limit: int | None = None) -> Tokenized:
    """Tokenize a folder's pairs; those over LONGEST tokens are left out."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer))
    ids: list[int] = []
    starts, answers = [0], []
    prompts, queries = [], []
    for pair in read_pairs(pairs):
        prompts.append(pair["prompt"])
        queries.append(pair["sql"])
        if limit and len(prompts) >= limit:
            break
    encoded = (processor.encode(texts, num_threads=2) for texts in (prompts, queries))
    for prompt, query in zip(*encoded, strict=True):
        if len(prompt) + len(query) + 2 > LONGEST:
            continue
        ids += [BOS, *prompt, *query, EOS]
        starts.append(len(ids))
        answers.append(len(prompt) + 1)
    offsets = (numpy.array(numbers, numpy.int64) for numbers in (starts, answers))
    return Tokenized(numpy.array(ids, numpy.uint16), *offsets)
