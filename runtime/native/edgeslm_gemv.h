// Matrix times vector for weights in Q4_0, eight rows interleaved, on CPUs with AVX2 (patch 0004).
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// result[columns] = weights x vector. weights: block_q4_0x8 as ggml-cpu repacks Q4_0, [columns / 8][length / 32];
// vector: block_q8_0[length / 32]. length is a multiple of 32, columns of 8. Computes bit for bit what
// gemv_q4_b32_8x8_q8_0_lut_avx of ggml-cpu does, in fewer instructions. Returns 0, with nothing done, where length is over
// EDGESLM_GEMV_LONGEST, and 1 otherwise.
#define EDGESLM_GEMV_LONGEST 65536
int edgeslm_gemv_q4_0_8x8(int length, float * result, const void * weights, const void * vector, int columns);

#ifdef __cplusplus
}
#endif
