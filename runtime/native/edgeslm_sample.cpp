// Choosing a token under a grammar without testing the whole vocabulary each time.
// Nearly always the most likely token is allowed: it is tested alone first, then the 64 next, then all
// (the order of llama.cpp's common_sampler_sample, whose result this equals).

#include "edgeslm.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

constexpr size_t first_candidates = 64;

bool is_more_likely(const llama_token_data & a, const llama_token_data & b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// Sets the logit of each candidate that the grammar refuses to -infinity.
void apply_grammar(llama_sampler * grammar, llama_token_data * data, size_t size) {
    if (grammar) {
        llama_token_data_array candidates = { data, size, -1, false };
        llama_sampler_apply(grammar, &candidates);
    }
}

const llama_token_data * find_most_likely(const llama_token_data * data, size_t size) {
    const llama_token_data * best = nullptr;
    for (size_t i = 0; i < size; ++i) {
        if (data[i].logit != -INFINITY && (!best || is_more_likely(data[i], *best))) {
            best = &data[i];
        }
    }
    return best;
}

llama_token choose_greedy(llama_sampler * grammar, std::vector<llama_token_data> candidates) {
    const llama_token_data * best = find_most_likely(candidates.data(), candidates.size());
    llama_token_data single = *best;
    apply_grammar(grammar, &single, 1);
    if (single.logit != -INFINITY) {
        return single.id;
    }
    const size_t head = std::min(first_candidates, candidates.size());
    std::partial_sort(candidates.begin(), candidates.begin() + head, candidates.end(), is_more_likely);
    apply_grammar(grammar, candidates.data(), head);
    best = find_most_likely(candidates.data(), head);
    if (!best) {
        apply_grammar(grammar, candidates.data() + head, candidates.size() - head);
        best = find_most_likely(candidates.data() + head, candidates.size() - head);
    }
    return best ? best->id : -1;
}

llama_token choose_drawn(llama_sampler * grammar, std::vector<llama_token_data> candidates, float temperature, float draw) {
    apply_grammar(grammar, candidates.data(), candidates.size());
    const llama_token_data * best = find_most_likely(candidates.data(), candidates.size());
    if (!best) {
        return -1;
    }
    const float top = best->logit;
    double sum = 0.0;
    for (auto & candidate : candidates) {
        candidate.p = std::exp((candidate.logit - top) / temperature);
        sum += candidate.p;
    }
    double remaining = draw * sum;
    for (const auto & candidate : candidates) {
        remaining -= candidate.p;
        if (candidate.p > 0.0f && remaining < 0.0) {
            return candidate.id;
        }
    }
    return best->id;
}

} // namespace

llama_token edgeslm_sample_token(
        llama_context * ctx, llama_sampler * grammar, float temperature, float draw, float * logprob) {
    return edgeslm_sample_token_at(ctx, -1, grammar, temperature, draw, logprob);
}

llama_token edgeslm_sample_token_at(
        llama_context * ctx, int32_t index, llama_sampler * grammar, float temperature, float draw, float * logprob) {
    const float * logits = llama_get_logits_ith(ctx, index);
    if (!logits) {
        return -2;
    }
    const int32_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(ctx)));
    const float top = *std::max_element(logits, logits + n_vocab);
    double sum = 0.0;
    std::vector<llama_token_data> candidates(n_vocab);
    for (llama_token id = 0; id < n_vocab; ++id) {
        sum += std::exp(logits[id] - top);
        candidates[id] = { id, logits[id], 0.0f };
    }
    if (!std::isfinite(sum)) {
        return -3;
    }
    const llama_token token = temperature > 0.0f ? choose_drawn(grammar, std::move(candidates), temperature, draw)
                                                 : choose_greedy(grammar, std::move(candidates));
    if (token >= 0) {
        *logprob = logits[token] - top - (float) std::log(sum);
        if (grammar) {
            llama_sampler_accept(grammar, token);
        }
    }
    return token;
}
