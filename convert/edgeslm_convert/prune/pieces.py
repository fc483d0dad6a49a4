"""The pieces of a tokenizer and which of them need each other. Reads one; `tokenizer_files` writes what is left of it.

Three kinds are known: byte-level BPE, BPE out of SentencePiece (with byte fallback), and WordPiece. Whatever set is
chosen, `Pieces.with_needed` completes it so that the smaller tokenizer still reads everything:

- Byte-level BPE and SentencePiece keep every single character and byte, so any text can be spelled. A merged piece
  keeps the pieces that its own merges go through. Then text whose pieces all stay is cut as before: of the merges that
  a word takes, in order of rank, each is still there, and none has come before it.
- WordPiece keeps every single character, at a word's begin and inside, and every piece with a character that has none.
  The longest match always goes on then, so [UNK] comes only where it came before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edgeslm.errors import ModelError

_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_UNUSED = re.compile(r"\[unused\d+\]|<unused\d+>|\[PAD\d+\]")


@dataclass(frozen=True)
class Pieces:
    """A tokenizer's pieces. kind: "BPE" or "WordPiece"."""

    kind: str
    by_id: dict[int, str]
    ids: dict[str, int]
    protected: frozenset[int]  # special and added tokens, bytes, single characters
    ranks: dict[tuple[str, str], int]  # merges, the first to be made lowest; empty for WordPiece
    tokenizer: Tokenizer
    _needs: dict[int, frozenset[int]] = field(default_factory=dict, compare=False)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without the special tokens around it."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def needed(self, piece: int) -> frozenset[int]:
        """The piece and those that its merges go through."""
        if piece not in self._needs:
            self._needs[piece] = frozenset({piece} if not self.ranks else self._merged(piece))
        return self._needs[piece]

    def with_needed(self, chosen: Iterable[int]) -> set[int]:
        """`chosen`, what they need, and what is protected."""
        return set(self.protected).union(*(self.needed(piece) for piece in chosen))

    def fillers(self) -> list[int]:
        """Every piece in the tokenizer's own order, earlier being more common; reserved empty ones left out."""
        return [piece for piece in sorted(self.by_id) if not _UNUSED.fullmatch(self.by_id[piece])]

    def _merged(self, piece: int) -> set[int]:
        """Ids of all that comes up while this piece is merged out of its characters."""
        symbols = list(self.by_id[piece])
        found = {piece, *(self.ids[symbol] for symbol in symbols if symbol in self.ids)}
        while len(symbols) > 1:
            pairs = [(self.ranks.get(pair, -1), at) for at, pair in enumerate(pairwise(symbols))]
            possible = [pair for pair in pairs if pair[0] >= 0]
            if not possible:
                break
            at = min(possible)[1]
            symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
            found.add(self.ids[symbols[at]])
        return found


def read_pieces(folder: Path) -> Pieces:
    """The tokenizer of a checkpoint folder. Raises ModelError for a kind that cannot be pruned."""
    content = tokenizer_json(folder)
    model = content["model"]
    kind = model.get("type") or ("WordPiece" if "max_input_chars_per_word" in model else "BPE")
    if kind not in ("BPE", "WordPiece"):
        raise ModelError(
            f"cannot prune the vocabulary in {folder}",
            reason=f"its tokenizer is of kind {kind}",
            hint="byte-level BPE, SentencePiece's BPE and WordPiece can be pruned",
        )
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    added = {token["id"]: token["content"] for token in content["added_tokens"]}
    by_id = {**{index: piece for piece, index in model["vocab"].items()}, **added}
    ids = {piece: index for index, piece in by_id.items()}
    alone = _alone_wordpiece(model, ids) if kind == "WordPiece" else _alone_bpe(ids)
    unknown = [ids[model["unk_token"]]] if model.get("unk_token") in ids else []
    return Pieces(kind, by_id, ids, frozenset([*added, *unknown, *alone]), merge_ranks(model), tokenizer)


def tokenizer_json(folder: Path) -> dict[str, Any]:
    """The content of tokenizer.json, or what transformers makes of the folder's other files. Raises ModelError."""
    try:
        if (folder / "tokenizer.json").is_file():
            return dict(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")))
        from transformers import AutoTokenizer

        made = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return dict(json.loads(made.backend_tokenizer.to_str()))
    except Exception as error:  # whatever a damaged tokenizer's library leads to
        raise ModelError(f"cannot read the tokenizer in {folder}", reason=str(error)[:500]) from error


def merge_ranks(model: dict[str, Any]) -> dict[tuple[str, str], int]:
    """(first, second) -> rank, from the `model` of a tokenizer.json, which writes merges as texts or as pairs."""
    ranks: dict[tuple[str, str], int] = {}
    for rank, merge in enumerate(model.get("merges") or ()):
        first, second = merge.split(" ", 1) if isinstance(merge, str) else merge
        ranks[first, second] = rank
    return ranks


def _alone_bpe(ids: dict[str, int]) -> list[int]:
    return [index for piece, index in ids.items() if len(piece) == 1 or _BYTE.fullmatch(piece)]


def _alone_wordpiece(model: dict[str, Any], ids: dict[str, int]) -> list[int]:
    """Single characters, and pieces that these cannot spell."""
    inside: str = model.get("continuing_subword_prefix") or "##"

    def spelled(piece: str) -> list[str]:
        within = piece.startswith(inside) and len(piece) > len(inside)
        body = piece[len(inside) :] if within else piece
        return [(inside if within or at else "") + letter for at, letter in enumerate(body)]

    alone = []
    for piece, index in ids.items():
        letters = spelled(piece)
        if letters == [piece] or any(letter not in ids for letter in letters):
            alone.append(index)
    return alone
