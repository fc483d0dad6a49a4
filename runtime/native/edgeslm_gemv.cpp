// Q4_0 times a vector with 8-bit products, for one token: what decoding spends its time on.
//
// ggml-cpu turns each 4-bit weight into a signed byte, through a table, and needs a sign on both factors of every
// product. Here weights stay unsigned (w + 8, from 0 to 15), which is what the multiplication wants, and 8 times the
// sum of the vector's block is taken off at the end: 64 products of at most 15 x 127 x 2 fit 16 bits when four are added,
// so that the widening to 32 bits happens once a block. All sums are integers, so nothing is rounded differently.

#include "edgeslm_gemv.h"

#if defined(__AVX2__) && defined(__F16C__) && defined(__FMA__)

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace {

constexpr int BLOCK = 32;       // weights of a block
constexpr int ROWS = 8;         // interleaved
constexpr int PREFETCH = 4096;  // bytes ahead: past the next page border, where the CPU's own prefetching stops
constexpr int LINE = 64;        // bytes of a cache line

struct Weights {  // block_q4_0x8: eight bytes of each row in turn, twice; low halves are weights 0-15, high halves 16-31
    uint16_t scale[ROWS];
    uint8_t halves[ROWS * BLOCK / 2];
};

struct Vector {  // block_q8_0
    uint16_t scale;
    int8_t values[BLOCK];
};

static_assert(sizeof(Weights) == 144 && sizeof(Vector) == 34, "ggml's blocks have changed");

__m256i eight_values(const int8_t * values) {
    long long bits;
    std::memcpy(&bits, values, sizeof bits);
    return _mm256_set1_epi64x(bits);
}

// What all rows need of a block of the vector, computed once.
struct Known {
    float scale;
    int32_t excess;  // 8 times the block's sum: what weights + 8 add to a sum of products
};

Known know(const Vector & block) {
    const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(block.values));
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(8), values);
    const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
    sum = _mm_hadd_epi32(sum, sum);
    return {_cvtsh_ss(block.scale), _mm_cvtsi128_si32(_mm_hadd_epi32(sum, sum))};
}

// The products of four rows with a block of the vector, eight weights a row at a time, four sums of 16 bits a row.
__m256i four_rows(__m256i first, __m256i second, const __m256i values[4]) {
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i a = _mm256_maddubs_epi16(_mm256_and_si256(first, low), values[0]);
    const __m256i b = _mm256_maddubs_epi16(_mm256_and_si256(second, low), values[1]);
    const __m256i c = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(first, 4), low), values[2]);
    const __m256i d = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(second, 4), low), values[3]);
    return _mm256_add_epi16(_mm256_add_epi16(a, b), _mm256_add_epi16(c, d));
}

void eight_rows(int blocks, float * result, const Weights * weights, const Vector * vector, const Known * known) {
    const __m256i stored = _mm256_set1_epi8(static_cast<char>(0x88));  // repacking flips the top bit of each weight
    const __m256i ones = _mm256_set1_epi16(1);
    const __m128i in_sum_order = _mm_set_epi8(15, 14, 13, 12, 7, 6, 5, 4, 11, 10, 9, 8, 3, 2, 1, 0);  // 0 1 4 5 2 3 6 7
    const __m256i in_row_order = _mm256_set_epi32(7, 6, 3, 2, 5, 4, 1, 0);
    __m256 sums = _mm256_setzero_ps();
    for (int at = 0; at < blocks; ++at) {
        const char * ahead = reinterpret_cast<const char *>(weights + at) + PREFETCH;
        _mm_prefetch(ahead, _MM_HINT_T0);
        _mm_prefetch(ahead + LINE, _MM_HINT_T0);
        const int8_t * part = vector[at].values;
        const __m256i values[4] = {eight_values(part), eight_values(part + 8), eight_values(part + 16),
                                   eight_values(part + 24)};
        const __m256i * halves = reinterpret_cast<const __m256i *>(weights[at].halves);
        const __m256i upper_low = _mm256_xor_si256(_mm256_loadu_si256(halves), stored);
        const __m256i lower_low = _mm256_xor_si256(_mm256_loadu_si256(halves + 1), stored);
        const __m256i upper_high = _mm256_xor_si256(_mm256_loadu_si256(halves + 2), stored);
        const __m256i lower_high = _mm256_xor_si256(_mm256_loadu_si256(halves + 3), stored);
        const __m256i upper = _mm256_madd_epi16(four_rows(upper_low, upper_high, values), ones);
        const __m256i lower = _mm256_madd_epi16(four_rows(lower_low, lower_high, values), ones);
        const __m256i whole = _mm256_sub_epi32(_mm256_hadd_epi32(upper, lower), _mm256_set1_epi32(known[at].excess));
        const __m128i scales = _mm_loadu_si128(reinterpret_cast<const __m128i *>(weights[at].scale));
        const __m256 scale = _mm256_cvtph_ps(_mm_shuffle_epi8(scales, in_sum_order));
        sums = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), _mm256_mul_ps(scale, _mm256_set1_ps(known[at].scale)), sums);
    }
    _mm256_storeu_ps(result, _mm256_permutevar8x32_ps(sums, in_row_order));
}

}  // namespace

extern "C" int edgeslm_gemv_q4_0_8x8(int length, float * result, const void * weights, const void * vector, int columns) {
    if (length > EDGESLM_GEMV_LONGEST) {
        return 0;
    }
    const int blocks = length / BLOCK;
    const Weights * group = static_cast<const Weights *>(weights);
    const Vector * parts = static_cast<const Vector *>(vector);
    Known known[EDGESLM_GEMV_LONGEST / BLOCK];
    for (int at = 0; at < blocks; ++at) {
        known[at] = know(parts[at]);
    }
    for (int column = 0; column < columns; column += ROWS, group += blocks) {
        eight_rows(blocks, result + column, group, parts, known);
    }
    return 1;
}

#endif
