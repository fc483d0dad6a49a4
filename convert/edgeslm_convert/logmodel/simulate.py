"""Simulated logs: message templates, from sources/*.toml or invented, become parsed records with known truth.

Knows nothing of questions. Every record says which template it came from and what its slots held.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from edgeslm_convert.logmodel.filler import HOSTS, Filler
from edgeslm_convert.logmodel.invent import invent_source
from edgeslm_convert.logmodel.templates import ENTITY_TYPES, SLOT, Source, Template, load_sources

__all__ = ["ENTITY_TYPES", "HELD_OUT", "Log", "Source", "Template", "load_sources", "simulate"]

HELD_OUT = {"vpn_ipsec", "ups_power", "game_server", "storage_raid", "elasticsearch"}  # never trained on
_SPANS = [300, 3600, 6 * 3600, 20 * 3600, 3 * 86400, 12 * 86400]  # seconds
_THREADS = ["worker", "pool-1-thread", "exec", "main", "http-nio", "handler"]
_STATUSES = [200, 200, 200, 204, 301, 304, 400, 401, 403, 404, 404, 500, 502, 503]
_METHODS = ["GET", "GET", "GET", "POST", "PUT", "DELETE"]


@dataclass
class Log:
    """Parsed records (as `edgeslm.logs` gives them), the template of each, and the slot values of each."""

    columns: list[str]
    records: list[dict[str, Any]]
    truth: list[int]
    slots: list[dict[str, str]]
    templates: list[Template]


def simulate(rng: random.Random, *, size: int | None = None, invented: float = 0.3, held_out: bool = False) -> Log:
    """One log of `size` records (80-320) from one source, several compatible ones, or an invented one.

    held_out: draw from the sources that training never sees.
    """
    sources = [source for name, source in load_sources().items() if (name in HELD_OUT) == held_out]
    first = invent_source(rng) if rng.random() < invented else rng.choice(sources)
    pool = [template for source in [first, *_companions(rng, first, sources)] for template in source.templates]
    keep = rng.sample(pool, min(len(pool), rng.randint(7, 24)))
    weights = [template.weight * rng.uniform(0.2, 2.5) for template in keep]
    machine = _Machine(rng, first, keep)
    moments = _moments(rng, size)
    order = rng.choices(range(len(keep)), weights, k=len(moments))
    for must in range(len(keep)):
        if must not in order and rng.random() < 0.8:
            order[rng.randrange(len(moments))] = must
    log = Log(list(first.columns), [], order, [], keep)
    for moment, at in zip(moments, order, strict=True):
        record, held = machine.write(keep[at], moment, log.columns)
        log.records.append(record)
        log.slots.append(held)
    return log


def _companions(rng: random.Random, first: Source, sources: list[Source]) -> list[Source]:
    """Up to two sources that could write into the same log."""
    if rng.random() >= 0.45:
        return []
    columns = set(first.columns)
    fits = [one for one in sources if one is not first and set(one.columns) == columns and one.levels == first.levels]
    return rng.sample(fits, min(len(fits), rng.randint(1, 2)))


def _moments(rng: random.Random, size: int | None) -> list[datetime]:
    """When the records are written, in order; the clock's fractions are cut off later."""
    year, month, day = rng.randint(2005, 2025), rng.randint(1, 12), rng.randint(1, 28)
    start = datetime(year, month, day, rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59))
    span = rng.choice(_SPANS)
    size = size or rng.randint(80, 320)
    return sorted(start + timedelta(seconds=rng.uniform(0, span)) for _ in range(size))


class _Machine:
    """What one log's records share: hosts, threads, process ids and pools of values."""

    def __init__(self, rng: random.Random, source: Source, templates: list[Template]) -> None:
        self.rng = rng
        self.filler = Filler(rng)
        hosts = source.pools.get("hosts") or HOSTS
        self.hosts = rng.sample(hosts, min(len(hosts), rng.choice([1, 1, 2, 3, 5])))
        self.threads = source.pools.get("threads") or [f"{rng.choice(_THREADS)}-{n}" for n in range(1, 6)]
        names = [template.fixed.get("app", "") + str(n) for template in templates for n in range(3)]
        self.pids: dict[str, int] = {}
        for name in names:
            self.pids[name] = rng.randint(1, 32000)

    def write(self, template: Template, moment: datetime, columns: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
        """One record of a template, and what its slots held."""
        held = {match[1]: self.filler.value(match[2]) for match in SLOT.finditer(template.text)}
        message = SLOT.sub(lambda match: held[match[1]], template.text)
        record: dict[str, Any] = {"message": message, "ts": moment.replace(microsecond=0)}
        for column in columns:
            record[column] = self._column(column, template)
        return record, held

    def _column(self, name: str, template: Template) -> Any:
        fixed = template.fixed.get(name)
        if fixed is None:
            draw = _COLUMNS.get(name)
            return draw(self, template) if draw else None
        if isinstance(fixed, str) and "<" in fixed:
            return SLOT.sub(lambda match: self.filler.value(match[2]), fixed)
        return self.rng.choice(fixed) if isinstance(fixed, list) else fixed


_COLUMNS: dict[str, Callable[[_Machine, Template], Any]] = {
    "level": lambda machine, template: template.level or "INFO",
    "host": lambda machine, _: machine.rng.choice(machine.hosts),
    "node": lambda machine, _: machine.rng.choice(machine.hosts),
    "thread": lambda machine, _: machine.rng.choice(machine.threads),
    "pid": lambda machine, template: machine.pids[template.fixed.get("app", "") + str(machine.rng.randint(0, 2))],
    "tid": lambda machine, _: machine.rng.randint(1, 400) * 3,
    "status": lambda machine, _: machine.rng.choice(_STATUSES),
    "bytes": lambda machine, _: machine.rng.randint(0, 90000),
    "method": lambda machine, _: machine.rng.choice(_METHODS),
    "duration": lambda machine, _: round(machine.rng.uniform(0.001, 9), 3),
    "request_id": lambda machine, _: machine.filler.value("id req"),
    "ip": lambda machine, _: machine.filler.value("ip"),
    "path": lambda machine, _: machine.filler.value("path"),
    "user": lambda machine, _: machine.filler.value("user"),
    "app": lambda machine, _: machine.filler.value("word app"),
    "component": lambda machine, _: machine.filler.value("word component"),
    "facility": lambda machine, _: machine.filler.value("word facility"),
    "unit": lambda machine, _: machine.filler.value("word unit"),
}
