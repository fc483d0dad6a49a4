"""Logs as a table: a DuckDB view over raw files, their formats as data, a sandbox for queries."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeslm.logs.format import Format as Format
    from edgeslm.logs.format import parse_lines as parse_lines
    from edgeslm.logs.logset import Counts as Counts
    from edgeslm.logs.logset import Line as Line
    from edgeslm.logs.logset import LogSet as LogSet
    from edgeslm.logs.logset import open_logs as open_logs
    from edgeslm.logs.registry import load_formats as load_formats
    from edgeslm.logs.sandbox import Result as Result
    from edgeslm.logs.view import Column as Column

_HOMES = {
    "Format": "format",
    "parse_lines": "format",
    "Counts": "logset",
    "Line": "logset",
    "LogSet": "logset",
    "open_logs": "logset",
    "load_formats": "registry",
    "Result": "sandbox",
    "Column": "view",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Public names are imported when first used: the training generator needs no DuckDB."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
