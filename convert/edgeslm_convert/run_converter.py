"""Runs llama.cpp's converter in this process, with what it cannot be told by its arguments. A script of its own.

`python run_converter.py SCRIPT PRE_TOKENIZER ARGUMENT...` (PRE_TOKENIZER may be empty) is what `gguf.to_gguf` starts.
It imports nothing of ours, so that the converter finds its own modules and its own gguf package first.

Three things are put right:
- The converter knows a BPE pre-tokenizer by a hash over the whole vocabulary; one that was pruned or is new it refuses.
- Where a SentencePiece tokenizer is there as tokenizer.json only, it gives every token the same score, and llama.cpp,
  which merges by score, then reads text as other tokens than transformers does. The scores are the ranks of the merges.
- GPTBigCode and Phi get a feed-forward length of four times their width, whatever config.json says.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

_NEVER_MERGED = -1e6
# Model types whose feed-forward length the converter assumes -> the key in config.json that holds it.
_ASSUMED_LENGTH = {"gpt_bigcode": "n_inner", "phi": "intermediate_size"}


def prepare(script: str) -> None:
    """Put the converter's own modules and its gguf package first; this script's folder holds other ones."""
    folder = Path(script).parent
    sys.path[0] = str(folder)  # the converter looks for its built-in vocabularies there
    sys.path.insert(1, str(folder / "gguf-py"))
    import gguf

    gguf.LlamaHfVocab.get_token_score = _token_score


def run(script: str, pre_tokenizer: str, arguments: list[str]) -> None:
    """Run the converter with its `arguments`, its exceptions and exits included; `prepare` comes first."""
    from conversion.base import TextModel  # type: ignore[import-not-found]

    sys.argv = [script, *arguments]
    import gguf

    own, own_length = TextModel.get_vocab_base_pre, gguf.GGUFWriter.add_feed_forward_length
    if pre_tokenizer:
        TextModel.get_vocab_base_pre = lambda self, tokenizer: pre_tokenizer
    length = feed_forward_length(Path(arguments[0]))
    if length:
        gguf.GGUFWriter.add_feed_forward_length = lambda self, assumed: own_length(self, length)
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        TextModel.get_vocab_base_pre = own
        gguf.GGUFWriter.add_feed_forward_length = own_length


def feed_forward_length(model: Path) -> int | None:
    """The length in config.json where the converter would assume another one; None where it reads it itself."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    return config.get(_ASSUMED_LENGTH.get(config.get("model_type"), ""))


def merge_scores(tokenizer: dict[str, Any]) -> dict[int, float]:
    """Scores by token id from the content of a tokenizer.json: the earlier a token is merged, the higher."""
    model = tokenizer["model"]
    scores: dict[int, float] = {}
    for rank, merge in enumerate(model["merges"]):
        first, second = merge.split(" ", 1) if isinstance(merge, str) else merge
        scores.setdefault(model["vocab"][first + second], -float(rank))
    return scores


def _token_score(vocabulary: Any, token_id: int) -> float:
    """Stands in for LlamaHfVocab.get_token_score."""
    scores = vocabulary.__dict__.get("edgeslm_scores")
    if scores is None:
        scores = merge_scores(json.loads(vocabulary.fname_tokenizer.read_text(encoding="utf-8")))
        vocabulary.edgeslm_scores = scores
    return scores.get(token_id, _NEVER_MERGED)


if __name__ == "__main__":
    prepare(sys.argv[1])
    run(sys.argv[1], sys.argv[2], sys.argv[3:])
