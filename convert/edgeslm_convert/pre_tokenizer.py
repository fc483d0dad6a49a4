"""llama.cpp's name of a BPE tokenizer's pre-tokenizer, by the table of the converter in the pinned source.

The converter knows a tokenizer by a hash over what it makes of one text, so the name can be asked for only while the
vocabulary is whole. Run as a script, in a process of its own, it asks: `python pre_tokenizer.py SCRIPT FOLDER`.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

PRE_TOKENIZER_KEY = "llama_cpp_pre_tokenizer"  # in tokenizer_config.json, left by pruning a vocabulary


def recorded_pre_tokenizer(folder: Path) -> str:
    """The name that was left in a checkpoint folder; empty if there is none."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return ""
    return str(json.loads(path.read_text(encoding="utf-8")).get(PRE_TOKENIZER_KEY, ""))


def find_pre_tokenizer(folder: Path) -> str:
    """The name for the tokenizer in `folder`. Raises ModelError where the converter does not know it."""
    from edgeslm.errors import ModelError
    from edgeslm_convert.gguf import converter_script

    command = [sys.executable, str(Path(__file__).resolve()), str(converter_script()), str(folder.resolve())]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=environment)
    name = done.stdout.strip()
    if done.returncode != 0 or not name:
        last = done.stderr.strip().splitlines()
        raise ModelError(
            f"cannot tell the pre-tokenizer of {folder}",
            reason=last[-1] if last else "llama.cpp's converter gave no name",
            hint="name it as llama.cpp does: pre_tokenizer in the recipe",
        )
    return name


def ask(script: str, folder: str) -> str:
    """The converter's answer, in this process."""
    sys.path[0] = str(Path(script).parent)
    sys.path.insert(1, str(Path(script).parent / "gguf-py"))
    from conversion.base import TextModel  # type: ignore[import-not-found]
    from transformers import AutoTokenizer

    logging.disable(logging.CRITICAL)
    return str(TextModel.get_vocab_base_pre(None, AutoTokenizer.from_pretrained(folder)))


if __name__ == "__main__":
    print(ask(sys.argv[1], sys.argv[2]))
