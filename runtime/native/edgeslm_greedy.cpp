// Greedy decoding of whole batches: what a verify of drafted tokens needs per token and Python would do slowly.

#include "edgeslm.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

struct best_two {
    llama_token token  = 0;
    float       first  = -INFINITY;
    float       second = -INFINITY;
};

constexpr int32_t block_size = 256;

// Without branches, so compilers vectorize it; what is not a number is never the highest.
float find_highest(const float * logits, int32_t size) {
    constexpr int32_t lanes = 8;
    float highest[lanes];
    std::fill(highest, highest + lanes, -INFINITY);
    int32_t i = 0;
    for (; i + lanes <= size; i += lanes) {
        for (int32_t lane = 0; lane < lanes; ++lane) {
            highest[lane] = logits[i + lane] > highest[lane] ? logits[i + lane] : highest[lane];
        }
    }
    float found = -INFINITY;
    for (const float one : highest) {
        found = one > found ? one : found;
    }
    for (; i < size; ++i) {
        found = logits[i] > found ? logits[i] : found;
    }
    return found;
}

// Looks at every logit of a few: the most likely token (of equals the first) and the two highest logits.
best_two find_best_of_few(const float * logits, int32_t size) {
    best_two best;
    for (llama_token id = 0; id < size; ++id) {
        const float logit = logits[id];
        if (logit > best.first) {
            best.second = best.first;
            best.first  = logit;
            best.token  = id;
        } else if (logit > best.second) {
            best.second = logit;
        }
    }
    return best;
}

// The same over a vocabulary, in blocks of which only the one with the highest logit is looked at closely.
best_two find_best(const float * logits, int32_t n_vocab) {
    float highest = -INFINITY;
    float next = -INFINITY; // of the other blocks
    int32_t block = 0;
    for (int32_t start = 0; start < n_vocab; start += block_size) {
        const float found = find_highest(logits + start, std::min(block_size, n_vocab - start));
        if (found > highest) {
            next = highest;
            highest = found;
            block = start;
        } else if (found > next) {
            next = found;
        }
    }
    best_two best = find_best_of_few(logits + block, std::min(block_size, n_vocab - block));
    best.token += block;
    best.second = std::max(best.second, next);
    return best;
}

int32_t count_vocabulary(const llama_context * ctx) {
    return llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(ctx)));
}

} // namespace

int32_t edgeslm_decode_tokens(
        llama_context * ctx, const llama_token * tokens, int32_t n_tokens, int32_t position, int32_t n_outputs) {
    llama_batch batch = llama_batch_init(n_tokens, 0, 1);
    batch.n_tokens = n_tokens;
    for (int32_t i = 0; i < n_tokens; ++i) {
        batch.token[i]     = tokens[i];
        batch.pos[i]       = position + i;
        batch.n_seq_id[i]  = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i]    = i >= n_tokens - n_outputs;
    }
    const int32_t status = llama_decode(ctx, batch);
    llama_batch_free(batch);
    return status;
}

int32_t edgeslm_greedy_tokens(
        llama_context * ctx, int32_t first, int32_t count, llama_token * tokens, float * margins) {
    const int32_t n_vocab = count_vocabulary(ctx);
    for (int32_t i = 0; i < count; ++i) {
        const float * logits = llama_get_logits_ith(ctx, first + i);
        if (!logits) {
            return -2;
        }
        const best_two best = find_best(logits, n_vocab);
        if (!std::isfinite(best.first)) {
            return -3;
        }
        tokens[i] = best.token;
        if (margins) {
            margins[i] = best.first - best.second;
        }
    }
    return 0;
}

int32_t edgeslm_next_token(llama_context * ctx, llama_token token, int32_t position) {
    if (edgeslm_decode_tokens(ctx, &token, 1, position, 1) != 0) {
        return -1;
    }
    llama_token next = 0;
    const int32_t found = edgeslm_greedy_tokens(ctx, 0, 1, &next, nullptr);
    return found == 0 ? next : found;
}

float edgeslm_top_probability(llama_context * ctx, int32_t index) {
    const float * logits = llama_get_logits_ith(ctx, index);
    if (!logits) {
        return -2.0f;
    }
    const int32_t n_vocab = count_vocabulary(ctx);
    const float top = find_best(logits, n_vocab).first;
    float sum = 0.0f;
    for (llama_token id = 0; id < n_vocab; ++id) {
        sum += std::exp(logits[id] - top);
    }
    return std::isfinite(sum) && sum > 0.0f ? 1.0f / sum : -3.0f;
}
