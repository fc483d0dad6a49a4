// Choosing a token under a grammar without testing the whole vocabulary each time.
// Nearly always the most likely token is allowed: it is tested alone first, then the 64 next, then all
// (the order of llama.cpp's common_sampler_sample, whose result this equals). The list of all candidates is made only
// where that is not enough: for 49,152 tokens it is 590 KB, and with libm's exp it took 7 % of a small model's time.

#include "edgeslm.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
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

// e^x for x <= 0, relative error below 1e-7, 0 below -87; a NaN stays one. Without branches, so compilers vectorize it.
inline float exp_below_zero(float x) {
    const float clamped = x < -87.0f ? -87.0f : x;
    const float shifted = clamped * 1.44269504f + 12582912.0f;  // the sum's last bits are the rounded exponent
    const float whole = shifted - 12582912.0f;
    const float r = (clamped - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t bits;
    std::memcpy(&bits, &shifted, sizeof(bits));
    bits = (bits + 127u) << 23;
    float scale;
    std::memcpy(&scale, &bits, sizeof(scale));
    return x < -87.0f ? 0.0f : p * scale;
}

double sum_of_exps(const float * logits, int32_t size, float top) {
    constexpr int32_t lanes = 8;
    double sum = 0.0;
    int32_t start = 0;
    for (; start + 64 * lanes <= size; start += 64 * lanes) {
        float part[lanes] = {};
        for (int32_t i = 0; i < 64; ++i) {
            for (int32_t lane = 0; lane < lanes; ++lane) {
                part[lane] += exp_below_zero(logits[start + i * lanes + lane] - top);
            }
        }
        for (const float value : part) {
            sum += value;
        }
    }
    for (; start < size; ++start) {
        sum += exp_below_zero(logits[start] - top);
    }
    return sum;
}

std::vector<llama_token_data> all_candidates(const float * logits, int32_t n_vocab) {
    std::vector<llama_token_data> candidates(n_vocab);
    for (llama_token id = 0; id < n_vocab; ++id) {
        candidates[id] = { id, logits[id], 0.0f };
    }
    return candidates;
}

// best_id: the most likely token, the first where several are.
llama_token choose_greedy(llama_sampler * grammar, const float * logits, int32_t n_vocab, llama_token best_id) {
    llama_token_data single = { best_id, logits[best_id], 0.0f };
    apply_grammar(grammar, &single, 1);
    if (single.logit != -INFINITY) {
        return single.id;
    }
    std::vector<llama_token_data> candidates = all_candidates(logits, n_vocab);
    const size_t head = std::min(first_candidates, candidates.size());
    std::partial_sort(candidates.begin(), candidates.begin() + head, candidates.end(), is_more_likely);
    apply_grammar(grammar, candidates.data(), head);
    const llama_token_data * best = find_most_likely(candidates.data(), head);
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
    const float * best = std::max_element(logits, logits + n_vocab);
    const float top = *best;
    const double sum = sum_of_exps(logits, n_vocab, top);
    if (!std::isfinite(sum)) {
        return -3;
    }
    const llama_token token = temperature > 0.0f ? choose_drawn(grammar, all_candidates(logits, n_vocab), temperature, draw)
                                                 : choose_greedy(grammar, logits, n_vocab, (llama_token) (best - logits));
    if (token >= 0) {
        *logprob = logits[token] - top - (float) std::log(sum);
        if (grammar) {
            llama_sampler_accept(grammar, token);
        }
    }
    return token;
}
