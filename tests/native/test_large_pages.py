"""Memory for weights asks for large pages, where it is large enough for them."""

from __future__ import annotations

import ctypes
import mmap
import re
from pathlib import Path

import pytest

from edgeslm.engine.library import library_folder

MIB = 1024 * 1024


def advised(address: int) -> bool:
    """Whether the kernel notes `hg` (large pages wanted) for the mapping that holds the address."""
    for part in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text()):
        span = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", part)
        if span and int(span[1], 16) <= address < int(span[2], 16):
            return " hg" in part[part.index("VmFlags:") :]
    raise AssertionError("no such mapping")


@pytest.mark.parametrize(("size", "wanted"), [(96 * MIB, True), (16 * MIB, False)])
def test_large_memory_is_advised_and_small_memory_is_not(size: int, wanted: bool) -> None:
    library = ctypes.CDLL(str(library_folder() / "libggml-base.so"))
    if not hasattr(library, "edgeslm_prefer_large_pages"):
        pytest.skip("the library has no patches")
    if not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists():
        pytest.skip("this kernel has no large pages")
    library.ggml_aligned_malloc.restype = ctypes.c_void_p
    library.ggml_aligned_malloc.argtypes = [ctypes.c_size_t]
    library.ggml_aligned_free.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    address = library.ggml_aligned_malloc(size)
    try:
        assert address
        assert advised(address + size // 2) is wanted
    finally:
        library.ggml_aligned_free(address, size)


def test_odd_memory_is_survived() -> None:
    library = ctypes.CDLL(str(library_folder() / "libggml-base.so"))
    if not hasattr(library, "edgeslm_prefer_large_pages"):
        pytest.skip("the library has no patches")
    library.edgeslm_prefer_large_pages.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.edgeslm_prefer_large_pages(None, 1 << 30)
    held = mmap.mmap(-1, MIB)
    library.edgeslm_prefer_large_pages(ctypes.addressof(ctypes.c_char.from_buffer(held)), 0)
    held[:1] = b"x"
    assert held[:1] == b"x"
