"""Values for slots: small pools per log, so that values repeat as they do in real logs."""

import random
import string
from collections.abc import Callable

_USERS = (
    "root admin alice bob carol dave oracle postgres test guest deploy backup nagios ubuntu svc-web jenkins mwagner"
    " ftpuser operator pi git www-data anna li_wei support user1 sam"
).split()
HOSTS = (
    "web-1 web-2 db1 db2 gw edge-03 node17 node18 nas mail01 build-a build-b core-sw1 plc-7 hub kiosk4 alpha bravo"
    " srv-de-2 pi4-lab tower LAB-PC12 mx2 cache1"
).split()
_WORDS = (
    "alpha beta gamma delta north south east west main spare primary backup blue green red amber left right upper"
    " lower inlet outlet rotor billing orders invoice catalog search report sync metrics audit mailer"
).split()
_PATHS = (
    "var log etc opt srv data home usr lib tmp app cache conf img static api v1 v2 index items orders users backup"
    " spool www mnt vol"
).split()
_FILES = (
    "access.log config.yaml main.py report.csv index.html data.db image.png notes.txt core.dump job.xml"
    " backup.tar.gz style.css settings.ini"
).split()
_INTERFACES = "eth0 eth1 wlan0 en0 ens192 bond0 ge-0/0/1 ge-0/0/3 tun0 br-lan".split()
_HEX = string.hexdigits[:16]


class Filler:
    """Fills slots for one log."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.pools: dict[str, list[str]] = {}

    def value(self, kind: str) -> str:
        """A value for a slot type with its arguments, such as `int 1 900` or `user`; an unknown type gives a word."""
        name, *args = kind.split(" ")
        rng = self.rng
        if name == "int":
            low, high = int(float(args[0])), int(float(args[1]))
            return str(rng.randint(min(low, high), max(low, high)))
        if name == "float":
            least, most = float(args[0]), float(args[1])
            return f"{rng.uniform(least, most):.{2 if most < 1000 else 1}f}"
        if name == "enum":
            options = " ".join(args).split("|")
            return rng.choice(options[: max(2, 1 + int(rng.random() * len(options) * 1.4))])
        if name == "port" or name == "pid":
            return str(rng.randint(1025, 65000))
        pool = self.pools.setdefault(kind, [])
        if not pool or (len(pool) < 14 and rng.random() < 0.35):
            pool.append(_NEW.get(name, _word)(rng, args))
        return rng.choice(pool)


def _word(rng: random.Random, _: list[str]) -> str:
    return rng.choice(_WORDS)


def _ip(rng: random.Random, _: list[str]) -> str:
    head = rng.choice([10, 172, 192, 198, 203, rng.randint(1, 220)])
    return f"{head}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"


def _path(rng: random.Random, _: list[str]) -> str:
    folders = "/".join(rng.choice(_PATHS) for _ in range(rng.randint(1, 4)))
    return f"/{folders}{rng.choice(['', '/' + rng.choice(_FILES)])}"


def _url(rng: random.Random, _: list[str]) -> str:
    host = f"http{rng.choice(['', 's'])}://{rng.choice(HOSTS).lower()}.example.{rng.choice(['com', 'org', 'net'])}"
    return f"{host}/{rng.choice(_PATHS)}/{rng.randint(1, 99)}"


def _hexadecimal(rng: random.Random, digits: int) -> str:
    return "".join(rng.choice(_HEX) for _ in range(digits))


_NEW: dict[str, Callable[[random.Random, list[str]], str]] = {
    "ip": _ip,
    "user": lambda rng, _: rng.choice(_USERS),
    "host": lambda rng, _: rng.choice(HOSTS),
    "path": _path,
    "url": _url,
    "email": lambda rng, _: f"{rng.choice(_USERS)}@example.{rng.choice(['com', 'org'])}",
    "mac": lambda rng, _: ":".join(f"{rng.randint(0, 255):02x}" for _ in range(6)),
    "uuid": lambda rng, _: "-".join(_hexadecimal(rng, digits) for digits in (8, 4, 4, 4, 12)),
    "hex": lambda rng, _: _hexadecimal(rng, rng.choice([4, 6, 8, 12])),
    "file": lambda rng, _: rng.choice(_FILES),
    "iface": lambda rng, _: rng.choice(_INTERFACES),
    "version": lambda rng, _: ".".join(str(rng.randint(0, 20)) for _ in range(rng.choice([2, 3]))),
    "id": lambda rng, args: f"{(args[0] if args else 'id').rstrip('-_')}{rng.choice('-_')}{rng.randint(1, 99999)}",
    "word": _word,
}
SLOT_TYPES = {"int", "float", "enum", "port", "pid", *_NEW}
