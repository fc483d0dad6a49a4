"""The engine room: loads a causal GGUF model with llama.cpp and completes a prompt, under a grammar if asked.

It knows nothing of logs, questions or SQL.
"""

from edgeslm.engine.ahead import LoadAhead
from edgeslm.engine.model import Completion, Model

__all__ = ["Completion", "LoadAhead", "Model"]
