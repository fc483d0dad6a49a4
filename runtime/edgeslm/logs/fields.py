"""Which fields the objects of a JSON or logfmt log have, and which view column each one feeds.

Holds the choice of keys for one file, from a sample of its lines. Refuses to know how values are read.
Invariant: a fixed or named column takes the first of its format's `keys` that the sample has; every other scalar key
becomes an extra column under its own name, made lower-case and plain.
"""

import re
from collections.abc import Iterable
from typing import Any

from edgeslm.logs import format as formats

MAX_FIELDS = 60


def resolve_fields(format: "formats.Format", lines: Iterable[str]) -> tuple[dict[str, str], dict[str, "formats.Kind"]]:
    """The map column -> key and the kinds of the extra columns, for a sample of lines."""
    seen = _seen_values(format, lines)
    fields: dict[str, str] = {}
    for column, candidates in format.keys.items():
        key = next((k for k in candidates if k in seen), None)
        if key is not None:
            fields[column] = key
    taken = set(fields.values()) | {k for ks in format.keys.values() for k in ks if k.startswith("_")}
    for key in seen:
        name = _column_name(key)
        if key not in taken and len(fields) < MAX_FIELDS and name and name not in fields and name not in formats.FIXED:
            fields[name] = key
            taken.add(key)
    kinds = {name: format.kinds.get(name) or _kind_of(seen[key]) for name, key in fields.items()}
    return fields, {n: k for n, k in kinds.items() if n not in formats.FIXED}


def _seen_values(format: "formats.Format", lines: Iterable[str]) -> dict[str, list[str]]:
    seen: dict[str, list[str]] = {}
    for line in lines:
        for key, value in _pairs(format, line):
            seen.setdefault(key, []).append(value)
    return seen


def _pairs(format: "formats.Format", line: str) -> Iterable[tuple[str, str]]:
    if format.kind == "logfmt":
        for match in re.finditer(r'(?:^|\s)([A-Za-z_][\w.-]*)=("(?:[^"\\]|\\.)*"|\S*)', line):
            yield match[1], match[2].strip('"')
        return
    value = formats._load_object(line)
    if value is not None:
        yield from _flatten(value, "")


def _flatten(value: dict[str, Any], prefix: str) -> Iterable[tuple[str, str]]:
    for key, item in value.items():
        path = f"{prefix}{key}"
        if isinstance(item, dict) and not prefix:
            yield from _flatten(item, f"{path}.")
        elif not isinstance(item, dict | list) and item is not None:
            yield path, formats._scalar(item) or ""


def _column_name(key: str) -> str:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key)
    name = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return f"f_{name}" if name[:1].isdigit() else name


def _kind_of(values: list[str]) -> "formats.Kind":
    if all(re.fullmatch(r"-?\d{1,18}", v) for v in values):
        return "integer"
    if all(re.fullmatch(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", v) for v in values):
        return "number"
    return "text"
