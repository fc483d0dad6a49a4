// Choosing a token under a grammar without testing the whole vocabulary each time.
// Nearly always the most likely token is allowed: it is tested alone first, then the 64 next, then all
// (the order of llama.cpp's common_sampler_sample, whose result this equals). A drawn token is tested alone, too. The list of all candidates is made only
// where that is not enough: for 49,152 tokens it is 590 KB, and with libm's exp it took 7 % of a small model's time.

#include "edgeslm.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr size_t first_candidates = 64;
constexpr int32_t most_refusals = 64;  // of tokens drawn one by one, before all are tested

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

// A number in [0, 1) that follows from the one before (splitmix64): one draw may need several.
double next_draw(uint64_t & state) {
    state += 0x9E3779B97F4A7C15u;
    uint64_t bits = state;
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9u;
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBu;
    return (double) ((bits ^ (bits >> 31)) >> 11) * 0x1.0p-53;
}

// The index at which the running sum of `weights` passes the share `draw` of the whole; -1 where all are 0.
int32_t pick(const std::vector<float> & weights, double draw) {
    double sum = 0.0;
    for (const float weight : weights) {
        sum += weight;
    }
    double remaining = draw * sum;
    int32_t last = -1;
    for (size_t i = 0; i < weights.size(); ++i) {
        if (weights[i] > 0.0f) {
            last = (int32_t) i;
            remaining -= weights[i];
            if (remaining < 0.0) {
                break;
            }
        }
    }
    return last;
}

// Draws after testing every candidate: where many were refused already, or the allowed ones are next to impossible.
llama_token draw_from_allowed(llama_sampler * grammar, const float * logits, int32_t n_vocab, float temperature, double draw) {
    std::vector<llama_token_data> candidates = all_candidates(logits, n_vocab);
    apply_grammar(grammar, candidates.data(), candidates.size());
    const llama_token_data * best = find_most_likely(candidates.data(), candidates.size());
    if (!best) {
        return -1;
    }
    std::vector<float> weights(n_vocab);
    for (llama_token id = 0; id < n_vocab; ++id) {
        weights[id] = exp_below_zero((candidates[id].logit - best->logit) / temperature);
    }
    return pick(weights, draw);
}

// A token drawn and refused is taken out, and another drawn from what is left: that leaves the allowed ones exactly the
// shares they have among themselves, and hardly ever takes more than a few tests.
llama_token choose_drawn(
        llama_sampler * grammar, const float * logits, int32_t n_vocab, float top, float temperature, float draw) {
    std::vector<float> weights(n_vocab);
    for (llama_token id = 0; id < n_vocab; ++id) {
        weights[id] = exp_below_zero((logits[id] - top) / temperature);
    }
    uint64_t state = 0;
    std::memcpy(&state, &draw, sizeof(draw));
    double next = draw;
    for (int32_t refused = 0; refused < most_refusals; ++refused) {
        const int32_t id = pick(weights, next);
        next = next_draw(state);
        if (id < 0) {
            break;
        }
        llama_token_data single = { id, logits[id], 0.0f };
        apply_grammar(grammar, &single, 1);
        if (single.logit != -INFINITY) {
            return id;
        }
        weights[id] = 0.0f;
    }
    return draw_from_allowed(grammar, logits, n_vocab, temperature, next);
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
    const llama_token token = temperature > 0.0f ? choose_drawn(grammar, logits, n_vocab, top, temperature, draw)
                                                 : choose_greedy(grammar, logits, n_vocab, (llama_token) (best - logits));
    if (token >= 0) {
        *logprob = logits[token] - top - (float) std::log(sum);
        if (grammar) {
            llama_sampler_accept(grammar, token);
        }
    }
    return token;
}
