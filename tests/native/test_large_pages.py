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


@pytest.fixture
def library() -> ctypes.CDLL:
    found = ctypes.CDLL(str(library_folder() / "libggml-base.so"))
    if not hasattr(found, "edgeslm_prefer_large_pages"):
        pytest.skip("the library has no patches")
    if not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists():
        pytest.skip("this kernel has no large pages")
    found.edgeslm_prefer_large_pages.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    found.ggml_aligned_malloc.restype = ctypes.c_void_p
    found.ggml_aligned_malloc.argtypes = [ctypes.c_size_t]
    found.ggml_aligned_free.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return found


@pytest.mark.parametrize(("size", "wanted"), [(96 * MIB, True), (16 * MIB, False)])
def test_large_memory_is_advised_and_small_memory_is_not(library: ctypes.CDLL, size: int, wanted: bool) -> None:
    held = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(held))
    library.edgeslm_prefer_large_pages(address, size)
    assert advised(address + size // 2) is wanted


def test_ggml_asks_for_large_pages(library: ctypes.CDLL) -> None:
    address = library.ggml_aligned_malloc(96 * MIB)
    try:
        assert address
        assert advised(address + 48 * MIB)
    finally:
        library.ggml_aligned_free(address, 96 * MIB)


def test_odd_memory_is_survived(library: ctypes.CDLL) -> None:
    library.edgeslm_prefer_large_pages(None, 1 << 30)
    held = mmap.mmap(-1, MIB)
    library.edgeslm_prefer_large_pages(ctypes.addressof(ctypes.c_char.from_buffer(held)), 0)
    held[:1] = b"x"
    assert held[:1] == b"x"
