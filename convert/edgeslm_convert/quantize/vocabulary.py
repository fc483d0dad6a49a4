"""Calibration text to token ids, by the vocabulary of the GGUF itself; its weights stay on disk.

Invariant: nothing of the text is left out but the last piece that is too short to say anything.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeslm.engine.gguf_file import check_header
from edgeslm.engine.library import first_reason, load_library
from edgeslm.errors import InputError, ModelError

_LEAST_TOKENS = 8  # of a piece


class Vocabulary:
    """The tokenizer of a GGUF. Memory is freed with the object."""

    def __init__(self, path: Path) -> None:
        """Read the vocabulary of `path`. Raises ModelError for a file that llama.cpp cannot read."""
        self.path = path
        check_header(path)
        library = load_library()
        self._llama = library.llama
        params = self._llama.llama_model_default_params()
        params.vocab_only = True
        library.take_log()
        handle = library.own.edgeslm_load_model(os.fsencode(path), params)
        if not handle:
            reason = first_reason(library.take_log()) or "llama.cpp gave no reason"
            raise ModelError(f"cannot read the model {path}", reason=reason, hint="make or copy the file again")
        self._finalizer = weakref.finalize(self, self._llama.llama_model_free, handle)
        self._vocab = self._llama.llama_model_get_vocab(handle)
        self.train_context: int = self._llama.llama_model_n_ctx_train(handle)

    def tokenize(self, text: str, *, add_special: bool = False) -> list[int]:
        """Token ids of `text`; nothing in it is taken for a special token."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        while True:
            buffer = (self._llama.llama_token * size)()
            count = self._llama.llama_tokenize(self._vocab, data, len(data), buffer, size, add_special, False)
            if count >= 0:
                return list(buffer[:count])
            size = -count

    def around(self) -> tuple[list[int], list[int]]:
        """What the model wants before and after a text: BOS or CLS, and EOS or SEP, where it wants them."""
        plain, special = self.tokenize("a"), self.tokenize("a", add_special=True)
        for start in range(len(special) - len(plain) + 1):
            if special[start : start + len(plain)] == plain:
                return special[:start], special[start + len(plain) :]
        return [], []  # a vocabulary that merges across the border

    @property
    def has_tokens(self) -> bool:
        """Whether the file holds a vocabulary at all."""
        kind: Any = self._llama.llama_vocab_type(self._vocab)
        return bool(kind != self._llama.LLAMA_VOCAB_TYPE_NONE)


def read_sequences(
    model: Path, texts: Sequence[Path], *, chunk: int = 512, limit: int | None = None, skip: int = 0
) -> list[list[int]]:
    """Pieces of `chunk` tokens (special ones included) of the text files, cut one after the other.

    limit: at most so many tokens in all. skip: leave out so many first, to measure on others than were gathered from.
    Raises InputError for files that cannot be read or hold too little, ModelError for the model.
    """
    vocabulary = Vocabulary(model)
    if not vocabulary.has_tokens:
        raise ModelError(f"{model} cannot read a text", reason="it has no vocabulary")
    tokens = vocabulary.tokenize("\n".join(map(_read, texts)))[skip:][:limit]
    before, after = vocabulary.around()
    size = min(chunk, vocabulary.train_context or chunk) - len(before) - len(after)
    pieces = [tokens[start : start + size] for start in range(0, len(tokens), size)]
    kept = [[*before, *piece, *after] for piece in pieces if len(piece) >= min(size, _LEAST_TOKENS)]
    if not kept:
        raise InputError(
            f"too little text in {', '.join(map(str, texts))}",
            reason=f"it has {len(tokens)} tokens" + (f" after the first {skip}" if skip else ""),
            hint="give a text like those the model is for, a few thousand words",
        )
    return kept


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {path}", reason=error.strerror or str(error)) from error
