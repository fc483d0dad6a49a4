"""Frozen dataclasses out of tables of a recipe: unknown keys, wrong types and missing keys are all told, none guessed.

Knows the types that settings are made of: numbers, texts, booleans, lists of them, literals, and None. Refuses to know
what a setting means.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any


def build(cls: Any, table: Mapping[str, Any], where: str, wrong: list[str]) -> Any:
    """An instance of the dataclass `cls` with the values of `table`; a line in `wrong` for each that is no such value.

    where: what the lines call the table. Lists become tuples, whole numbers floats where floats are meant. Wrong values
    are left at their defaults, so that the rest can be looked at too; None where there is no default.
    """
    hints = typing.get_type_hints(cls)
    known = {field.name: field for field in dataclasses.fields(cls) if field.init}
    wrong += [
        f"{where}: unknown key {key!r}" + (f" (keys: {', '.join(known)})" if known else "")
        for key in table
        if key not in known
    ]
    values, lacking = {}, False
    for name, field in known.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if name in table:
            try:
                values[name] = _converted(table[name], hints[name])
                continue
            except TypeError as error:
                wrong.append(f"{where}: {name} is {_shown(table[name])}, not {error}")
        elif required:
            wrong.append(f"{where}: {name} is missing")
        lacking |= required
    if lacking:
        return None
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:  # a class that checks itself
        wrong.append(f"{where}: {error}")
        return None


def _converted(value: Any, hint: Any) -> Any:
    """`value` as the type `hint`; TypeError with the words for that type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        for argument in arguments:
            try:
                return _converted(value, argument)
            except TypeError:
                continue
        raise TypeError(_words(hint))
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise TypeError(_words(hint))
    if origin in (tuple, list, Sequence):
        if not isinstance(value, list):
            raise TypeError(_words(hint))
        return tuple(_converted(item, arguments[0] if arguments else Any) for item in value)
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise TypeError(_words(hint))
        return {key: _converted(item, arguments[1]) for key, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise TypeError(_words(hint))


def _words(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_words(argument) for argument in arguments if argument is not type(None))
    if origin is typing.Literal:
        return "one of " + ", ".join(map(repr, arguments))
    if origin in (tuple, list, Sequence):
        return "a list" + (f" of {_words(arguments[0])}" if arguments else "")
    if origin in (dict, Mapping):
        return "a table"
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}.get(hint, str(hint))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
