"""The system calls that sandboxed code may not make, as a seccomp program: data and its assembly, nothing is installed.

What it is for: no process besides the one (threads yes), no signal to anybody else, no socket, no memory that is
not the process's own, nothing done to other processes, and, because Landlock does not look at them, no change of
permissions, owners or times of files (those calls seem to succeed and do nothing, so that shutil.copy works). Calls
newer than the lists here do not exist for the code. Imports next to nothing, as it is imported each time code is run.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence

# From linux/seccomp.h, linux/filter.h, linux/audit.h, linux/sched.h, linux/socket.h, asm-generic/fcntl.h and ioctls.h.
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _BITS, _GREATER, _AND, _RETURN = 0x20, 0x15, 0x45, 0x25, 0x54, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_CLONE_THREAD = 0x00010000
_SOCK_STREAM, _SOCK_TYPES = 1, 0xF
_OWNER_COMMANDS = (8, 10, 15, 1024, 1026)  # fcntl: F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
_OWNER_REQUESTS = (0x8901, 0x8902, 0x5412, 0x541C)  # ioctl: FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX
_O_ACCMODE, _O_TRUNC = 3, 0o1000
_LAST_KNOWN = 450  # set_mempolicy_home_node, the same number everywhere

# name: (x86_64, aarch64); None where the architecture has no such call.
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "accept": (43, 202), "accept4": (288, 242), "add_key": (248, 217), "bind": (49, 200), "bpf": (321, 280),
    "chmod": (90, None), "chown": (92, None), "chroot": (161, 51), "clone": (56, 220), "clone3": (435, 435),
    "connect": (42, 203), "execve": (59, 221), "execveat": (322, 281), "fanotify_init": (300, 262),
    "fchmod": (91, 52), "fchmodat": (268, 53), "fchown": (93, 55), "fchownat": (260, 54), "fcntl": (72, 25),
    "fork": (57, None), "fremovexattr": (199, 16), "fsconfig": (431, 431), "fsetxattr": (190, 7),
    "fsmount": (432, 432), "fsopen": (430, 430), "fspick": (433, 433), "futimesat": (261, None),
    "inotify_add_watch": (254, 27), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425), "ioctl": (16, 29), "ioprio_set": (251, 30), "kcmp": (312, 272),
    "keyctl": (250, 219), "kill": (62, 129), "lchown": (94, None), "listen": (50, 201),
    "lremovexattr": (198, 15), "lsetxattr": (189, 6), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "migrate_pages": (256, 238), "mount": (165, 40), "mount_setattr": (442, 442), "move_mount": (429, 429),
    "move_pages": (279, 239), "mq_open": (240, 180), "msgget": (68, 186), "open": (2, None),
    "open_by_handle_at": (304, 265), "open_tree": (428, 428), "openat": (257, 56), "openat2": (437, 437),
    "perf_event_open": (298, 241), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "pivot_root": (155, 41), "prlimit64": (302, 261),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "ptrace": (101, 117), "removexattr": (197, 14), "request_key": (249, 218),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "semget": (64, 190), "setns": (308, 268), "setpriority": (141, 140), "setxattr": (188, 5),
    "shmat": (30, 196), "shmget": (29, 194), "socket": (41, 198), "socketpair": (53, 199), "tgkill": (234, 131),
    "tkill": (200, 130), "truncate": (76, 45), "umount2": (166, 39), "unshare": (272, 97),
    "userfaultfd": (323, 282), "utime": (132, None), "utimensat": (280, 88), "utimes": (235, None),
    "vfork": (58, None),
}  # fmt: skip
_Step = tuple[int, int, int, int]  # of classic BPF: code, jump if true, jump if not (from the next one on), value
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ARCHITECTURES = tuple(_AUDIT)

_DENIED = (
    "accept accept4 add_key bind bpf chroot connect execve execveat fanotify_init fork fsconfig fsmount fsopen fspick "
    "inotify_add_watch io_uring_enter io_uring_register io_uring_setup ioprio_set kcmp keyctl listen memfd_create "
    "memfd_secret migrate_pages mount mount_setattr move_mount move_pages mq_open msgget open_by_handle_at open_tree "
    "perf_event_open pidfd_getfd pidfd_open pidfd_send_signal pivot_root process_madvise process_mrelease "
    "process_vm_readv process_vm_writev ptrace request_key rt_sigqueueinfo rt_tgsigqueueinfo semget setns setpriority "
    "shmat shmget socket umount2 unshare userfaultfd vfork"
).split()
_ABSENT = "clone3 openat2".split()  # their arguments cannot be looked at; libraries go back to clone and openat
_IDLE = (
    "chmod chown fchmod fchmodat fchown fchownat fremovexattr fsetxattr futimesat lchown lremovexattr lsetxattr "
    "removexattr setxattr utime utimensat utimes"
).split()
_OWN_PROCESS_ONLY = "kill tgkill tkill".split()
_OWN_OR_ZERO_ONLY = "prlimit64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler".split()


def program(machine: str, pid: int, *, truncate_is_guarded: bool = True) -> bytes:
    """The filter for the process `pid` on `machine` (one of ARCHITECTURES), as an array of struct sock_filter.

    truncate_is_guarded: Landlock refuses to truncate files outside (its version 3 and newer); else this does.
    Raises KeyError for another machine.
    """
    steps = [
        _step(_LOAD, _ARCHITECTURE_AT),
        _step(_EQUAL, _AUDIT[machine], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
        _step(_GREATER, _LAST_KNOWN, 0, 1),
        _refuse(errno.ENOSYS),
    ]
    column = ARCHITECTURES.index(machine)
    for name, body in _rules(pid, truncate_is_guarded).items():
        number = _NUMBERS[name][column]
        if number is not None:
            steps += [_step(_LOAD, _NUMBER_AT), _step(_EQUAL, number, 0, len(body)), *body]
    steps.append(_step(_RETURN, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> _Step:
    return code, if_true, if_false, value


def _rules(pid: int, truncate_is_guarded: bool) -> dict[str, list[_Step]]:
    """What is done with each call that is looked at; each ends with a verdict."""
    rules = {name: [_refuse(errno.EPERM)] for name in _DENIED}
    rules |= {name: [_refuse(errno.ENOSYS)] for name in _ABSENT}
    rules |= {name: [_refuse(0)] for name in _IDLE}
    rules |= {name: _only(0, (pid,)) for name in _OWN_PROCESS_ONLY}
    rules |= {name: _only(0, (0, pid)) for name in _OWN_OR_ZERO_ONLY}
    rules["fcntl"] = _never(1, _OWNER_COMMANDS)
    rules["ioctl"] = _never(1, _OWNER_REQUESTS)
    rules["clone"] = [_argument(0), _step(_BITS, _CLONE_THREAD, 0, 1), _step(_RETURN, _ALLOW), _refuse(errno.EPERM)]
    # A datagram pair could be made to send elsewhere.
    rules["socketpair"] = [_argument(1), _step(_AND, _SOCK_TYPES), *_only(1, (_SOCK_STREAM,))[1:]]
    if not truncate_is_guarded:
        rules["truncate"] = [_refuse(errno.EACCES)]
        rules["openat"], rules["open"] = _no_truncating_to_read(2), _no_truncating_to_read(1)
    return rules


def _argument(index: int) -> _Step:
    """Load the low half of an argument; all that are looked at are ints or flags within it."""
    return _step(_LOAD, _ARGUMENTS_AT + 8 * index)


def _refuse(number: int) -> _Step:
    """The call is not made and gives that errno; 0 seems a success."""
    return _step(_RETURN, _ERRNO | number)


def _only(index: int, values: Sequence[int]) -> list[_Step]:
    """Allowed if the argument is one of `values`."""
    tests = [_step(_EQUAL, value, len(values) - at, 0) for at, value in enumerate(values)]
    return [_argument(index), *tests, _refuse(errno.EPERM), _step(_RETURN, _ALLOW)]


def _never(index: int, values: Sequence[int]) -> list[_Step]:
    """Allowed unless the argument is one of `values`."""
    tests = [_step(_EQUAL, value, len(values) - at, 0) for at, value in enumerate(values)]
    return [_argument(index), *tests, _step(_RETURN, _ALLOW), _refuse(errno.EPERM)]


def _no_truncating_to_read(index: int) -> list[_Step]:
    """Opening for reading with O_TRUNC empties a file that may only be read."""
    return [
        _argument(index),
        _step(_BITS, _O_TRUNC, 0, 3),
        _step(_AND, _O_ACCMODE),
        _step(_EQUAL, 0, 0, 1),
        _refuse(errno.EACCES),
        _step(_RETURN, _ALLOW),
    ]
