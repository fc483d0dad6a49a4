"""The log formats that ship: formats/*.toml read into `Format` objects.

Refuses to know what a format means. Invariant: one file, one format, the file's stem is the format's name.
"""

import functools
import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from edgeslm.errors import FormatError
from edgeslm.logs.format import Format

_TUPLES = ("layouts", "nulls", "samples")


@functools.cache
def load_formats() -> dict[str, Format]:
    """Every format that ships, by name, the most telling (highest priority) first."""
    files = (resources.files("edgeslm.logs") / "formats").iterdir()
    found = [read_format(file) for file in files if file.name.endswith(".toml")]
    found.sort(key=lambda format: (-format.priority, format.name))
    return {format.name: format for format in found}


def read_format(file: Traversable) -> Format:
    """The format of one TOML file. Raises FormatError naming the file and what is wrong with it."""
    try:
        table: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        for name in _TUPLES:
            table[name] = tuple(table.get(name, ()))
        table["keys"] = {column: tuple(keys) for column, keys in table.get("keys", {}).items()}
        format = Format(**table)
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise FormatError(f"cannot read the log format {file.name}", reason=str(error)) from error
    if f"{format.name}.toml" != file.name:
        raise FormatError(f"log format {file.name} calls itself {format.name}", hint="name it as its file")
    return format
