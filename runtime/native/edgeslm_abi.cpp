// What the compiler made of the structs that Python describes by hand, and what this build is made of.
// Compiled with the very headers of the library, so a binding that drifted shows up in tests/native and in `edgeslm doctor`.

#include "edgeslm.h"

#include <cstddef>
#include <cstdio>
#include <string>

namespace {

void append_size(std::string & report, const char * name, size_t size) {
    char entry[160];
    std::snprintf(entry, sizeof(entry), "%s\"%s\": %zu", report.back() == '{' ? "" : ", ", name, size);
    report += entry;
}

std::string make_report() {
    std::string report = "{\"pin\": \"" EDGESLM_PIN_VERSION "\", \"patches_sha256\": \"" EDGESLM_PATCHES_SHA256 "\", \"sizes\": {";
#define EDGESLM_SIZE(type) append_size(report, #type, sizeof(type))
    EDGESLM_SIZE(llama_token_data);
    EDGESLM_SIZE(llama_token_data_array);
    EDGESLM_SIZE(llama_batch);
    EDGESLM_SIZE(llama_model_kv_override);
    EDGESLM_SIZE(llama_model_params);
    EDGESLM_SIZE(llama_context_params);
    EDGESLM_SIZE(llama_model_quantize_params);
    EDGESLM_SIZE(llama_logit_bias);
    EDGESLM_SIZE(llama_sampler_chain_params);
    EDGESLM_SIZE(llama_chat_message);
#undef EDGESLM_SIZE
    report += "}, \"offsets\": {";
#define EDGESLM_OFFSET(type, field) append_size(report, #type "." #field, offsetof(type, field))
    EDGESLM_OFFSET(llama_token_data_array, selected);
    EDGESLM_OFFSET(llama_batch, logits);
    EDGESLM_OFFSET(llama_model_params, n_gpu_layers);
    EDGESLM_OFFSET(llama_model_params, load_mode);
    EDGESLM_OFFSET(llama_model_params, use_extra_bufts);
    EDGESLM_OFFSET(llama_context_params, n_ctx);
    EDGESLM_OFFSET(llama_context_params, n_ubatch);
    EDGESLM_OFFSET(llama_context_params, n_outputs_max);
    EDGESLM_OFFSET(llama_context_params, n_threads_batch);
    EDGESLM_OFFSET(llama_context_params, abort_callback);
    EDGESLM_OFFSET(llama_context_params, no_perf);
#undef EDGESLM_OFFSET
    report += "}}";
    return report;
}

} // namespace

const char * edgeslm_abi_report(void) {
    static const std::string report = make_report();
    return report.c_str();
}
