// Early exit: a context may build its graphs with the first N layers only; output norm and head then read layer N.
// The KV cells of a token decoded that way are complete up to layer N and hold nothing of use above it: who goes on with
// more layers must take these tokens out of the cache and decode them again (edgeslm/generate does).

#include "edgeslm.h"
#include "edgeslm_exit.h"

#include "llama-context.h"
#include "llama-hparams.h"
#include "llama-model.h"

// The one friend of llama_context: nothing but the exit layer is touched.
struct edgeslm_context_access {
    static int32_t & exit_layer(llama_context & ctx) { return ctx.cparams.exit_layer; }
};

int64_t edgeslm_count_layers(const llama_cparams & cparams, const llama_hparams & hparams) {
    const int64_t n_layer = hparams.n_layer();
    return cparams.exit_layer > 0 && cparams.exit_layer < n_layer ? cparams.exit_layer : n_layer;
}

int32_t edgeslm_set_exit_layer(llama_context * ctx, int32_t layer) {
    const llama_model & model = ctx->get_model();
    if (layer < 0 || layer > llama_model_n_layer(&model)) {
        return -1;
    }
    // A state that every token updates (Mamba, RWKV) would miss this token in the upper layers for good.
    if (layer != 0 && (llama_model_is_recurrent(&model) || llama_model_is_hybrid(&model) || llama_model_has_encoder(&model))) {
        return -2;
    }
    edgeslm_context_access::exit_layer(*ctx) = layer == llama_model_n_layer(&model) ? 0 : layer;
    return 0;
}

int32_t edgeslm_get_exit_layer(const llama_context * ctx) {
    return ctx->get_cparams().exit_layer;
}
