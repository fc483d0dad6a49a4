"""Runs `edgeslm convert` again and again as processes of their own that can be killed, importing torch only once.

A script for tests. Each line of standard input is a JSON object: arguments, kill_after (seconds or null), file_limit
(bytes that a file may have, or null), errors (a file for standard error). Each answer is a line: the exit status, or
the negative number of the signal. The processes are forks of this one, which computes nothing itself.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import time
from typing import Any

from edgeslm import cli

_NEEDED = (
    "edgeslm_convert.cli", "edgeslm_convert.run", "edgeslm_convert.measured", "edgeslm_convert.verify",
    "edgeslm_convert.steps_prune", "edgeslm_convert.steps_recover", "edgeslm_convert.quantize.apply",
    "edgeslm_convert.quantize.imatrix", "transformers.models.llama.modeling_llama", "transformers.models.auto",
)  # fmt: skip


def serve() -> None:
    """Answer every line of standard input."""
    for line in sys.stdin:
        job = json.loads(line)
        sys.stdout.write(f"{run(job)}\n")
        sys.stdout.flush()


def run(job: dict[str, Any]) -> int:
    """One process from beginning to end."""
    child = os.fork()
    if child == 0:
        work(job)
    if job["kill_after"] is not None:
        deadline = time.monotonic() + job["kill_after"]
        while time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def work(job: dict[str, Any]) -> None:
    """What the child does; never returns."""
    status = 70
    try:
        errors = os.open(job["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(errors, 2)
        os.dup2(errors, 1)
        if job["file_limit"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"], resource.RLIM_INFINITY))
        status = cli.run(job["arguments"])
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    for module in _NEEDED:
        importlib.import_module(module)
    serve()
