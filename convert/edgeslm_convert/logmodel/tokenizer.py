"""The planner's tokenizer: SentencePiece BPE over generated pairs, with every handle a token of its own.

Byte fallback, no added prefix space, digits apart: llama.cpp's `llama` vocabulary cuts the same way (a test says so).
"""

from collections.abc import Iterator
from pathlib import Path

import sentencepiece

from edgeslm.ask.candidates import MAX_NUMBERS, MAX_SHAPES, MAX_SLOTS, MAX_TIMES, MAX_VALUES
from edgeslm_convert.logmodel.generate import read_pairs

_MOST = {"S": MAX_SHAPES, "V": MAX_VALUES, "T": MAX_TIMES, "N": MAX_NUMBERS, "A": MAX_SLOTS}
HANDLES = [f"{kind}{number}" for kind, most in _MOST.items() for number in range(1, most + 1)]


def train_tokenizer(pairs: Path, out: Path, *, vocabulary: int = 4096, sentences: int = 60000) -> Path:
    """Train on up to `sentences` pairs; writes out/tokenizer.model and returns its path."""
    out.mkdir(parents=True, exist_ok=True)

    def texts() -> Iterator[str]:
        for number, pair in enumerate(read_pairs(pairs)):
            if number >= sentences:
                return
            yield from (pair["prompt"] + pair["sql"]).split("\n")

    beside = out / "tokenizer.part"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=texts(),
        model_prefix=str(beside),
        vocab_size=vocabulary,
        model_type="bpe",
        character_coverage=1.0,
        required_chars="0123456789abcdefghijklmnopqrstuvwxyz",
        byte_fallback=True,
        split_digits=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        user_defined_symbols=[*HANDLES, "\n"],
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        minloglevel=2,
        num_threads=2,
    )
    path = out / "tokenizer.model"
    Path(f"{beside}.model").replace(path)
    Path(f"{beside}.vocab").unlink(missing_ok=True)
    return path
