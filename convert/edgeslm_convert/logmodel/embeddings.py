"""Token embeddings to start from: those of all-MiniLM-L6-v2 (Apache-2.0), projected to the planner's width.

They bring synonyms along that no small generator can teach. Everything else of the planner starts at random.
"""

import json
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import load_file


def projected_embeddings(
    checkpoint: Path, tokenizer: Path, width: int, *, scale: float = 0.05, seed: int = 1
) -> torch.Tensor:
    """[vocabulary, width]: each piece's word embedding under the first principal axes; random for an unknown word.

    checkpoint: folder with the encoder's model.safetensors and vocab.txt or tokenizer.json. scale: standard deviation
    of the result.
    """
    weights = load_file(checkpoint / "model.safetensors")
    name = next(key for key in weights if key.endswith("embeddings.word_embeddings.weight"))
    table = weights[name].float()
    words = {word: at for at, word in enumerate(_vocabulary(checkpoint))}
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer))
    generator = torch.Generator().manual_seed(seed)
    known: dict[int, torch.Tensor] = {}
    for at in range(processor.get_piece_size()):
        piece = processor.id_to_piece(at)
        text = piece.lstrip("▁").lower()
        inside = not piece.startswith("▁") and text.isalpha()
        found = words.get(f"##{text}", words.get(text)) if inside else words.get(text)
        if found is not None and text:
            known[at] = table[found]
    stacked = torch.stack(list(known.values()))
    mean = stacked.mean(0)
    axes = torch.linalg.svd(stacked - mean, full_matrices=False).Vh[:width]
    projected = (stacked - mean) @ axes.T
    out = torch.randn(processor.get_piece_size(), width, generator=generator)
    out[list(known)] = projected / projected.std()
    return out * scale


def _vocabulary(checkpoint: Path) -> list[str]:
    if (checkpoint / "vocab.txt").exists():
        return (checkpoint / "vocab.txt").read_text(encoding="utf-8").splitlines()
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    return sorted(vocabulary, key=lambda word: vocabulary[word])
