"""Entity columns: values any message may hold (address, user, port, path, …), read from entities.toml.

Holds the data's loader and its two readings (Python, SQL). Refuses to know about formats: it sees a message only.
"""

import functools
import re
import tomllib
from dataclasses import dataclass
from importlib import resources

from edgeslm.logs.sqltext import quote


@dataclass(frozen=True)
class Entity:
    """One entity column: its kind, the patterns tried in order (group 1 is the value), what is not a value.

    reject matches the whole of a value or not at all, so that in SQL it may be replaced by nothing.
    """

    name: str
    kind: str
    patterns: tuple[str, ...]
    reject: str = ""

    def find(self, message: str) -> str | None:
        """The first value in the message, as text, or None."""
        for pattern in self.patterns:
            match = re.search(pattern, message, re.ASCII)
            if match and not (self.reject and re.search(self.reject, match[1], re.ASCII)):
                return match[1]
        return None

    def sql(self, message_sql: str) -> str:
        """The SQL expression of this entity for the SQL expression of a message."""
        found = [self._found(message_sql, pattern) for pattern in self.patterns]
        value = found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"
        return f"try_cast({value} AS BIGINT)" if self.kind == "integer" else value

    def _found(self, message_sql: str, pattern: str) -> str:
        value = f"nullif(regexp_extract({message_sql}, {quote(pattern)}, 1), '')"
        if not self.reject:
            return value
        return f"nullif(regexp_replace({value}, {quote(self.reject)}, ''), '')"


@functools.cache
def load_entities() -> dict[str, Entity]:
    """The entities by column name, in the order of the file."""
    text = (resources.files("edgeslm.logs") / "entities.toml").read_text("utf-8")
    return {
        name: Entity(name, table["kind"], tuple(table["patterns"]), table.get("reject", ""))
        for name, table in tomllib.loads(text).items()
    }
