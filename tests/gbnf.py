"""A small acceptor for the part of llama.cpp's GBNF that planners' grammars use: texts, groups, rules, |?*+, {m,n}."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|::=|[A-Za-z][\w-]*|[()|?*+]|\{\d+,\d+\}|\n')


class Grammar:
    """Parsed rules; `accepts` says whether a whole text is a sentence of `root`, `sample` draws one."""

    def __init__(self, text: str) -> None:
        self.rules: dict[str, object] = {}
        for line in text.strip().split("\n"):
            name, body = line.split(" ::= ", 1)
            left = _TOKEN.sub("", body).strip()
            assert not left, f"not understood in {name}: {left!r}"
            tokens = _TOKEN.findall(body)
            self.rules[name], end = _alternatives(tokens, 0)
            assert end == len(tokens), f"unbalanced: {line}"

    def accepts(self, text: str) -> bool:
        known: dict[tuple[int, int], frozenset[int]] = {}
        return len(text) in self._ends(self.rules["root"], text, 0, known)

    def sample(self, rng: random.Random) -> str:
        """A random sentence of `root`."""
        return self._draw(self.rules["root"], rng)

    def _draw(self, node: object, rng: random.Random) -> str:
        assert isinstance(node, tuple)
        kind, value = node
        if kind == "text":
            return str(value)
        if kind == "rule":
            return self._draw(self.rules[value], rng)
        if kind == "any":
            return self._draw(rng.choice(value), rng)
        if kind == "all":
            return "".join(self._draw(part, rng) for part in value)
        part, least, most = value
        return "".join(self._draw(part, rng) for _ in range(rng.randint(least, min(most, least + 2))))

    def _ends(self, node: object, text: str, at: int, known: dict[tuple[int, int], frozenset[int]]) -> frozenset[int]:
        """Where a match of the node that begins at `at` may end."""
        key = (id(node), at)
        if key not in known:
            known[key] = frozenset(self._find(node, text, at, known))
        return known[key]

    def _find(self, node: object, text: str, at: int, known: dict[tuple[int, int], frozenset[int]]) -> Iterator[int]:
        assert isinstance(node, tuple)
        kind, value = node
        if kind == "text":
            if text.startswith(value, at):
                yield at + len(value)
        elif kind == "rule":
            yield from self._ends(self.rules[value], text, at, known)
        elif kind == "any":
            for option in value:
                yield from self._ends(option, text, at, known)
        elif kind == "all":
            ends = {at}
            for part in value:
                ends = {end for start in ends for end in self._ends(part, text, start, known)}
            yield from ends
        else:
            part, least, most = value
            ends, count = {at}, 0
            while ends and count <= most:
                if count >= least:
                    yield from ends
                ends, count = {end for start in ends for end in self._ends(part, text, start, known)}, count + 1


def _alternatives(tokens: list[str], at: int) -> tuple[object, int]:
    options: list[object] = []
    parts: list[object] = []
    while at < len(tokens) and tokens[at] != ")":
        token = tokens[at]
        at += 1
        if token == "|":
            options.append(("all", parts))
            parts = []
        elif token == "(":
            inner, at = _alternatives(tokens, at)
            parts.append(inner)
            at += 1
        elif token in "?*+":
            least, most = {"?": (0, 1), "*": (0, 50), "+": (1, 50)}[token]
            parts[-1] = ("repeat", (parts[-1], least, most))
        elif token[0] == "{":
            least, most = map(int, token[1:-1].split(","))
            parts[-1] = ("repeat", (parts[-1], least, most))
        elif token[0] == '"':
            parts.append(("text", token[1:-1].replace('\\"', '"').replace("\\\\", "\\")))
        else:
            parts.append(("rule", token))
    options.append(("all", parts))
    return (("any", options) if len(options) > 1 else options[0]), at
