// Our own C interface beside llama.h: what the engine needs per token or at load time and Python would do slowly.
// Every function is safe to call from one thread at a time.

#pragma once

#include "llama.h"

#ifdef __cplusplus
extern "C" {
#endif

// Returns a JSON object {pin, patches_sha256, sizes: {struct: bytes}, offsets: {struct.field: bytes}}.
// Never NULL; the text lives as long as the library.
LLAMA_API const char * edgeslm_abi_report(void);

// Takes over llama.cpp's log: warnings and errors are kept (the last 4 KiB), all is also printed to stderr if `verbose`.
LLAMA_API void edgeslm_log_collect(bool verbose);

// Copies the kept lines into `text` (NUL-terminated, the newest kept where `size` is short) and forgets them.
// Returns the number of bytes written without the NUL.
LLAMA_API int32_t edgeslm_log_take(char * text, int32_t size);

// llama_model_load_from_file, where a failed assertion makes the load fail instead of ending the process.
// Returns NULL on failure; edgeslm_log_take has the reason. What the failed load allocated may be lost.
LLAMA_API struct llama_model * edgeslm_load_model(const char * path, struct llama_model_params params);

// llama_init_from_model, in the same way.
LLAMA_API struct llama_context * edgeslm_make_context(struct llama_model * model, struct llama_context_params params);

// llama_adapter_lora_init, in the same way. The adapter is freed with its model, and must be there before the context is.
LLAMA_API struct llama_adapter_lora * edgeslm_load_adapter(struct llama_model * model, const char * path);

// Chooses the next token from the logits of the last decoded token.
//   grammar      NULL, or a sampler of llama_sampler_init_grammar; the chosen token is accepted into it
//   temperature  0: the most likely allowed token; above 0: drawn by `draw`, a number in [0, 1)
//   logprob      receives the natural logarithm of the token's probability over the whole vocabulary, grammar aside
// Returns the token (>= 0), or
//   -1  the grammar allows no token here; the grammar's state is unchanged
//   -2  the context holds no logits (nothing was decoded)
//   -3  the logits are not numbers (damaged weights)
LLAMA_API llama_token edgeslm_sample_token(
        struct llama_context * ctx,
        struct llama_sampler * grammar,
        float                  temperature,
        float                  draw,
        float                * logprob);

#ifdef __cplusplus
}
#endif
