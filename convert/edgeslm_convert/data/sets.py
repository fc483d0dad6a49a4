"""The four data sets of the reference study, each by hub id or from a local copy, as records; logs and texts likewise.

A set is a function from its row, in the set's own columns, to a record; what a row lacks is told with its place. It
refuses to know files and networks (`rows`, `hub`) and what prompts are made of records (`prompts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError
from edgeslm_convert.data.hub import stream_rows
from edgeslm_convert.data.plain import read_logs, read_texts
from edgeslm_convert.data.records import UNCAPPED, Caps, Record, capped
from edgeslm_convert.data.rows import KEY, read_rows

Columns = Mapping[str, Any]
# What the study took of The Stack: files that use one of these, and are not generated.
_LIBRARIES = ("numpy", "sklearn", "pandas", "matplotlib")
_GENERATED = "auto-generated"
_SHORTEST_TITLE, _SHORTEST_ABSTRACT = 10, 200  # characters, which the study asked for in SciDocs


@dataclass(frozen=True)
class DataSet:
    """Where a set is on the hub, and what a row of it becomes: a record, or None to leave it out."""

    hub: str
    record: Callable[[Columns], Record | None]
    config: str | None = None
    split: str = "train"
    folder: str | None = None


def load(name: str, copy: Path | None = None, *, caps: Caps = UNCAPPED) -> Iterator[Record]:
    """The records of set `name`, from the hub or from a local `copy` (a file, or a folder with its files).

    `logs`, `texts` and `pairs` are names too: of files, of which `copy` is one or a folder of them.
    Raises InputError for a name that is none of SETS, and for a row that lacks a column, with its place.
    """
    if name in _PLAIN:
        if copy is None:
            raise InputError(f"there are no {name} to read", hint="name a file or a folder")
        return _PLAIN[name]([copy], caps=caps)
    if name not in SETS:
        raise InputError(f"there is no data set {name}", hint=f"known are {', '.join([*SETS, *_PLAIN])}")
    return capped(_records(SETS[name], copy), caps)


def _records(chosen: DataSet, copy: Path | None) -> Iterator[Record]:
    if copy is None:
        rows = stream_rows(chosen.hub, config=chosen.config, split=chosen.split, folder=chosen.folder)
    else:
        rows = read_rows(copy)
    for place, row in rows:
        try:
            record = chosen.record(row)
        except _Lacking as error:
            raise InputError(f"{place} is no row of {chosen.hub}", reason=f"{error}; it has {', '.join(row)}") from None
        if record is not None:
            yield record


class _Lacking(Exception):
    """What a row lacks."""


def _wikipedia(row: Columns) -> Record | None:
    """Columns text and category; in older copies token and label, both lists: words, and fields from wide to narrow."""
    if "text" in row:
        text, label = _text(row, "text"), _text(row, "category")
    else:
        text, label = _words(row, "token", " "), _words(row, "label", " > ")
    meta = {name: row[name] for name in ("id", "title", "url") if name in row}
    return Record(text, meta={"source": "wikipedia_field_of_science", "label": label, **meta}) if text.strip() else None


def _astronomy(row: Columns) -> Record | None:
    """Columns prompt, chosen and rejected; the chosen answer is learnt."""
    prompt, chosen = _text(row, "prompt"), _text(row, "chosen")
    _text(row, "rejected")
    if not prompt.strip() or not chosen.strip():
        return None
    return Record.pair(prompt.rstrip() + "\n\n", chosen, {"source": "astronomy-stack-dpo-text"})


def _scidocs(row: Columns) -> Record | None:
    """Columns title and abstract (of scirepeval, and of SciDocs's own JSON) or title and text (of BEIR's corpus)."""
    title = _text(row, "title", empty=True)
    abstract = _text(row, "abstract" if "abstract" in row or "text" not in row else "text", empty=True)
    if len(title) <= _SHORTEST_TITLE or len(abstract) <= _SHORTEST_ABSTRACT:
        return None
    place = next((str(row[name]) for name in ("doc_id", "paper_id", "_id", KEY) if row.get(name)), "")
    return Record(f"{title}\n\n{abstract}", meta={"source": "scidocs", "title": title, "id": place})


def _stack(row: Columns) -> Record | None:
    """Column content: a source file. Those that use none of the study's libraries, or are generated, are left out."""
    text = _text(row, "content")
    if _GENERATED in text.lower() or not any(library in text for library in _LIBRARIES):
        return None
    named = {
        "path": row.get("max_stars_repo_path"),
        "repository": row.get("max_stars_repo_name"),
        "licenses": row.get("max_stars_repo_licenses"),
    }
    return Record(text, meta={"source": "the-stack", **{name: value for name, value in named.items() if value}})


SETS: dict[str, DataSet] = {
    "wikipedia_field_of_science": DataSet("millawell/wikipedia_field_of_science", _wikipedia),
    "astronomy-stack-dpo-text": DataSet("David-Xu/astronomy-stack-dpo-text", _astronomy),
    # The same papers as in the study's paper_metadata_view_cite_read.json, which is read as a local copy.
    "scidocs": DataSet("allenai/scirepeval", _scidocs, config="scidocs_view_cite_read", split="evaluation"),
    "the-stack": DataSet("bigcode/the-stack", _stack, folder="data/python"),
}


def read_pairs(paths: Sequence[Path], *, caps: Caps = UNCAPPED) -> Iterator[Record]:
    """A record for every pair that `edgeslm make-pairs` wrote: the planner's prompt, and the SQL as its answer."""
    return capped((_pair(row, place) for path in paths for place, row in read_rows(path)), caps)


def _pair(row: Columns, place: str) -> Record:
    try:
        prompt, sql = _text(row, "prompt"), _text(row, "sql")
    except _Lacking as lacking:
        raise InputError(f"{place} is no pair", reason=str(lacking), hint="make some with make-pairs") from lacking
    return Record(prompt + sql, prompt, sql, {"source": "pairs"})


_PLAIN: dict[str, Callable[..., Iterator[Record]]] = {"logs": read_logs, "texts": read_texts, "pairs": read_pairs}
LOCAL = tuple(_PLAIN)  # what is read from a path only


def _text(row: Columns, name: str, *, empty: bool = False) -> str:
    """A column's text; where `empty`, null is an empty one, as papers without an abstract have it."""
    if name not in row:
        raise _Lacking(f"it has no column {name}")
    value = row[name]
    if value is None and empty:
        return ""
    if not isinstance(value, str):
        raise _Lacking(f"its column {name} holds no text but {type(value).__name__}")
    return value


def _words(row: Columns, name: str, joint: str) -> str:
    if name not in row:
        raise _Lacking(f"it has no column {name}")
    value = row[name]
    if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
        raise _Lacking(f"its column {name} holds no list of texts")
    return joint.join(value)
