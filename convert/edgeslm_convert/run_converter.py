"""Runs llama.cpp's converter in this process, with what it cannot be told by its arguments. A script of its own.

`python run_converter.py SCRIPT PRE_TOKENIZER ARGUMENT...` (PRE_TOKENIZER may be empty) is what `gguf.to_gguf` starts.
It imports nothing of ours, so that the converter finds its own modules and its own gguf package first.

Keys of the metadata file that the converter does not know (none of `general.…`) are written as texts of their own.

Four things are put right:
- The converter knows a BPE pre-tokenizer by a hash over the whole vocabulary; one that was pruned or is new it refuses.
- Where a SentencePiece tokenizer is there as tokenizer.json only, it gives every token the same score, and llama.cpp,
  which merges by score, then reads text as other tokens than transformers does. The scores are the ranks of the merges.
- GPTBigCode and Phi get a feed-forward length of four times their width, whatever config.json says.
- A Llama whose layers were pruned to FFNs of different widths (`ffn_widths` in config.json, the narrower ones filled up
  with zeros) becomes llama.cpp's `deci`, which is Llama with widths layer by layer, without what only filled up.
"""

from __future__ import annotations

import ctypes
import json
import runpy
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

_NEVER_MERGED = -1e6
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Model types whose feed-forward length the converter assumes -> the key in config.json that holds it.
_ASSUMED_LENGTH = {"gpt_bigcode": "n_inner", "phi": "intermediate_size"}
_FFN_ROWS = ("mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.gate_proj.bias", "mlp.up_proj.bias")


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
        widths = layer_widths(length) if isinstance(length, list) else nullcontext()
        with widths, written_texts(own_metadata(arguments)):
            runpy.run_path(script, run_name="__main__")
    finally:
        TextModel.get_vocab_base_pre = own
        gguf.GGUFWriter.add_feed_forward_length = own_length


def own_metadata(arguments: list[str]) -> dict[str, str]:
    """The keys of the file after --metadata that are not the converter's."""
    if "--metadata" not in arguments:
        return {}
    data = json.loads(Path(arguments[arguments.index("--metadata") + 1]).read_text(encoding="utf-8"))
    return {key: str(value) for key, value in data.items() if not key.startswith("general.")}


@contextmanager
def written_texts(texts: dict[str, str]) -> Iterator[None]:
    """The converter's writer, writing these keys too."""
    import gguf

    own = gguf.GGUFWriter.write_header_to_file

    def write_header(self: Any, *more: Any, **named: Any) -> None:
        for key, text in texts.items():
            self.add_string(key, text)
        own(self, *more, **named)

    gguf.GGUFWriter.write_header_to_file = write_header
    try:
        yield
    finally:
        gguf.GGUFWriter.write_header_to_file = own


@contextmanager
def layer_widths(widths: list[int]) -> Iterator[None]:
    """The converter's Llama as `deci`, its FFNs cut to these widths."""
    import gguf
    from conversion.llama import LlamaModel  # type: ignore[import-not-found]

    own_arch, own_tensors = LlamaModel.model_arch, LlamaModel.modify_tensors

    def cut(self: Any, data: Any, name: str, layer: int | None) -> Any:
        if layer is not None and name.endswith(_FFN_ROWS):
            data = data[: widths[layer]]
        elif layer is not None and name.endswith("mlp.down_proj.weight"):
            data = data[:, : widths[layer]]
        return own_tensors(self, data, name, layer)

    LlamaModel.model_arch, LlamaModel.modify_tensors = gguf.MODEL_ARCH.DECI, cut
    try:
        yield
    finally:
        LlamaModel.model_arch, LlamaModel.modify_tensors = own_arch, own_tensors


def feed_forward_length(model: Path) -> int | list[int] | None:
    """The length in config.json where the converter would assume another one; None where it reads it itself.

    A list where layers differ.
    """
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    if config.get("ffn_widths"):
        return [int(width) for width in config["ffn_widths"]]
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


def end_with_parent() -> None:
    """Ask Linux to end this process when the one that started it is killed: it would write where a rerun writes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    end_with_parent()
    prepare(sys.argv[1])
    run(sys.argv[1], sys.argv[2], sys.argv[3:])
