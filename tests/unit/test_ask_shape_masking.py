"""How a message is cut into constant tokens and values: the short cuts give what the plain search gives."""

import random

from edgeslm.ask import shapes
from edgeslm.ask.shapes import _Masker, mine_shapes

PIECES = (
    "for |user |user=|invalid user |Invalid user |for user | from |10.0.0.1|ab:cd:ef:ab:cd:ef|aa-bb-cc-dd-ee-ff|"
    "abcdefab-abcd-abcd-abcd-abcdefabcdef|http://x/y|a@b.co|/usr/bin|/a/user=|C:\\win\\x|0xFF|0x|1x1|12ms|-5|=7|(3|"
    '2024-01-02|10:11:12.5|\t|\n| |  |\xa0|é|٣|root|word|.|/|:|-|eth0|a_b1|%|[1]|foo.bar.1|//|5%|abc-def|for|"|0|1|20|'
    "www.a-b.example.com:443|a.b:80|Main.java:17|:2181"
).split("|")


def mask_plainly(message: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The definition: every value that the pattern finds from left to right, the rest cut into tokens."""
    tokens: list[str] = []
    values: list[tuple[str, str]] = []
    end = 0
    for found in shapes._MASK.finditer(message):
        tokens += shapes._TOKEN.findall(message[end : found.start()])
        kind, value = found.lastgroup or "", found.group()
        unit = shapes._NUMBER_UNIT.match(value) if kind == "id" else None
        tokens += ["\0num", unit[2]] if unit else [f"\0{kind}"]
        values.append(("num", unit[1]) if unit else (kind, value))
        end = found.end()
    return (*tokens, *shapes._TOKEN.findall(message[end:])), tuple(values)


def test_masking_one_message_after_another_gives_what_masking_each_alone_gives() -> None:
    draw = random.Random(1)
    masker = _Masker()
    for _ in range(20_000):
        message = "".join(draw.choice(PIECES) + " " * (draw.random() < 0.4) for _ in range(draw.randrange(1, 14)))
        assert masker.mask(message) == mask_plainly(message), repr(message)


def test_messages_that_differ_in_digits_only_keep_their_own_values() -> None:
    masker = _Masker()
    assert masker.mask("took 12 ms on 10.0.0.1")[1] == (("num", "12"), ("ip", "10.0.0.1"))
    assert masker.mask("took 98 ms on 10.7.0.4")[1] == (("num", "98"), ("ip", "10.7.0.4"))


def test_hex_is_not_taken_for_a_word_that_looks_like_it() -> None:
    masker = _Masker()
    assert masker.mask("at 1x1f")[1] == (("id", "1x1f"),)
    assert masker.mask("at 0x1f")[1] == (("hex", "0x1f"),)


def test_a_message_with_a_nul_is_looked_at_up_to_it() -> None:
    shape = mine_shapes([{"message": "lost 3 of 7\0 in \0 transit"}])[0]
    assert [part if isinstance(part, str) else part.kind for part in shape.parts] == ["lost ", "num", " of ", "num"]


def test_a_host_with_its_port_is_a_value_and_a_source_line_is_none() -> None:
    messages = [
        f"{host} close, {n} bytes" for n, host in enumerate(["www.a.com:443", "b.example.org:80", "10.0.0.1:27"])
    ]
    masker = _Masker()
    assert masker.mask(messages[0])[1] == (("host", "www.a.com"), ("num", "443"), ("num", "0"))
    assert masker.mask("at Main.java:17 in x")[1] == (("num", "17"),)
    assert masker.mask("see www.a.com for more")[1] == ()
    shapes_found = mine_shapes({"message": message} for message in messages * 4)
    assert all("a.com" not in literal for shape in shapes_found for literal in shape.literals())
