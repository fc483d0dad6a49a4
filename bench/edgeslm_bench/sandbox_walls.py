"""Takes rights from the calling process for good: files, network, processes, signals, resources. Linux, no privileges.

Landlock bounds files (and, where the kernel has it, signals and TCP), a seccomp filter the system calls, rlimits the
resources. Where the machine allows it the process also gets a network of its own with nothing in it. It refuses to know
what is run behind the walls; a wall that cannot be raised raises OSError, so that nothing runs with one missing.
It is imported anew each time code is run, so it imports little itself (no pathlib, no dataclasses).
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct
import sys
from collections.abc import Iterable

from edgeslm_bench.sandbox_filter import ARCHITECTURES, program

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture
_LANDLOCK_VERSION = 1  # flag of create: tell the version
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR, _WRITE_FILE = 1 << 2, 1 << 3, 1 << 1
_EXECUTE, _MAKE_CHAR, _MAKE_SOCK, _MAKE_BLOCK = 1 << 0, 1 << 6, 1 << 9, 1 << 11
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_BASE_RIGHTS = (1 << 13) - 1
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_FILTER = 2
_NEW_USER, _NEW_NETWORK, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_CAPABILITY_VERSION = 0x20080522
_SIGKILL = 9
_SPARE_BYTES = 64 << 20  # of memory, to tell that there was none

_libc = ctypes.CDLL(None, use_errno=True)
if sys.platform == "linux":  # elsewhere `missing` still says what there is not
    _libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)


def missing() -> list[str]:
    """What this machine lacks for a sandbox, in words; empty where all is there."""
    if sys.platform != "linux":
        return ["Landlock and seccomp, which only Linux has"]
    found = []
    if landlock_version() < 1:
        found.append("Landlock (Linux 5.13 or newer, switched on)")
    if os.uname().machine not in ARCHITECTURES:
        found.append(f"a list of system calls for {os.uname().machine} (there are some for {', '.join(ARCHITECTURES)})")
    try:
        with open("/proc/self/status") as status:  # noqa: PTH123
            if "Seccomp:" not in status.read():
                found.append("seccomp")
    except OSError:
        found.append("/proc")
    return found


def landlock_version() -> int:
    """The version of Landlock's interface, 0 where there is none."""
    return max(0, int(_libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)))


def die_with_parent(parent: int) -> None:
    """End when the process that started this one ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0))
    if os.getppid() != parent:
        raise ProcessLookupError(errno.ESRCH, "the process that started this one has gone")


def leave_network() -> bool:
    """Move into a network and an IPC namespace of its own, both empty; says whether the machine allowed it."""
    uid, gid = os.getuid(), os.getgid()
    if _libc.unshare(_NEW_NETWORK | _NEW_IPC) == 0:
        return True
    if _libc.unshare(_NEW_USER | _NEW_NETWORK | _NEW_IPC) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        try:
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
                file.write(text)
        except OSError:
            break  # only the names of user and group are lost
    return True


def drop_privileges() -> None:
    """Give up every capability, root's too, and the right to gain any."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    _check(_libc.capset(header, bytes(24)))


def limit_resources(cpu_s: int, memory_bytes: int, file_bytes: int, open_files: int) -> None:
    """Bound CPU time, address space, each file's length and how many are open; no core dumps, no locked memory."""
    spare = {resource.RLIMIT_CPU: 1, resource.RLIMIT_AS: _SPARE_BYTES}
    wanted = {
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_NOFILE: open_files,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for what, value in wanted.items():
        _, most = resource.getrlimit(what)
        hard = value + spare.get(what, 0)
        hard = hard if most == resource.RLIM_INFINITY else min(hard, most)
        resource.setrlimit(what, (min(value, hard), hard))


def use_spare_memory() -> None:
    """Once the code has ended: lift the soft limit of memory to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def restrict_files(folder: str, readable: Iterable[str]) -> None:
    """From now on only files below `folder` can be written or made, only those and `readable` can be opened at all.

    Nothing can be executed. Files named that do not exist are left out.
    """
    version = landlock_version()
    handled = _BASE_RIGHTS | (version >= 2) * _REFER | (version >= 3) * _TRUNCATE | (version >= 5) * _IOCTL_DEVICE
    attributes = struct.pack("=QQQ", handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _check(_libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0))
    try:
        _allow(ruleset, folder, handled & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK | _MAKE_SOCK | _IOCTL_DEVICE))
        for path in readable:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        _allow(ruleset, "/dev/null", _READ_FILE | _WRITE_FILE | (handled & _TRUNCATE))
        _check(_libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)


def filter_calls() -> None:
    """Install the filter of system calls. Needs drop_privileges first."""
    code = program(os.uname().machine, os.getpid(), truncate_is_guarded=landlock_version() >= 3)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a count of 16 bits, then a pointer at its natural place.
    head = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer)))
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.addressof(head), 0, 0))


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):  # noqa: PTH112
            rights &= _READ_FILE | _WRITE_FILE | _TRUNCATE
        _check(_libc.syscall(_LANDLOCK_ADD, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, handle), 0))
    finally:
        os.close(handle)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
