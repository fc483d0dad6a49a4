"""Simulated logs: message templates with slots (sources/*.toml and invented ones) become parsed records with known truth.

Knows nothing of questions. Every record says which template it came from and what its slots held.
"""

import random
import re
import string
import tomllib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

_SLOT = re.compile(r"<(\w+):([^<>]+)>")
ENTITY_TYPES = {"ip", "user", "url", "path", "mac", "uuid", "email", "port"}
LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "FATAL")
_USERS = "root admin alice bob carol dave oracle postgres test guest deploy backup nagios ubuntu svc-web jenkins mwagner ftpuser operator pi git www-data anna li_wei support user1 sam".split()
_HOSTS = "web-1 web-2 db1 db2 gw edge-03 node17 node18 nas mail01 build-a build-b core-sw1 plc-7 hub kiosk4 alpha bravo srv-de-2 pi4-lab tower LAB-PC12 mx2 cache1".split()
_WORDS = "alpha beta gamma delta north south east west main spare primary backup blue green red amber left right upper lower inlet outlet rotor billing orders invoice catalog search report sync metrics audit mailer".split()
_PATHS = "var log etc opt srv data home usr lib tmp app cache conf img static api v1 v2 index items orders users backup spool www mnt vol".split()
_FILES = "access.log config.yaml main.py report.csv index.html data.db image.png notes.txt core.dump job.xml backup.tar.gz style.css settings.ini".split()


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
        return {match[1]: match[2] for match in _SLOT.finditer(self.text)}

    def literals(self) -> list[str]:
        return [part for part in re.split(r"<\w+:[^<>]+>", self.text) if part.strip()]


@dataclass
class Source:
    name: str
    columns: list[str]
    levels: bool
    pools: dict[str, list[str]]
    templates: list[Template]


@dataclass
class Log:
    """Parsed records (as `edgeslm.logs` gives them), the template of each, and the slot values of each."""

    columns: list[str]
    records: list[dict[str, Any]]
    truth: list[int]
    slots: list[dict[str, str]]
    templates: list[Template]


@cache
def load_sources() -> dict[str, Source]:
    """Every simulated source by name. Raises ValueError naming the file and what is wrong with it."""
    found: dict[str, Source] = {}
    for entry in sorted(resources.files(__package__).joinpath("sources").iterdir(), key=lambda one: one.name):
        if not entry.name.endswith(".toml"):
            continue
        data = tomllib.loads(entry.read_text(encoding="utf-8"))
        templates = []
        for message in data["message"]:
            fixed = {key: value for key, value in message.items() if key in COLUMN_KEYS}
            templates.append(
                Template(
                    message["text"],
                    data["name"],
                    float(message.get("weight", 1)),
                    message.get("level") if data.get("levels") else None,
                    fixed,
                    message.get("says", []),
                    message.get("slots", {}),
                )
            )
            unknown = set(templates[-1].slots) - set(templates[-1].slot_types())
            if unknown:
                raise ValueError(f"{entry.name}: no slot {sorted(unknown)} in {message['text']!r}")
        pools = {key: value for key, value in data.items() if isinstance(value, list) and key not in ("columns", "message")}
        found[data["name"]] = Source(data["name"], data["columns"], bool(data.get("levels")), pools, templates)
    return found


COLUMN_KEYS = {"app", "component", "thread", "host", "method", "path", "status", "bytes", "node", "facility", "unit", "user", "ip", "duration"}


class Filler:
    """Fills slots for one log: small pools per log, so that values repeat as they do in real logs."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.pools: dict[str, list[str]] = {}

    def value(self, kind: str) -> str:
        name, *args = kind.split(" ")
        rng = self.rng
        if name == "int":
            low, high = int(float(args[0])), int(float(args[1]))
            return str(rng.randint(min(low, high), max(low, high)))
        if name == "float":
            low, high = float(args[0]), float(args[1])
            return f"{rng.uniform(low, high):.{2 if high < 1000 else 1}f}"
        if name == "enum":
            options = " ".join(args).split("|")
            return rng.choice(options[: max(2, 1 + int(rng.random() * len(options) * 1.4))])
        if name == "port" or name == "pid":
            return str(rng.randint(1025, 65000))
        pool = self.pools.setdefault(kind, [])
        if not pool or (len(pool) < 14 and rng.random() < 0.35):
            pool.append(self._new(name, args))
        return rng.choice(pool)

    def _new(self, name: str, args: list[str]) -> str:
        rng = self.rng
        digits = string.hexdigits[:16]
        if name == "ip":
            return f"{rng.choice([10, 172, 192, 198, 203, rng.randint(1, 220)])}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
        if name == "user":
            return rng.choice(_USERS)
        if name == "host":
            return rng.choice(_HOSTS)
        if name == "path":
            return "/" + "/".join(rng.choice(_PATHS) for _ in range(rng.randint(1, 4))) + rng.choice(["", "/" + rng.choice(_FILES)])
        if name == "url":
            return f"http{rng.choice(['', 's'])}://{rng.choice(_HOSTS).lower()}.example.{rng.choice(['com', 'org', 'net'])}/{rng.choice(_PATHS)}/{rng.randint(1, 99)}"
        if name == "email":
            return f"{rng.choice(_USERS)}@example.{rng.choice(['com', 'org'])}"
        if name == "mac":
            return ":".join(f"{rng.randint(0, 255):02x}" for _ in range(6))
        if name == "uuid":
            return "-".join("".join(rng.choice(digits) for _ in range(n)) for n in (8, 4, 4, 4, 12))
        if name == "hex":
            return "".join(rng.choice(digits) for _ in range(rng.choice([4, 6, 8, 12])))
        if name == "file":
            return rng.choice(_FILES)
        if name == "iface":
            return rng.choice(["eth0", "eth1", "wlan0", "en0", "ens192", "bond0", "ge-0/0/1", "ge-0/0/3", "tun0", "br-lan"])
        if name == "version":
            return ".".join(str(rng.randint(0, 20)) for _ in range(rng.choice([2, 3])))
        if name == "id":
            return f"{(args[0] if args else 'id').rstrip('-_')}{rng.choice('-_')}{rng.randint(1, 99999)}"
        return rng.choice(_WORDS)




HELD_OUT = {"vpn_ipsec", "ups_power", "game_server", "storage_raid", "elasticsearch"}  # never trained on


def simulate(rng: random.Random, *, size: int | None = None, invented: float = 0.3, held_out: bool = False) -> Log:
    """One log of `size` records (80-320) from one source, several compatible ones, or an invented one.

    held_out: draw from the sources that training never sees.
    """
    from edgeslm_convert.logmodel.invent import invent_source

    sources = {name: source for name, source in load_sources().items() if (name in HELD_OUT) == held_out}
    first = invent_source(rng) if rng.random() < invented else rng.choice(list(sources.values()))
    chosen = [first]
    if rng.random() < 0.45:
        fits = [one for one in sources.values() if one is not first and set(one.columns) == set(first.columns) and one.levels == first.levels]
        chosen += rng.sample(fits, min(len(fits), rng.randint(1, 2)))
    pool = [template for source in chosen for template in source.templates]
    keep = rng.sample(pool, min(len(pool), rng.randint(7, 24)))
    weights = [template.weight * rng.uniform(0.2, 2.5) for template in keep]
    filler = Filler(rng)
    columns = list(first.columns)
    hosts = (first.pools.get("hosts") or _HOSTS)[:]
    hosts = rng.sample(hosts, min(len(hosts), rng.choice([1, 1, 2, 3, 5])))
    threads = first.pools.get("threads") or [f"{rng.choice(['worker', 'pool-1-thread', 'exec', 'main', 'http-nio', 'handler'])}-{n}" for n in range(1, 6)]
    pids = {template.fixed.get("app", "") + str(n): rng.randint(1, 32000) for template in keep for n in range(3)}
    start = datetime(rng.randint(2005, 2025), rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59))
    span = rng.choice([300, 3600, 6 * 3600, 20 * 3600, 3 * 86400, 12 * 86400])
    size = size or rng.randint(80, 320)
    moments = sorted(start + timedelta(seconds=rng.uniform(0, span)) for _ in range(size))
    records, truth, slots = [], [], []
    order = rng.choices(range(len(keep)), weights, k=size)
    for must in range(len(keep)):
        if must not in order and rng.random() < 0.8:
            order[rng.randrange(size)] = must
    for moment, at in zip(moments, order, strict=True):
        template = keep[at]
        held = {match[1]: filler.value(match[2]) for match in _SLOT.finditer(template.text)}
        message = _SLOT.sub(lambda match, held=held: held[match[1]], template.text)  # type: ignore[misc]
        record: dict[str, Any] = {"message": message, "ts": moment.replace(microsecond=0)}
        for column in columns:
            record[column] = _column(column, template, filler, rng, hosts, threads, pids)
        records.append(record)
        truth.append(at)
        slots.append(held)
    return Log(columns, records, truth, slots, keep)


def _column(
    name: str, template: Template, filler: Filler, rng: random.Random, hosts: list[str], threads: list[str], pids: dict[str, int]
) -> Any:
    fixed = template.fixed.get(name)
    if fixed is not None:
        if isinstance(fixed, str) and "<" in fixed:
            return _SLOT.sub(lambda match: filler.value(match[2]), fixed)
        return rng.choice(fixed) if isinstance(fixed, list) else fixed
    if name == "level":
        return template.level or "INFO"
    if name == "host":
        return rng.choice(hosts)
    if name == "node":
        return rng.choice(hosts)
    if name == "thread":
        return rng.choice(threads)
    if name == "pid":
        return pids[template.fixed.get("app", "") + str(rng.randint(0, 2))]
    if name == "tid":
        return rng.randint(1, 400) * 3
    if name == "status":
        return rng.choice([200, 200, 200, 204, 301, 304, 400, 401, 403, 404, 404, 500, 502, 503])
    if name == "bytes":
        return rng.randint(0, 90000)
    if name == "method":
        return rng.choice(["GET", "GET", "GET", "POST", "PUT", "DELETE"])
    if name == "duration":
        return round(rng.uniform(0.001, 9), 3)
    if name == "request_id":
        return filler.value("id req")
    if name in ("ip", "path", "user"):
        return filler.value(name)
    if name in ("app", "component", "facility", "unit"):
        return filler.value(f"word {name}")
    return None
