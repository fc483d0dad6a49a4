// Loading a damaged model or adapter must fail, not end the process: llama.cpp asserts on some files (two tokens of one text, say).
// While a model is loaded its assertions throw instead; llama.cpp's own handlers, or ours, turn that into a NULL result.
// At any other time they abort as ever: then the program is wrong, not the file.

#include "edgeslm.h"
#include "edgeslm_internal.h"

#include "ggml.h"

#include <exception>
#include <stdexcept>
#include <string>

namespace {

[[noreturn]] void throw_assertion(const char * message) {
    throw std::runtime_error(message);
}

template <typename Call> auto call_guarded(Call call) -> decltype(call()) {
    const ggml_abort_callback_t before = ggml_set_abort_callback(throw_assertion);
    decltype(call()) result = nullptr;
    try {
        result = call();
    } catch (const std::exception & error) {
        edgeslm_log_keep((std::string("error: ") + error.what() + "\n").c_str());
    }
    ggml_set_abort_callback(before);
    return result;
}

} // namespace

llama_model * edgeslm_load_model(const char * path, llama_model_params params) {
    return call_guarded([&] { return llama_model_load_from_file(path, params); });
}

llama_context * edgeslm_make_context(llama_model * model, llama_context_params params) {
    return call_guarded([&] { return llama_init_from_model(model, params); });
}

llama_adapter_lora * edgeslm_load_adapter(llama_model * model, const char * path) {
    return call_guarded([&] { return llama_adapter_lora_init(model, path); });
}
