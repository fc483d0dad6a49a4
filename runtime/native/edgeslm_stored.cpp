// Loads layers that share weights and matrices stored as two factors; see edgeslm_stored.h.
// Invariant: a shared tensor is one ggml tensor that several layers point to: it is read, mapped and repacked once.

#include "edgeslm_stored.h"

#include "llama-arch.h"
#include "llama-hparams.h"
#include "llama-impl.h"
#include "llama-model-loader.h"

#include <cstring>
#include <stdexcept>
#include <string>

namespace {

constexpr const char * first_factor  = "low_rank_a.weight";
constexpr const char * second_factor = "low_rank_b.weight";

// The second factor is kept in the first one's op parameters, which a weight (a leaf of every graph) does not use:
// so the pair lives and dies with the model's tensors and the product needs no table.
static_assert(sizeof(ggml_tensor *) <= GGML_MAX_OP_PARAMS, "a pointer must fit the op parameters");

void set_second_factor(ggml_tensor * first, ggml_tensor * second) {
    std::memcpy(first->op_params, &second, sizeof(second));
}

ggml_tensor * get_second_factor(const ggml_tensor * weight) {
    ggml_tensor * second = nullptr;
    if (weight->op == GGML_OP_NONE) {
        std::memcpy(&second, weight->op_params, sizeof(second));
    }
    return second;
}

std::string describe_chain(int32_t layer, const std::vector<int32_t> & source) {
    return format("layer %d names layer %d, which names layer %d: every layer must name one that holds its own weights",
                  layer, source[layer], source[source[layer]]);
}

std::vector<int32_t> read_sharing(const llama_model_loader & loader, int32_t n_layer) {
    const std::string key = loader.get_arch_name() + ".layer_sharing";
    const int64_t id = gguf_find_key(loader.metadata, key.c_str());
    if (id < 0) {
        return {};
    }
    if (gguf_get_kv_type(loader.metadata, id) != GGUF_TYPE_ARRAY || gguf_get_arr_type(loader.metadata, id) != GGUF_TYPE_INT32) {
        throw std::runtime_error(format("%s is not an array of int32", key.c_str()));
    }
    const size_t length = gguf_get_arr_n(loader.metadata, id);
    if (length != (size_t) n_layer) {
        throw std::runtime_error(format("%s has %zu entries, the model has %d layers", key.c_str(), length, n_layer));
    }
    const int32_t * data = (const int32_t *) gguf_get_arr_data(loader.metadata, id);
    const std::vector<int32_t> source(data, data + length);
    for (int32_t layer = 0; layer < n_layer; ++layer) {
        if (source[layer] < 0 || source[layer] >= n_layer) {
            throw std::runtime_error(format("%s: layer %d names layer %d, the model has %d layers",
                                            key.c_str(), layer, source[layer], n_layer));
        }
    }
    for (int32_t layer = 0; layer < n_layer; ++layer) {
        if (source[source[layer]] != source[layer]) {
            throw std::runtime_error(key + ": " + describe_chain(layer, source));
        }
        if (source[layer] > layer) {
            throw std::runtime_error(format("%s: layer %d names layer %d, which comes after it",
                                            key.c_str(), layer, source[layer]));
        }
    }
    return source;
}

bool has_tensor(const llama_model_loader & loader, const LLM_TN_IMPL & tn) {
    return loader.get_weight(tn.str().c_str()) != nullptr;
}

// Loads both factors of `tn` and ties them together. Their outer sides must be those of `ne`.
ggml_tensor * create_factors(
        const llama_model_loader & loader, const LLM_TN_IMPL & tn, const LLM_TN_IMPL & first_tn,
        const std::initializer_list<int64_t> & ne, int flags, const edgeslm_create_fn & create) {
    if (ne.size() != 2) {
        throw std::runtime_error(format("%s is not a matrix: it cannot be stored as two factors", tn.str().c_str()));
    }
    const LLM_TN_IMPL second_tn(tn.arch, tn.tensor, second_factor, tn.bid, tn.xid);
    const int64_t rank = loader.require_weight(first_tn.str().c_str()).tensor->ne[1];
    const int how = flags & ~llama_model_loader::TENSOR_NOT_REQUIRED;
    ggml_tensor * first  = create(first_tn,  { ne.begin()[0], rank }, how);
    ggml_tensor * second = create(second_tn, { rank, ne.begin()[1] }, how);
    if (first && second) {
        set_second_factor(first, second);
    }
    return first;
}

} // namespace

std::optional<edgeslm_stored_tensor> edgeslm_create_stored(
        llama_model_loader & loader, const llama_hparams & hparams, const LLM_TN_IMPL & tn,
        const std::initializer_list<int64_t> & ne, int flags, const edgeslm_create_fn & create) {
    if (loader.files.empty() || tn.bid < 0) {
        return std::nullopt;
    }
    edgeslm_stored_layers & layers = loader.stored_layers;
    if (!layers.is_read) {
        layers.source  = read_sharing(loader, (int32_t) hparams.n_layer_all);
        layers.is_read = true;
    }
    if (has_tensor(loader, tn)) {
        return std::nullopt;
    }
    const bool is_weight = tn.suffix && std::strcmp(tn.suffix, "weight") == 0;
    const LLM_TN_IMPL first_tn(tn.arch, tn.tensor, first_factor, tn.bid, tn.xid);
    if (is_weight && has_tensor(loader, first_tn)) {
        return edgeslm_stored_tensor { create_factors(loader, tn, first_tn, ne, flags, create) };
    }
    if (layers.source.empty() || (size_t) tn.bid >= layers.source.size() || layers.source[tn.bid] == tn.bid) {
        return std::nullopt;
    }
    const LLM_TN_IMPL shared(tn.arch, tn.tensor, tn.suffix, layers.source[tn.bid], tn.xid);
    const LLM_TN_IMPL shared_first(tn.arch, tn.tensor, first_factor, shared.bid, tn.xid);
    if (!has_tensor(loader, shared) && !(is_weight && has_tensor(loader, shared_first))) {
        return std::nullopt;
    }
    if (flags & llama_model_loader::TENSOR_SKIP) {
        return edgeslm_stored_tensor { nullptr }; // the layer that holds it is counted, this one is not
    }
    return edgeslm_stored_tensor { create(shared, ne, flags | llama_model_loader::TENSOR_DUPLICATED) };
}

ggml_tensor * edgeslm_multiply(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * cur) {
    ggml_tensor * product = ggml_mul_mat(ctx, weight, cur);
    ggml_tensor * second  = get_second_factor(weight);
    return second ? ggml_mul_mat(ctx, second, product) : product;
}
