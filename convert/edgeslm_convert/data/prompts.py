"""Prompts in the forms of the reference study: a record's text as a task for a model that writes Python.

Each form asks for one kind of program. The wording is ours; the kinds, and what of a record goes into them, are the
study's. It refuses to judge what a model answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgeslm.errors import InputError
from edgeslm_convert.data.records import Record

_LONGEST = 400  # characters of a record's text in a prompt
_TEMPLATE = """\
Write a complete Python program for this task.
Task: {task}
{text}
Requirements:
{requirements}
Use only numpy, pandas, sklearn and matplotlib. Print the results; save figures with plt.savefig.

Code:
"""
# Form -> the task, and what the program must do.
FORMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "classification": (
        "classify data like that described here, made up where none is given",
        ("split features and target", "hold out a test set", "fit a random forest", "print its accuracy"),
    ),
    "clustering": (
        "find groups in two-dimensional data like that described here, made up where none is given",
        ("fit k-means", "assign every point to a cluster", "plot the points coloured by cluster"),
    ),
    "outlier_detection": (
        "find the points that do not belong in data like that described here, made up where none is given",
        ("fit an isolation forest", "mark the outliers", "plot them apart from the rest"),
    ),
    "scientific": (
        "carry out the analysis that this paper suggests, on data made up for it",
        ("make the data", "compute what the paper asks about", "print the findings"),
    ),
    "problem_solving": (
        "solve this problem",
        ("state what is known and what is sought", "compute the solution", "print the answer"),
    ),
}


def prompt(form: str, text: str) -> str:
    """The prompt of one of FORMS for `text`, of which the first 400 characters are shown. Raises InputError."""
    if form not in FORMS:
        raise InputError(f"there is no prompt form {form}", hint=f"known are {', '.join(FORMS)}")
    task, steps = FORMS[form]
    numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    return _TEMPLATE.format(task=task, text=_shortened(text), requirements=numbered)


def prompts(form: str, records: Iterable[Record]) -> Iterator[Record]:
    """The prompt for each record, of a pair for its question: texts to continue, with no answer to learn."""
    for record in records:
        yield Record(prompt(form, record.prompt or record.text), meta={**record.meta, "form": form})


def code_pairs(records: Iterable[Record]) -> Iterator[Record]:
    """Source files as answers to the bare request for code, as the study trained on them."""
    for record in records:
        yield Record.pair("# Write Python code:\n", record.text, record.meta)


def _shortened(text: str) -> str:
    flat = text.strip()
    return flat if len(flat) <= _LONGEST else flat[:_LONGEST].rsplit(" ", 1)[0] + " …"
