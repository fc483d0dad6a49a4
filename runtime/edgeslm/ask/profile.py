"""What a sample of a log holds: its columns with their values, its message shapes, its levels and its time range.

Built from parsed records, the same way at inference and when training data is made. Knows nothing of questions.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any

from edgeslm.ask.fields import Field, mine_fields
from edgeslm.ask.shapes import NAMES_PORT, Shape, Slot, mine_shapes

LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "FATAL")
NEVER_SHOWN = {"line_no", "line", "message", "level_text", "ts", "record", "source_line", "source"}
ENTITY_SLOTS = {"ip", "user", "url", "path", "mac", "uuid", "email"}  # slot kinds that a column of the view reads
_VALUE_COLUMNS = {"level", "ts", "line_no"}
_PROGRAM_ENDING = re.compile(r"(?<=\w)(?:\.(?:exe|bin|service|socket|timer|sh|py|pl|rb|js|jar)|\([\w.-]+\))$", re.I)
_SHORTEST_FILE = 3  # characters of a path's last part that stands for it
_SERVED = frozenset(
    "ssh ftp tftp http cron syslog rsyslog klog ntp chrony dhcp smb nmb cups telnet inet xinet rsync snmp radius acpi"
    " udev nfs autofs ppp openvpn ovpn mysql postgres mongo systemd-resolve".split()
)
_MAX_DISTINCT = 5000
RARE_LEVEL = 0.2


@dataclass(frozen=True)
class ColumnInfo:
    """A column a query may name. kind: time, text, integer, number or level."""

    name: str
    kind: str
    entity: bool = False

    @property
    def numeric(self) -> bool:
        return self.kind in ("integer", "number")


@dataclass
class Profile:
    """The sample's columns in view order, the values seen in each, shapes by frequency, and the log's time range.

    level_texts: the words that the log writes for levels, folded -> the level: `crit` and `emerg` for FATAL.
    """

    columns: list[ColumnInfo]
    values: dict[str, Counter[str]]
    shapes: list[Shape]
    time_range: tuple[datetime, datetime] | None
    size: int
    complete: bool = False
    level_texts: dict[str, str] = field(default_factory=dict)
    _index: dict[str, dict[str, str]] = field(default_factory=dict)

    def column(self, name: str) -> ColumnInfo | None:
        return next((column for column in self.columns if column.name == name), None)

    @cached_property
    def has_levels(self) -> bool:
        return bool(self.values.get("level"))

    @cached_property
    def value_index(self) -> dict[str, dict[str, str]]:
        """Folded value -> {column: value as written}.

        Names with dots or slashes also under their last part, programs without their ending or bracket (`sync.exe`,
        `sshd(pam_unix)`), daemons also by what they serve (`ssh`).
        """
        index: dict[str, dict[str, str]] = {}
        for name, counts in self.values.items():
            if name == "level":
                continue
            for value in counts:
                index.setdefault(value.casefold(), {}).setdefault(name, value)
        for name, counts in self.values.items():
            for value in counts if name in ("app", "component", "thread") else ():
                tail = value.replace("$", ".").replace("/", ".").rsplit(".", 1)[-1]
                if tail != value and (len(tail) >= 4 or (len(tail) > 1 and tail[-1].isdigit())):
                    index.setdefault(tail.casefold(), {}).setdefault(name, value)
                plain = value
                if ending := _PROGRAM_ENDING.search(value):
                    plain = value[: ending.start()]
                    index.setdefault(plain.casefold(), {}).setdefault(name, value)
                if plain.endswith("d") and (served := plain[:-1].casefold()) in _SERVED:
                    known = index.setdefault(served, {})
                    if plain == value and known.get(name, "").casefold() != served:
                        known[name] = value  # rather than `crond(pam_unix)`
                    known.setdefault(name, value)
        return index

    @cached_property
    def slot_index(self) -> dict[str, list[tuple[Shape, int]]]:
        """Folded slot value -> the shapes and slot positions where it was seen; a path also by its last part."""
        index: dict[str, list[tuple[Shape, int]]] = {}
        for shape in self.shapes:
            for at, slot in enumerate(shape.slots):
                if slot.kind in ("clock", "date"):
                    continue
                for value in slot.values:
                    folded = value.casefold()
                    tail = folded.rsplit("/", 1)[-1] if slot.kind == "path" else ""
                    for one in (folded, tail) if len(tail) >= _SHORTEST_FILE and tail != folded else (folded,):
                        places = index.setdefault(one, [])
                        if len(places) < 12:
                            places.append((shape, at))
        return index

    @cached_property
    def fields(self) -> list[Field]:
        """The named fields of messages, those of most messages first."""
        return mine_fields(self.shapes)

    @cached_property
    def field_values(self) -> frozenset[str]:
        """Folded values of all named fields."""
        return frozenset(value.casefold() for one in self.fields for value in one.slot.values)

    @cached_property
    def stem_frequency(self) -> Counter[str]:
        """In how many shapes a stem occurs."""
        return Counter(stem for shape in self.shapes for stem in shape.stem_words)


def build_profile(
    records: Sequence[dict[str, Any]],
    columns: Iterable[ColumnInfo],
    *,
    time_range: tuple[datetime, datetime] | None = None,
    complete: bool = False,
) -> Profile:
    """Profile a sample of parsed records.

    records: dicts as `LogSet.sample` gives them. columns: the view's columns. complete: the sample is the whole log.
    Only columns that hold something are kept; an entity column is kept when a message slot of its kind was seen.
    """
    values: dict[str, Counter[str]] = {}
    kept: list[ColumnInfo] = []
    columns = list(columns)
    beside = [one.name for one in columns if one.kind in ("text", "level") and not one.entity]
    shapes = mine_shapes(records, [name for name in beside if name not in NEVER_SHOWN])
    kinds = Counter(slot.kind for shape in shapes for slot in shape.slots)
    ported = any(_names_port(shape) for shape in shapes)
    for column in columns:
        if column.name in NEVER_SHOWN:
            continue
        if column.entity:
            if kinds.get(column.name) or (column.name == "port" and ported):
                kept.append(column)
            continue
        counts = Counter(str(record[column.name]) for record in records if record.get(column.name) is not None)
        if column.name == "level" and sum(counts.values()) < RARE_LEVEL * len(records):
            continue  # a word like `error:` at the head of a few messages does not make a log with levels
        if counts:
            kept.append(column)
            values[column.name] = Counter(dict(counts.most_common(_MAX_DISTINCT)))
    for shape in shapes:
        for slot in shape.slots:
            name = slot.kind
            if name in ENTITY_SLOTS and any(column.name == name and column.entity for column in kept):
                values.setdefault(name, Counter()).update(slot.values)
    if time_range is None:
        stamps = [record["ts"] for record in records if record.get("ts") is not None]
        time_range = (min(stamps), max(stamps)) if stamps else None
    return Profile(kept, values, shapes, time_range, len(records), complete, _level_texts(records))


def _level_texts(records: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The log's own words for its levels."""
    found = {(record.get("level"), record.get("level_text")) for record in records}
    return {text.strip().casefold(): level for level, text in found if level and text}


def _names_port(shape: Shape) -> bool:
    pairs = pairwise(shape.parts)
    return any(
        isinstance(before, str)
        and isinstance(part, Slot)
        and part.numeric
        and (NAMES_PORT.search(before) or before.rstrip().endswith(":"))
        for before, part in pairs
    )
