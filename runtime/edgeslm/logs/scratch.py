"""A private temporary directory of this process, for cleaned copies of inputs and for what a query spills.

Invariant: mode 0700, made when first needed, removed with everything in it when the process ends.
"""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path


@functools.cache
def scratch_directory() -> Path:
    """The directory; TMPDIR says where it is made."""
    path = Path(tempfile.mkdtemp(prefix="edgeslm-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path.resolve()
