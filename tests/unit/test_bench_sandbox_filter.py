"""The filter of system calls, run by a small interpreter of its language: for processors other than this one, too."""

from __future__ import annotations

import errno
import struct

import pytest

from edgeslm_bench.sandbox_filter import ARCHITECTURES, program

PID = 4242
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOWED, KILLED = "allowed", "killed"
NUMBERS = {  # looked up in the kernel's headers, again
    "x86_64": {"read": 0, "open": 2, "socket": 41, "clone": 56, "fork": 57, "kill": 62, "fcntl": 72, "truncate": 76}
    | {"chmod": 90, "socketpair": 53, "tgkill": 234, "openat": 257, "prlimit64": 302, "clone3": 435, "ioctl": 16},
    "aarch64": {"read": 63, "socket": 198, "clone": 220, "kill": 129, "fcntl": 25, "truncate": 45, "fchmodat": 53}
    | {"socketpair": 199, "tgkill": 131, "openat": 56, "prlimit64": 261, "clone3": 435, "ioctl": 29},
}


def verdict(code: bytes, architecture: int, number: int, *arguments: int) -> str | int:
    """What the kernel would do: ALLOWED, KILLED, or the errno it gives."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("=HBBI", code))
    at = held = 0
    while True:
        operation, if_true, if_false, value = steps[at]
        at += 1
        if operation == 0x20:
            (held,) = struct.unpack_from("=I", data, value)
        elif operation == 0x54:
            held &= value
        elif operation == 0x06:
            kind = value & 0xFFFF0000
            return {0x7FFF0000: ALLOWED, 0x80000000: KILLED}.get(kind, value & 0xFFFF)
        else:
            holds = {0x15: held == value, 0x25: held > value, 0x45: bool(held & value)}[operation]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("read", (0,), ALLOWED),
        ("socket", (2, 1), errno.EPERM),
        ("fork", (), errno.EPERM),
        ("clone", (0x01200011,), errno.EPERM),
        ("clone", (0x003D0F00,), ALLOWED),
        ("clone3", (), errno.ENOSYS),
        ("kill", (PID, 9), ALLOWED),
        ("kill", (PID - 1, 9), errno.EPERM),
        ("kill", (0, 9), errno.EPERM),
        ("kill", (2**64 - 1, 9), errno.EPERM),
        ("tgkill", (PID, 1, 6), ALLOWED),
        ("prlimit64", (0, 7), ALLOWED),
        ("prlimit64", (PID, 7), ALLOWED),
        ("prlimit64", (1, 7), errno.EPERM),
        ("fcntl", (3, 8), errno.EPERM),
        ("fcntl", (3, 15), errno.EPERM),
        ("fcntl", (3, 1), ALLOWED),
        ("ioctl", (0, 0x5412), errno.EPERM),
        ("ioctl", (0, 0x5413), ALLOWED),
        ("socketpair", (1, 1 | 0o2000000), ALLOWED),
        ("socketpair", (1, 2 | 0o2000000), errno.EPERM),
        ("chmod", (0, 0o777), 0),
        ("fchmodat", (0, 0, 0o777), 0),
        ("openat", (0, 0, 0o1000), ALLOWED),
        ("truncate", (0, 0), ALLOWED),
    ],
)
def test_the_verdict_on_a_call(machine: str, name: str, arguments: tuple[int, ...], expected: str | int) -> None:
    if name in NUMBERS[machine]:
        assert verdict(program(machine, PID), AUDIT[machine], NUMBERS[machine][name], *arguments) == expected


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_where_landlock_cannot_guard_against_truncating_the_filter_does(machine: str) -> None:
    code = program(machine, PID, truncate_is_guarded=False)
    numbers = NUMBERS[machine]

    def opened(flags: int) -> str | int:
        return verdict(code, AUDIT[machine], numbers["openat"], 0, 0, flags)

    assert verdict(code, AUDIT[machine], numbers["truncate"]) == errno.EACCES
    assert opened(0o1000) == errno.EACCES
    assert [opened(flags) for flags in (0, 0o1001, 0o1002, 0o101)] == [ALLOWED] * 4


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_calls_newer_than_the_lists_do_not_exist(machine: str) -> None:
    code = program(machine, PID)
    assert verdict(code, AUDIT[machine], 450) == ALLOWED
    assert {verdict(code, AUDIT[machine], number) for number in (451, 468, 0x40000000)} == {errno.ENOSYS}


def test_a_call_in_the_numbers_of_another_processor_ends_the_process() -> None:
    assert verdict(program("x86_64", PID), 0x40000003, 11) == KILLED


def test_a_processor_without_a_list_has_no_filter() -> None:
    with pytest.raises(KeyError):
        program("riscv64", PID)
