"""Rows of a data set on the Hugging Face hub, streamed: what is not read is not downloaded.

`datasets` does the work and is imported here only, when it is asked for. It refuses to run code that comes with a set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgeslm.errors import EdgeSlmError, InputError
from edgeslm_convert.data.rows import Row

_LONGEST_REASON = 300


def stream_rows(
    name: str, *, config: str | None = None, split: str = "train", folder: str | None = None
) -> Iterator[Row]:
    """The rows of hub set `name`. config: one of its configurations; folder: one of its folders.

    Raises EdgeSlmError where `datasets` is missing, InputError where the set cannot be reached.
    """
    try:
        import datasets
    except ImportError as error:
        raise EdgeSlmError(
            "data sets of the hub need the package datasets",
            reason=str(error),
            hint="pip install 'edgeslm[convert]', or name a local copy",
        ) from error
    options: dict[str, Any] = {"data_dir": folder} if folder else {}
    number = 0
    try:
        rows = datasets.load_dataset(name, config, split=split, streaming=True, **options)
        for number, row in enumerate(rows, 1):
            yield f"{name}: row {number}", row
    except EdgeSlmError:  # of who reads the rows
        raise
    except Exception as error:  # errors of its HTTP library come through, and which one that is depends on its version
        words = str(error).strip().splitlines()
        raise InputError(
            f"cannot read {name} from the hub" + (f" after row {number}" if number else ""),
            reason=(words[0] if words else type(error).__name__)[:_LONGEST_REASON],
            hint="check the network, and that you accepted the set's terms (`hf auth login`), or name a local copy",
        ) from error
