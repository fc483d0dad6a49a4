// Gathers an importance matrix while llama.cpp evaluates a graph: for every matrix of weights, the sum of squares of
// each column of what it was multiplied with. The converting room uses it, the device does not.

#pragma once

#include "llama.h"

#ifdef __cplusplus
extern "C" {
#endif

struct edgeslm_imatrix;

// Never NULL. Free it with edgeslm_imatrix_free, after the context it was given to.
LLAMA_API struct edgeslm_imatrix * edgeslm_imatrix_init(void);
LLAMA_API void edgeslm_imatrix_free(struct edgeslm_imatrix * matrix);

// For llama_context_params.cb_eval, with the matrix as cb_eval_user_data.
// Returns whether the tensor is wanted (ask), else always true: evaluation is never stopped.
LLAMA_API bool edgeslm_imatrix_observe(struct ggml_tensor * tensor, bool ask, void * matrix);

// Weights seen so far, in the order of their names.
LLAMA_API int32_t edgeslm_imatrix_size(const struct edgeslm_imatrix * matrix);

// The name of entry `index`, or NULL where there is none; it lives as long as the matrix.
LLAMA_API const char * edgeslm_imatrix_name(const struct edgeslm_imatrix * matrix, int32_t index);

// Sums of squares of entry `index`: n_matrices x n_columns (a matrix for each expert, else one), with the number of rows
// each matrix was multiplied with in `counts`. Valid until the next evaluation. NULL where there is no such entry.
LLAMA_API const double * edgeslm_imatrix_sums(
        const struct edgeslm_imatrix * matrix, int32_t index, int64_t * n_columns, int64_t * n_matrices);
LLAMA_API const int64_t * edgeslm_imatrix_counts(const struct edgeslm_imatrix * matrix, int32_t index);

#ifdef __cplusplus
}
#endif
