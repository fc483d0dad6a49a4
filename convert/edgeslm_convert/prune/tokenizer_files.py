"""Writes a tokenizer's files with only the pieces that stay, numbered anew in their old order.

Each file that the source folder has is rewritten in its own kind, so that whichever a program reads, it reads the same
tokenizer. Choosing is not its business.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edgeslm_convert.pre_tokenizer import PRE_TOKENIZER_KEY
from edgeslm_convert.prune.pieces import merge_ranks, tokenizer_json

_SPECIAL = "tokenizer_config.json"


def write_tokenizer(source: Path, target: Path, kept: Sequence[int], *, pre_tokenizer: str = "") -> None:
    """Write into folder `target` what is left of the tokenizer in `source` when the tokens `kept` stay, in this order.

    pre_tokenizer: llama.cpp's name of the pre-tokenizer, to be remembered: it cannot be told from a pruned vocabulary.
    """
    numbers = {old: new for new, old in enumerate(kept)}
    for name, rewrite in _FILES.items():
        if (source / name).is_file():
            (target / name).write_bytes(rewrite((source / name).read_bytes(), numbers))
    if (source / "merges.txt").is_file():
        vocabulary = _json((source / "vocab.json").read_bytes())
        left = {piece for piece, index in vocabulary.items() if index in numbers}
        (target / "merges.txt").write_text(_merges_text(source / "merges.txt", left), encoding="utf-8")
    if (source / "special_tokens_map.json").is_file():
        shutil.copyfile(source / "special_tokens_map.json", target / "special_tokens_map.json")
    named = _name_specials(source, target, numbers) if (source / "vocab.txt").is_file() else {}
    recorded = {PRE_TOKENIZER_KEY: pre_tokenizer} if pre_tokenizer else {}
    settings = _json((target / _SPECIAL).read_bytes()) if (target / _SPECIAL).is_file() else {}
    (target / _SPECIAL).write_bytes(_bytes({**named, **settings, **recorded}))


def _name_specials(source: Path, target: Path, numbers: dict[int, int]) -> dict[str, str]:
    """[UNK], [CLS] and the like by name, and a tokenizer.json to look their numbers up in, also where there was none.

    Without, llama.cpp takes them to have the numbers of BERT's own vocabulary.
    """
    from transformers import AutoTokenizer

    if not (source / "tokenizer.json").is_file():
        whole = _bytes(tokenizer_json(source))
        (target / "tokenizer.json").write_bytes(_tokenizer_json(whole, numbers))
    named = AutoTokenizer.from_pretrained(source, local_files_only=True, trust_remote_code=False).special_tokens_map
    return {role: str(token) for role, token in named.items() if isinstance(token, str)}


def _tokenizer_json(data: bytes, numbers: dict[int, int]) -> bytes:
    content = _json(data)
    model = content["model"]
    model["vocab"] = _numbered(model["vocab"], numbers)
    if model.get("merges"):
        left = model["vocab"].keys()
        pairs = sorted(merge_ranks(model).items(), key=lambda item: item[1])
        model["merges"] = [list(pair) for pair, _ in pairs if left >= {*pair, "".join(pair)}]
    content["added_tokens"] = [
        {**token, "id": numbers[token["id"]]} for token in content["added_tokens"] if token["id"] in numbers
    ]
    if content.get("padding"):
        content["padding"]["pad_id"] = numbers.get(content["padding"]["pad_id"], 0)
    for special in _special_tokens(content.get("post_processor")):
        special["ids"] = [numbers[index] for index in special["ids"]]
    return _bytes(_pairs_renumbered(content, numbers))


def _special_tokens(processor: Any) -> Iterator[dict[str, Any]]:
    """What a post-processor puts around a text, with ids, in however many templates it has."""
    if isinstance(processor, dict):
        yield from (processor.get("special_tokens") or {}).values()
        for part in processor.get("processors") or ():
            yield from _special_tokens(part)


def _pairs_renumbered(content: dict[str, Any], numbers: dict[int, int]) -> dict[str, Any]:
    """Bert's and Roberta's own post-processors hold [piece, id] pairs instead."""
    processor = content.get("post_processor")
    for part in [processor, *((processor or {}).get("processors") or ())]:
        for key in ("sep", "cls"):
            if isinstance(part, dict) and isinstance(part.get(key), list):
                part[key] = [part[key][0], numbers[part[key][1]]]
    return content


def _vocabulary_json(data: bytes, numbers: dict[int, int]) -> bytes:
    return _bytes(_numbered(_json(data), numbers))


def _vocabulary_text(data: bytes, numbers: dict[int, int]) -> bytes:
    lines = data.decode("utf-8").splitlines()
    return "".join(f"{lines[old]}\n" for old in numbers).encode("utf-8")


def _settings(data: bytes, numbers: dict[int, int]) -> bytes:
    content = _json(data)
    added = content.get("added_tokens_decoder")
    if added:
        content["added_tokens_decoder"] = {
            str(numbers[int(old)]): token for old, token in added.items() if int(old) in numbers
        }
    return _bytes(content)


def _merges_text(path: Path, left: set[str]) -> str:
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        pair = line.split(" ")
        if line.startswith("#version") or (len(pair) == 2 and left >= {*pair, "".join(pair)}):
            kept.append(line)
    return "\n".join(kept) + "\n"


def _sentencepiece(data: bytes, numbers: dict[int, int]) -> bytes:
    """A SentencePiece model with fewer pieces; how it normalises text stays."""
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto.FromString(data)
    # Tokens that were added behind the model's own are not in it.
    left = [model.pieces[old] for old in numbers if old < len(model.pieces)]
    del model.pieces[:]
    model.pieces.extend(left)
    model.trainer_spec.vocab_size = len(left)
    return bytes(model.SerializeToString())


def _numbered(vocabulary: dict[str, int], numbers: dict[int, int]) -> dict[str, int]:
    left = {piece: numbers[old] for piece, old in vocabulary.items() if old in numbers}
    return dict(sorted(left.items(), key=lambda item: item[1]))


def _json(data: bytes) -> Any:
    return json.loads(data.decode("utf-8"))


def _bytes(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


_FILES: dict[str, Callable[[bytes, dict[int, int]], bytes]] = {
    "tokenizer.json": _tokenizer_json,
    "tokenizer.model": _sentencepiece,
    "vocab.json": _vocabulary_json,
    "vocab.txt": _vocabulary_text,
    "added_tokens.json": _vocabulary_json,
    _SPECIAL: _settings,
}
