// How threads that compute together wait for each other (patch 0006).
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// Returns once *value is no longer `seen`. Looks at it for a while, then sleeps until edgeslm_wake. How long it looks
// depends on how this thread's last waits ended: up to EDGESLM_LOOK_LONGEST where looking was enough, as on an idle
// machine, where sleeping costs more than it saves; down to EDGESLM_LOOK_SHORTEST where it was in vain because the
// thread that it waited for had no core, with a long look again now and then. *value is read atomically, by one thread
// or many. Never fails.
#define EDGESLM_LOOK_LONGEST 1000000  // nanoseconds
#define EDGESLM_LOOK_SHORTEST 1000
void edgeslm_wait_while(const int * value, int seen);

// Wakes all threads that sleep in edgeslm_wait_while(value, ...); to be called after *value was changed, atomically and
// in sequentially consistent order.
void edgeslm_wake(const int * value);

#ifdef __cplusplus
}
#endif
