"""Free text from a causal GGUF, greedily: plain, cut short at an exit layer, or drafted and verified.

It uses the engine and knows nothing of logs, questions or SQL.
"""

from edgeslm.generate.decoder import Decoder
from edgeslm.generate.generator import Generation, Settings, generate

__all__ = ["Decoder", "Generation", "Settings", "generate"]
