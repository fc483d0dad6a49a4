"""Message templates with slots, from sources/*.toml: what programs write, and how people speak of it.

Knows nothing of records, questions or time. Every slot reads `<name:type arguments>`, as in `<ms:int 1 900>`.
"""

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

SLOT = re.compile(r"<(\w+):([^<>]+)>")
ENTITY_TYPES = {"ip", "user", "url", "path", "mac", "uuid", "email", "port"}
COLUMN_KEYS = {
    "app", "component", "thread", "host", "method", "path", "status", "bytes", "node", "facility", "unit", "user",
    "ip", "duration",
}  # fmt: skip


@dataclass
class Template:
    """A message form: its text with slots, level, column values, how people name it, and human names of its slots."""

    text: str
    source: str
    weight: float = 1.0
    level: str | None = None
    fixed: dict[str, Any] = field(default_factory=dict)
    says: list[dict[str, str]] = field(default_factory=list)
    slots: dict[str, dict[str, str]] = field(default_factory=dict)

    def slot_types(self) -> dict[str, str]:
        """Slot name -> its type with arguments."""
        return {match[1]: match[2] for match in SLOT.finditer(self.text)}

    def literals(self) -> list[str]:
        """The constant texts."""
        return [part for part in re.split(r"<\w+:[^<>]+>", self.text) if part.strip()]


@dataclass
class Source:
    """One program's or device's messages. pools: its own hosts and threads, where it has them."""

    name: str
    columns: list[str]
    levels: bool
    pools: dict[str, list[str]]
    templates: list[Template]


@cache
def load_sources() -> dict[str, Source]:
    """Every simulated source by name. Raises ValueError naming the file and what is wrong with it."""
    found: dict[str, Source] = {}
    for entry in sorted(resources.files(__package__).joinpath("sources").iterdir(), key=lambda one: one.name):
        if not entry.name.endswith(".toml"):
            continue
        data = tomllib.loads(entry.read_text(encoding="utf-8"))
        templates = [_template(message, data, entry.name) for message in data["message"]]
        lists = {key: value for key, value in data.items() if isinstance(value, list)}
        pools = {key: value for key, value in lists.items() if key not in ("columns", "message")}
        found[data["name"]] = Source(data["name"], data["columns"], bool(data.get("levels")), pools, templates)
    return found


def _template(message: dict[str, Any], data: dict[str, Any], file: str) -> Template:
    template = Template(
        text=message["text"],
        source=data["name"],
        weight=float(message.get("weight", 1)),
        level=message.get("level") if data.get("levels") else None,
        fixed={key: value for key, value in message.items() if key in COLUMN_KEYS},
        says=message.get("says", []),
        slots=message.get("slots", {}),
    )
    unknown = set(template.slots) - set(template.slot_types())
    if unknown:
        raise ValueError(f"{file}: no slot {sorted(unknown)} in {message['text']!r}")
    return template
