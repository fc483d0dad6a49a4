"""The reference study's prompts (study.toml) and what a model writes on them. Refuses to judge that.

A prompt has two forms: `code`, the beginning of a file to go on with, and `instruction`, a request in words.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeslm.engine import Model
from edgeslm.errors import EdgeSlmError

Form = Literal["code", "instruction"]
FORMS: tuple[Form, ...] = ("code", "instruction")
KINDS = ("classification", "clustering", "outlier detection", "scientific", "problem solving")
_FILE = Path(__file__).with_name("study.toml")
_PROMPT_TOKENS = 256  # that a prompt may have, besides what is written


@dataclass(frozen=True)
class Prompt:
    """One task. use: an expression that uses what was asked for; right: one that is then true."""

    name: str
    kind: str
    instruction: str
    code: str
    solution: str
    use: str
    right: str


@dataclass(frozen=True)
class Written:
    """What a model wrote on a prompt. finished: it ended by itself. error: why there is nothing, if so."""

    prompt: Prompt
    form: Form
    text: str
    finished: bool = True
    error: str = ""


def prompts() -> list[Prompt]:
    """All prompts, in the study's order of kinds."""
    tables = tomllib.loads(_FILE.read_text(encoding="utf-8"))["prompt"]
    return [Prompt(**{key: text.lstrip("\n") for key, text in table.items()}) for table in tables]


def new_tokens(form: Form) -> int:
    """How many tokens the study has a model of that form write at most."""
    count: int = tomllib.loads(_FILE.read_text(encoding="utf-8"))["new_tokens"][form]
    return count


def write(
    model: Path,
    form: Form,
    *,
    threads: int | None = None,
    among: Sequence[Prompt] | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> list[Written]:
    """Have the GGUF at `model` go on with each prompt, greedily. An error on one prompt is kept with it.

    note: told what runs. Raises ModelError if the model cannot be loaded.
    """
    limit = new_tokens(form)
    written = []
    with Model(model, n_ctx=_PROMPT_TOKENS + limit, threads=threads) as loaded:
        for prompt in among if among is not None else prompts():
            note(f"{model.name}: {prompt.name}")
            text = prompt.code if form == "code" else loaded.chat_prompt("", prompt.instruction)
            try:
                done = loaded.complete(text, max_tokens=limit)
            except EdgeSlmError as error:
                written.append(Written(prompt, form, "", finished=False, error=str(error)))
            else:
                written.append(Written(prompt, form, done.text, done.finished))
    return written
