"""Entities in messages as Python finds them; that SQL finds the same is tested with DuckDB."""

import pytest

from edgeslm.logs.entities import load_entities

CASES = [
    ("ip", "Connection from 192.0.2.7 port 22", "192.0.2.7"),
    ("ip", "peer /192.0.2.7:45307 left", "192.0.2.7"),
    ("ip", "lost 192.0.2.7.", "192.0.2.7"),
    ("ip", "[2001:db8::7] refused", "2001:db8::7"),
    ("ip", "std::vector<int>::add (0x1)", None),
    ("ip", "version 6.1.7601.23505 loaded", None),
    ("ip", "at 12:34:56 on eth0", None),
    ("port", "from 192.0.2.7 port 42393 ssh2", "42393"),
    ("port", "peer /192.0.2.7:45307", "45307"),
    ("port", "route = 0x0 port = 11", "11"),
    ("port", "exported 12 items", None),
    ("user", "Failed password for invalid user eva from 192.0.2.7", "eva"),
    ("user", "Failed password for root from 192.0.2.7", "root"),
    ("user", "authentication failure; ruser= rhost=x  user=root", "root"),
    ("user", "session opened for user mail by (uid=0)", "mail"),
    ("user", "check pass; user unknown", None),
    ("user", "user request timed out", None),
    ("user", "Invalid user  from 192.0.2.7", None),
    ("url", "GET https://example.org/a?b=1, then", "https://example.org/a?b=1"),
    ("path", "open /etc/passwd failed", "/etc/passwd"),
    ("path", 'File "/srv/app/x.py", line 3', "/srv/app/x.py"),
    ("path", r"loaded C:\Windows\a.dll", r"C:\Windows\a.dll"),
    ("path", "peer /192.0.2.7:45307", None),
    ("mac", "to 52:54:00:ab:cd:ef via br0", "52:54:00:ab:cd:ef"),
    ("uuid", "[instance: 7e7cc42b-1111-4222-8333-abcdefabcdef] up", "7e7cc42b-1111-4222-8333-abcdefabcdef"),
    ("email", "to=<eva@example.org>, relay", "eva@example.org"),
]


@pytest.mark.parametrize(("name", "message", "want"), CASES)
def test_an_entity_is_found_in_a_message(name: str, message: str, want: str | None) -> None:
    assert load_entities()[name].find(message) == want
