// Large pages for large memory (patch 0005).
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// Asks the system to back memory of at least EDGESLM_LARGE_PAGES_FROM bytes, not yet touched, by large pages, as far as
// whole ones fit in. Reading weights one after the other crosses a page border every 4 KiB otherwise, and there the CPU
// stops reading ahead. Where the system has none, or is told to give none, nothing changes; it never fails.
#define EDGESLM_LARGE_PAGES_FROM (64u * 1024 * 1024)
void edgeslm_prefer_large_pages(void * memory, size_t bytes);

#ifdef __cplusplus
}
#endif
