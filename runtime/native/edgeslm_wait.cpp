// Waiting by looking, then sleeping on a futex where there is one.

#include "edgeslm_wait.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(SYS_futex) && defined(FUTEX_WAIT_PRIVATE)  // 32-bit systems of late have only its heir
#define EDGESLM_FUTEX 1
#endif

namespace {

constexpr int LOOKS_PER_CLOCK = 16;  // reading the clock costs as much as some looks
constexpr int TRY_AGAIN_AFTER = 256;  // waits in vain: waits that are only a little longer must not make sleeping a habit
thread_local int64_t look_for = EDGESLM_LOOK_LONGEST;
thread_local int in_vain = 0;
std::atomic<int> asleep{0};  // threads that sleep or are about to, whatever they wait for

int64_t now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void relax() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__) || (defined(__arm__) && __ARM_ARCH >= 7)
    __asm__ volatile("yield" ::: "memory");
#endif
}

bool is(const int * value, int seen) {
    return __atomic_load_n(value, __ATOMIC_SEQ_CST) == seen;
}

// Whether *value changed within so many nanoseconds.
bool look(const int * value, int seen, int64_t nanoseconds) {
    int64_t until = 0;
    for (int looks = 1; is(value, seen); ++looks) {
        relax();
        if (looks % LOOKS_PER_CLOCK == 0) {
            const int64_t at = now();
            until = until ? until : at + nanoseconds;
            if (at >= until) {
                return false;
            }
        }
    }
    return true;
}

void sleep_while(const int * value, int seen) {
#if defined(EDGESLM_FUTEX)
    // The kernel compares *value with `seen` before it lets the thread sleep. A thread that changes it afterwards finds
    // `asleep` counted: of two sequentially consistent stores and loads one side sees the other's.
    asleep.fetch_add(1);
    while (is(value, seen)) {
        syscall(SYS_futex, value, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
    }
    asleep.fetch_sub(1);
#else
    while (is(value, seen)) {
        std::this_thread::yield();
    }
#endif
}

}  // namespace

extern "C" void edgeslm_wait_while(const int * value, int seen) {
    if (look(value, seen, look_for)) {
        look_for = std::min<int64_t>(2 * look_for, EDGESLM_LOOK_LONGEST);
        return;
    }
    if (++in_vain == TRY_AGAIN_AFTER) {
        in_vain = 0;
        look_for = EDGESLM_LOOK_LONGEST;
    } else {
        look_for = std::max<int64_t>(look_for / 8, EDGESLM_LOOK_SHORTEST);
    }
    sleep_while(value, seen);
}

extern "C" void edgeslm_wake(const int * value) {
#if defined(EDGESLM_FUTEX)
    if (asleep.load() > 0) {
        syscall(SYS_futex, value, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
    }
#else
    (void) value;
#endif
}
