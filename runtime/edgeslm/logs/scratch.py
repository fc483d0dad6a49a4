"""A private temporary directory of this process, for cleaned copies of inputs and for what a query spills.

Invariant: mode 0700, made when first needed, removed with everything in it when the process ends; those of processes
that were killed are removed by the next one that needs its own. A directory is in use while its file `lock` is locked.
"""

import atexit
import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX, _LOCK = "edgeslm-", "lock"


@functools.cache
def scratch_directory() -> Path:
    """The directory; TMPDIR says where it is made."""
    path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    with contextlib.suppress(OSError):  # a file system without locks
        _lock(path)
        _sweep(path.parent)
    return path.resolve()


def _lock(path: Path) -> None:
    """Lock the directory for as long as this process lives; nobody sees the file before it is locked."""
    unseen = path / f"{_LOCK}.new"
    fcntl.flock(os.open(unseen, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600), fcntl.LOCK_EX | fcntl.LOCK_NB)
    unseen.rename(path / _LOCK)


def _sweep(folder: Path) -> None:
    """Remove the directories of this user's processes that are no more."""
    for lock in folder.glob(f"{_PREFIX}*/{_LOCK}"):
        with contextlib.suppress(OSError):
            if lock.parent.is_symlink() or lock.parent.stat().st_uid != os.getuid():
                continue
            handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(handle)
