"""Runs llama.cpp's converter several times in one process: importing what it needs takes longer than a tiny model.

A script for tests: standard input holds a JSON list of [converter script, pre-tokenizer or "", arguments], standard
output gets a JSON list of errors, "" where there was none. `edgeslm_convert.gguf` runs one process a model.
"""

from __future__ import annotations

import json
import sys

from edgeslm_convert import run_converter


def convert(script: str, pre_tokenizer: str, arguments: list[str]) -> str:
    """One conversion; returns its error."""
    try:
        run_converter.run(script, pre_tokenizer, arguments)
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    jobs = json.load(sys.stdin)
    run_converter.prepare(jobs[0][0])
    print(json.dumps([convert(*job) for job in jobs]))
