// Large pages, through madvise where there is one.

#include "edgeslm_pages.h"

#if defined(__linux__)

#include <sys/mman.h>

#include <cstdint>

extern "C" void edgeslm_prefer_large_pages(void * memory, size_t bytes) {
    constexpr uintptr_t LARGE = 2u * 1024 * 1024;
    if (memory == nullptr || bytes < EDGESLM_LARGE_PAGES_FROM) {
        return;
    }
    const uintptr_t from = (reinterpret_cast<uintptr_t>(memory) + LARGE - 1) / LARGE * LARGE;
    const uintptr_t to = (reinterpret_cast<uintptr_t>(memory) + bytes) / LARGE * LARGE;
    if (to > from) {
        madvise(reinterpret_cast<void *>(from), to - from, MADV_HUGEPAGE);  // advice only: an error changes nothing
    }
}

#else

extern "C" void edgeslm_prefer_large_pages(void *, size_t) {}

#endif
