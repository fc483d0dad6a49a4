// Tensors that a file stores otherwise than the architecture names them, as the patched llama.cpp sees it:
//   layer sharing  `<arch>.layer_sharing`, an int array: entry i is the layer whose weights layer i uses (i itself: its own).
//                  A layer may hold some tensors of its own (norms, say); those it lacks are the named layer's.
//   low rank       `<name>.low_rank_a.weight` [n_in, rank] and `<name>.low_rank_b.weight` [rank, n_out] in place of
//                  `<name>.weight` [n_in, n_out]; they are multiplied one after the other.

#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <vector>

struct ggml_context;
struct ggml_tensor;
struct llama_hparams;
struct llama_model_loader;
struct LLM_TN_IMPL;

// What a loader remembers: the sharing array once it was read, empty where the file has none.
struct edgeslm_stored_layers {
    bool                 is_read = false;
    std::vector<int32_t> source;
};

// The loader's own create_tensor, for a tensor of another name, shape or flags.
using edgeslm_create_fn =
    std::function<ggml_tensor *(const LLM_TN_IMPL & tn, const std::initializer_list<int64_t> & ne, int flags)>;

struct edgeslm_stored_tensor {
    ggml_tensor * tensor; // may be NULL: the tensor is optional or was to be skipped
};

// The tensor `tn` where the file stores it otherwise, nothing where the loader is to go on as ever.
// Throws std::runtime_error on a malformed array or on factors whose shapes do not fit.
std::optional<edgeslm_stored_tensor> edgeslm_create_stored(
        llama_model_loader & loader, const llama_hparams & hparams, const LLM_TN_IMPL & tn,
        const std::initializer_list<int64_t> & ne, int flags, const edgeslm_create_fn & create);

// weight * cur; both factors where `weight` is the first of two.
ggml_tensor * edgeslm_multiply(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * cur);
