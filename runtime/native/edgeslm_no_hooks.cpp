// Stands in for edgeslm_exit.cpp where llama.cpp was built from a source without our patches.

#include "edgeslm.h"

int32_t edgeslm_set_exit_layer(llama_context * /*ctx*/, int32_t layer) {
    return layer == 0 ? 0 : -3;
}

int32_t edgeslm_get_exit_layer(const llama_context * /*ctx*/) {
    return 0;
}
