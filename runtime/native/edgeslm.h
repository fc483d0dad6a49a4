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

// edgeslm_sample_token from the logits after the last decode's batch entry `index` (-1: the last one).
LLAMA_API llama_token edgeslm_sample_token_at(
        struct llama_context * ctx,
        int32_t                index,
        struct llama_sampler * grammar,
        float                  temperature,
        float                  draw,
        float                * logprob);

// llama_decode of `n_tokens` tokens of sequence 0 from `position` on, with an output for each of the last `n_outputs`.
// Returns what llama_decode returns: 0 is success.
LLAMA_API int32_t edgeslm_decode_tokens(
        struct llama_context * ctx,
        const llama_token    * tokens,
        int32_t                n_tokens,
        int32_t                position,
        int32_t                n_outputs);

// The most likely next token after each of the last decode's batch entries first .. first + count - 1.
//   tokens   receives `count` tokens
//   margins  receives `count` differences between the two highest logits; NULL: not wanted
// Returns 0, or -2: one of these entries has no output; -3: its logits are not numbers. Then `tokens` is unspecified.
LLAMA_API int32_t edgeslm_greedy_tokens(
        struct llama_context * ctx,
        int32_t                first,
        int32_t                count,
        llama_token          * tokens,
        float                * margins);

// One step of greedy decoding: runs the model over `token` at `position` of sequence 0.
// Returns the most likely next token, or -1: llama_decode failed; -2: no output; -3: the logits are not numbers.
LLAMA_API int32_t edgeslm_next_token(struct llama_context * ctx, llama_token token, int32_t position);

// The probability, over the whole vocabulary, of the most likely token after batch entry `index`.
// Returns it, or -2: no output; -3: the logits are not numbers.
LLAMA_API float edgeslm_top_probability(struct llama_context * ctx, int32_t index);

// Follows a grammar beside the sampler that enforces it and tells which text the grammar leaves no choice about.
// NULL if the grammar (GBNF with a rule `root`) is not valid.
LLAMA_API struct edgeslm_forcer * edgeslm_forcer_init(const struct llama_vocab * vocab, const char * grammar);
LLAMA_API void edgeslm_forcer_free(struct edgeslm_forcer * forcer);

// Goes on by a token that was chosen. Returns 0, or -1: the grammar does not allow it and the forcer is of no more use.
LLAMA_API int32_t edgeslm_forcer_accept(struct edgeslm_forcer * forcer, llama_token token);

// Writes the text that must follow (UTF-8, NUL-terminated) and returns its bytes without the NUL; 0: there is a choice.
// Returns -1 if `size` is short (1024 always suffices). The forcer's state is unchanged.
LLAMA_API int32_t edgeslm_forcer_text(struct edgeslm_forcer * forcer, char * text, int32_t size);

// Whether the grammar allows nothing more than the end.
LLAMA_API bool edgeslm_forcer_is_done(struct edgeslm_forcer * forcer);

// Bounds the layers that the context computes from now on: the output norm and the head read layer `layer`.
// 0 or the model's own number: all layers. Tokens decoded under an exit layer have no usable KV entries above it:
// take them out of the cache (llama_memory_seq_rm) and decode them again before more layers read them.
// Returns 0, or
//   -1  the model has no such layer; nothing was changed
//   -2  the model cannot leave layers out (recurrent state, encoder-decoder); nothing was changed
//   -3  the library was built without the patch; nothing was changed
LLAMA_API int32_t edgeslm_set_exit_layer(struct llama_context * ctx, int32_t layer);

// The exit layer in force, 0 for all layers.
LLAMA_API int32_t edgeslm_get_exit_layer(const struct llama_context * ctx);

#ifdef __cplusplus
}
#endif
