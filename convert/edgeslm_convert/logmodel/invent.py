"""Invented sources: message templates put together from loose words, so that no fixed phrase can be learnt by heart."""

import random
from functools import cache

from edgeslm_convert.logmodel.templates import Source, Template, load_sources

# base, past, noun, third form
_VERBS = [
    ("start", "started", "start"), ("stop", "stopped", "stop"), ("fail", "failed", "failure"),
    ("restart", "restarted", "restart"), ("open", "opened", "opening"), ("close", "closed", "closure"),
    ("connect", "connected", "connection"), ("drop", "dropped", "drop"), ("load", "loaded", "load"),
    ("save", "saved", "save"), ("send", "sent", "send"), ("receive", "received", "receipt"), ("lose", "lost", "loss"),
    ("find", "found", "find"), ("reject", "rejected", "rejection"), ("accept", "accepted", "acceptance"),
    ("expire", "expired", "expiry"), ("renew", "renewed", "renewal"), ("create", "created", "creation"),
    ("delete", "deleted", "deletion"), ("update", "updated", "update"), ("lock", "locked", "lock"),
    ("unlock", "unlocked", "unlock"), ("retry", "retried", "retry"), ("skip", "skipped", "skip"),
    ("finish", "finished", "finish"), ("cancel", "cancelled", "cancellation"), ("resume", "resumed", "resume"),
    ("pause", "paused", "pause"), ("scan", "scanned", "scan"), ("flush", "flushed", "flush"),
    ("mount", "mounted", "mount"), ("eject", "ejected", "ejection"), ("register", "registered", "registration"),
    ("assign", "assigned", "assignment"), ("release", "released", "release"),
    ("calibrate", "calibrated", "calibration"), ("overheat", "overheated", "overheating"),
    ("stall", "stalled", "stall"), ("crash", "crashed", "crash"), ("rotate", "rotated", "rotation"),
    ("sync", "synced", "sync"), ("verify", "verified", "verification"), ("block", "blocked", "block"),
    ("exceed", "exceeded", "excess"), ("change", "changed", "change"),
]  # fmt: skip
_NUMERIC = [
    ("took <elapsed:int 1 9000> ms", "elapsed", "duration", "slowest", "fastest"),
    ("in <elapsed:float 0.1 60> seconds", "elapsed", "duration", "longest", "shortest"),
    ("size=<size:int 10 90000>", "size", "size", "largest", "smallest"),
    ("(<count:int 1 500> items)", "count", "item count", "biggest", "smallest"),
    ("temperature <temp:int 10 110> C", "temp", "temperature", "hottest", "coolest"),
    ("attempt <attempt:int 1 9>", "attempt", "attempt number", "highest", "lowest"),
    ("after <wait:int 1 300> seconds", "wait", "wait", "longest", "shortest"),
    ("queue depth <depth:int 0 400>", "depth", "queue depth", "deepest", "shallowest"),
    ("code <code:int 1 40>", "code", "code", "highest", "lowest"),
    ("usage <usage:int 1 100>%", "usage", "usage", "highest", "lowest"),
    ("latency=<lat:float 0.1 900>ms", "lat", "latency", "worst", "best"),
    ("<kb:int 1 9000> KB written", "kb", "volume", "largest", "smallest"),
]  # fmt: skip
_TEXT = [
    ("for <who:user>", "who", "user"), ("from <peer:ip>", "peer", "address"), ("by <who:user>", "who", "user"),
    ("to <peer:ip>:<pport:port>", "peer", "peer"),
    ("state=<state:enum idle|busy|ready|down|degraded|offline>", "state", "state"),
    ("reason: <reason:enum timeout|overflow|no route|bad checksum|power loss|denied>", "reason", "reason"),
    ("on <dev:id dev>", "dev", "device"), ("in zone <zone:word>", "zone", "zone"), ("id <uid:uuid>", "uid", "id"),
    ("file <file:path>", "file", "file"), ("session <sess:hex>", "sess", "session"),
    ("via <ifc:iface>", "ifc", "interface"), ("task <task:id task>", "task", "task"),
    ("[<tag:enum A1|B2|C3|D4|E5>]", "tag", "tag"),
]  # fmt: skip
_PLAIN = set(
    (
        "the a an of to for from in on at by with and or not is was are be it its as no due after before while than"
        " this that"
    ).split()
)


@cache
def _nouns() -> tuple[str, ...]:
    words: dict[str, int] = {}
    for source in load_sources().values():
        for template in source.templates:
            for literal in template.literals():
                for word in literal.replace("=", " ").replace(":", " ").split():
                    if (
                        word.isalpha()
                        and word.islower()
                        and 3 < len(word) < 13
                        and word not in _PLAIN
                        and not word.endswith(("ed", "ing"))
                    ):
                        words[word] = words.get(word, 0) + 1
    return tuple(sorted(words))


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun + "s"


def invent_source(rng: random.Random) -> Source:
    """A source nobody has seen: 8-22 templates over two or three subjects, in one of several writing styles."""
    nouns = _nouns()
    subjects = [" ".join(rng.sample(nouns, rng.choice([1, 2, 2]))) for _ in range(rng.randint(3, 7))]
    levels = rng.random() < 0.6
    columns = [
        name
        for name, chance in (("host", 0.5), ("app", 0.5), ("pid", 0.4), ("component", 0.4), ("thread", 0.2))
        if rng.random() < chance
    ]
    if levels:
        columns.append("level")
    apps = [
        rng.choice(nouns) + rng.choice(["d", "", "-agent", "ctl", "_srv", "Service"]) for _ in range(rng.randint(2, 5))
    ]
    classes = [
        "".join(word.capitalize() for word in rng.sample(nouns, 2)) + rng.choice(["", "Manager", "Handler", "Service"])
        for _ in range(rng.randint(2, 6))
    ]
    style = rng.choice(["sentence", "camel", "bracket", "mixed"])
    templates = []
    for _ in range(rng.randint(8, 22)):
        template = _template(rng, rng.choice(subjects), style, nouns)
        template.level = rng.choice(["DEBUG", "INFO", "INFO", "INFO", "WARN", "ERROR"]) if levels else None
        template.weight = rng.choice([1, 1, 2, 4, 9])
        template.fixed = {"app": rng.choice(apps), "component": rng.choice(classes)}
        templates.append(template)
    return Source("invented", columns, levels, {}, templates)


def _template(rng: random.Random, subject: str, style: str, nouns: tuple[str, ...]) -> Template:
    base, past, event = rng.choice(_VERBS)
    extras = rng.sample(_TEXT, rng.choice([0, 1, 1, 2]))
    number = rng.choice(_NUMERIC) if rng.random() < 0.45 else None
    tail = [text for text, *_ in extras] + ([number[0]] if number else [])
    rng.shuffle(tail)
    thing = subject if rng.random() < 0.6 else f"{subject} {rng.choice(nouns)}"
    forms = [
        f"{thing} {past}",
        f"{past} {thing}",
        f"{base} of {thing}",
        f"{thing} {event}",
        f"cannot {base} {thing}",
        f"{thing} not {past}",
        f"could not {base} {thing}",
    ]
    weights = [5, 2, 1, 2, 1, 1, 1]
    head = rng.choices(forms, weights)[0]
    negative = head.startswith(("cannot", "could not")) or " not " in head
    if style == "camel" or (style == "mixed" and rng.random() < 0.3):
        words = f"{base} {thing}".split() if not negative else f"{base} {thing} failed".split()
        if negative:
            head = words[0] + "".join(word.capitalize() for word in words[1:-1]) + "() failed"
        else:
            head = words[0] + "".join(word.capitalize() for word in words[1:]) + rng.choice(["", ":", "()"])
    elif style == "bracket":
        head = f"{head[0].upper()}{head[1:]}"
        tail = [f"[{text}]" if "[" not in text else text for text in tail]
    elif rng.random() < 0.6:
        head = head[0].upper() + head[1:]
    text = " ".join([head, *tail]) + rng.choice(["", "", ".", "!"])
    says = _says(rng, thing, base, past, event, negative)
    slots: dict[str, dict[str, str]] = {}
    for _, slot, name in extras:
        if f"<{slot}:" in text:
            slots[slot] = {"one": name, "many": _plural(name)}
    if number:
        slots[number[1]] = {
            "one": number[2],
            "many": _plural(number[2]),
            "most": number[3],
            "least": number[4],
            "thing": f"{thing} {event}",
        }
    return Template(text, "invented", says=says, slots=slots)


def _says(rng: random.Random, thing: str, base: str, past: str, event: str, negative: bool) -> list[dict[str, str]]:
    article = rng.choice(["the ", "a ", "the ", ""])
    words = thing.split()
    short = words[-1] if rng.random() < 0.3 else thing
    if negative:
        names = ("it", f"failed to {base} {article}{short}", f"fail to {base} {article}{short}")
        return [
            _say(f"failed {short}", event, (f"{article}{short}", f"could not be {past}", f"not get {past}")),
            _phrase(f"{short} that was not {past}", f"{_plural(short)} that were not {past}", names),
        ]
    done = (f"{article}{short}", rng.choice([past, f"was {past}", f"got {past}"]), rng.choice([base, f"get {past}"]))
    of_thing = f"of {article}{short}"
    happening = (f"{article}{thing}", f"was {past}", f"get {past}")
    return [
        _say(short, event, done),
        _say(past, short, (f"{article}{short}", past, base)),
        _phrase(f"{event} {of_thing}", f"{_plural(event)} {of_thing}", happening),
    ]


def _say(first: str, noun: str, clause: tuple[str, str, str]) -> dict[str, str]:
    return _phrase(f"{first} {noun}", f"{first} {_plural(noun)}", clause)


def _phrase(one: str, many: str, clause: tuple[str, str, str]) -> dict[str, str]:
    """clause: its subject, its past form, and its base form."""
    return {"np": one, "nps": many, "subj": clause[0], "past": clause[1], "base": clause[2]}
