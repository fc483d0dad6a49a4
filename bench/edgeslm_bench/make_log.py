"""A syslog of any length, made up and the same every time: what speed and memory of `edgeslm ask` are measured on.

1,000,000 lines make about 110 MB. Refuses to know what is asked of it; `facts` says what its lines hold, so that a
benchmark can assert an answer before it keeps a time.
Usage: python -m edgeslm_bench.make_log PATH [--lines N] [--seed S]
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2024, 12, 10)
SECONDS_A_LINE = 1.0
HOSTS = tuple(f"node{n}" for n in range(6))
USERS = ("root", "admin", "eva", "backup", "postgres", "deploy", "test", "guest")
UNITS = ("cron.service", "ssh.service", "nginx.service", "fwupd.service", "apt-daily.service")


@dataclass
class Facts:
    """What was written: lines in all, by program, and failed passwords by address."""

    lines: int = 0
    programs: Counter[str] = field(default_factory=Counter)
    failed_by_address: Counter[str] = field(default_factory=Counter)


def write_syslog(path: Path, lines: int = 1_000_000, seed: int = 7) -> Facts:
    """Writes the log beside its name and moves it into place. Returns what it holds."""
    source = random.Random(seed)
    facts = Facts()
    partial = path.with_name(path.name + ".part")
    moment = START
    with partial.open("w", encoding="ascii", newline="\n") as file:
        for _ in range(lines):
            moment += timedelta(seconds=source.random() * 2 * SECONDS_A_LINE)
            program, message = source.choices(_MAKERS, _WEIGHTS)[0](source, facts)
            facts.programs[program.partition("[")[0]] += 1
            stamp = f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S}"
            file.write(f"{stamp} {source.choice(HOSTS)} {program}: {message}\n")
    facts.lines = lines
    partial.replace(path)
    return facts


def facts_of(lines: int = 1_000_000, seed: int = 7) -> Facts:
    """What `write_syslog` would write, without writing it."""
    source = random.Random(seed)
    facts = Facts(lines=lines)
    for _ in range(lines):
        source.random()
        program, _message = source.choices(_MAKERS, _WEIGHTS)[0](source, facts)
        facts.programs[program.partition("[")[0]] += 1
        source.choice(HOSTS)
    return facts


def _address(source: random.Random) -> str:
    # A few addresses are far busier than the rest, so that a ranking has a clear order.
    if source.random() < 0.3:
        return f"203.0.113.{min(int(source.expovariate(0.4)), 30) + 1}"
    return f"10.{source.randrange(4)}.{source.randrange(16)}.{source.randrange(1, 255)}"


def _failed_password(source: random.Random, facts: Facts) -> tuple[str, str]:
    address = _address(source)
    facts.failed_by_address[address] += 1
    known = source.random() < 0.5
    user = source.choice(USERS)
    who = user if known else f"invalid user {user}{source.randrange(40)}"
    text = f"Failed password for {who} from {address} port {source.randrange(1024, 65535)} ssh2"
    return f"sshd[{source.randrange(300, 32000)}]", text


def _authentication_failure(source: random.Random, facts: Facts) -> tuple[str, str]:
    text = (
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
        f"rhost={_address(source)}  user={source.choice(USERS)}"
    )
    return f"sshd[{source.randrange(300, 32000)}]", text


def _firewall(source: random.Random, facts: Facts) -> tuple[str, str]:
    text = (
        f"[{source.random() * 1e6:.6f}] drop IN=eth0 OUT= SRC={_address(source)} DST=10.0.0.1 LEN=40 PROTO=TCP "
        f"SPT={source.randrange(1024, 65535)} DPT={source.choice((22, 23, 80, 443, 3389))}"
    )
    return "kernel", text


def _unit(source: random.Random, facts: Facts) -> tuple[str, str]:
    verb = source.choice(("Started", "Starting", "Stopped", "Finished"))
    return (
        "systemd[1]",
        f"{verb} {source.choice(UNITS)} after {source.randrange(9000)} ms, generation {source.random():.9f}",
    )


def _lease(source: random.Random, facts: Facts) -> tuple[str, str]:
    hardware = ":".join(f"{source.randrange(256):02x}" for _ in range(6))
    return f"dhcpd[{source.randrange(300, 900)}]", f"DHCPACK on {_address(source)} to {hardware} via br0 lease 3600 s"


def _proxy(source: random.Random, facts: Facts) -> tuple[str, str]:
    text = (
        f"client {_address(source)} closed connection after {source.randrange(9000)} ms, "
        f"request GET /api/v1/items/{source.randrange(100000)} status {source.choice((200, 200, 200, 304, 404, 502))}"
    )
    return "haproxy[811]", text


_MAKERS: tuple[Callable[[random.Random, Facts], tuple[str, str]], ...] = (
    _failed_password,
    _authentication_failure,
    _firewall,
    _unit,
    _lease,
    _proxy,
)
_WEIGHTS = (26, 18, 22, 8, 8, 18)


def main() -> None:
    """Writes the log that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("path", type=Path)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    facts = write_syslog(given.path, given.lines, given.seed)
    print(f"{given.path}: {facts.lines:,} lines, {given.path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
