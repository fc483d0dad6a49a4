"""Quantization: an f16 GGUF becomes a smaller one by llama.cpp's own quantizer, and it is measured what that costs.

`quantize` writes a file type, `quantize_to_size` chooses a type for each tensor under a size, `collect` gathers an
importance matrix, `Reference`, `divergence` and `perplexity` measure.
"""

from edgeslm_convert.quantize.apply import Quantized, quantize
from edgeslm_convert.quantize.budget import Fitted, quantize_to_size
from edgeslm_convert.quantize.collect import collect
from edgeslm_convert.quantize.divergence import Divergence, Perplexity, Reference, divergence, perplexity
from edgeslm_convert.quantize.imatrix import ImportanceMatrix
from edgeslm_convert.quantize.vocabulary import read_sequences

__all__ = [
    "Divergence",
    "Fitted",
    "ImportanceMatrix",
    "Perplexity",
    "Quantized",
    "Reference",
    "collect",
    "divergence",
    "perplexity",
    "quantize",
    "quantize_to_size",
    "read_sequences",
]
