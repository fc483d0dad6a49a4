"""How good a code model is: the share of held-out functions it completes to something that parses.

A prompt is a function's signature with its docstring, or with its first statement where it has none. It ends before
the line break: tokenizers join that with the indentation after it, and a break of its own would say that no body
follows. The model writes on, greedily; what it wrote counts to the end of the function's block. What the code does is
not judged.
"""

from __future__ import annotations

import ast
import random
import textwrap
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edgeslm.engine.model import Model
from edgeslm_convert.codemodel.corpus import SourceFile, library_files

PROMPTS = 240
_TOKENS = 96  # of a completion
_LONGEST = 900  # characters of a prompt
_LEAST_LINES = 4  # that a function has after its prompt
_STOPS = ("\ndef ", "\nclass ", "\n@", "\nif ", "\n#", "<|endoftext|>")


@dataclass
class ParseReport:
    """right of total completions parse; failures: prompt and completion of those that do not."""

    right: int = 0
    total: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        return self.right / self.total if self.total else 0.0


def measure(
    gguf: Path, *, library: Path | None = None, count: int = PROMPTS, threads: int | None = None
) -> ParseReport:
    """Complete `count` prompts of held-out modules with the model at `gguf`."""
    report = ParseReport()
    with Model(gguf, n_ctx=512, threads=threads) as model:
        for prompt in prompts(library_files(library), count):
            done = model.complete(prompt, max_tokens=_TOKENS, stop=_STOPS)
            report.total += 1
            if parses(prompt, done.text, finished=done.finished):
                report.right += 1
            else:
                report.failures.append(prompt + "\u25b6" + done.text)
    return report


def prompts(files: Iterable[SourceFile], count: int, *, seed: int = 1) -> list[str]:
    """At most `count` prompts of functions in held-out files, drawn with `seed`."""
    found = []
    for file in files:
        if file.held_out:
            lines = file.text.splitlines(keepends=True)
            with warnings.catch_warnings():  # of old spellings in the text
                warnings.simplefilter("ignore")
                tree = ast.parse(file.text)
            functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
            found += [prompt for node in functions if (prompt := _prompt(node, lines))]
    found = list(dict.fromkeys(found))
    random.Random(seed).shuffle(found)
    return found[:count]


def parses(prompt: str, completion: str, *, finished: bool) -> bool:
    """Whether prompt and completion, cut where the function's block ends, are a function with code of the model's own.

    finished: the model came to an end; else its last line may be torn and is left out with the head of its block, but
    only if others are left.
    """
    first, *lines = completion.split("\n")  # first: what still stands in the prompt's last line
    block: list[str] = []
    ended = finished
    for line in lines:
        if line.strip() and not line.startswith((" ", "\t")):
            ended = True
            break
        block.append(line)
    if not ended:
        block = block[:-1]
        while block and (not block[-1].strip() or block[-1].rstrip().endswith(":")):
            block.pop()  # what a torn line was the body of
    code = [line for line in block if line.strip() and not line.strip().startswith("#")]
    if not code:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse("\n".join([prompt + first, *block]))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _prompt(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> str | None:
    """The function's first lines with no indentation, or None for one that is too short or too long for a prompt."""
    head = node.body[0]
    last = head.end_lineno or 0
    if len(node.body) < 2 or (node.end_lineno or 0) - last < _LEAST_LINES or head.lineno == node.lineno:
        return None
    if not isinstance(head, ast.Expr | ast.Assign | ast.Return):  # a block begun would be half a statement
        last = head.lineno - 1
    prompt = textwrap.dedent("".join(lines[node.lineno - 1 : last])).rstrip("\n")
    return prompt if len(prompt) <= _LONGEST and prompt.startswith(("def ", "async def ")) else None
