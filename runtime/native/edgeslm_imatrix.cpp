// What goes into each matrix multiplication with weights, squared and summed by column. The method is that of llama.cpp's
// tools/imatrix (for experts, each expert's own rows), for tied heads and small batches too.

#include "edgeslm_imatrix.h"

#include "ggml-backend.h"
#include "ggml.h"

#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace {

struct entry {
    int64_t              columns = 0;
    std::vector<double>  sums;
    std::vector<int64_t> counts;
};

bool is_weight(const ggml_tensor * tensor) {
    static const char suffix[] = ".weight";
    const size_t length = std::strlen(tensor->name);
    const size_t wanted = sizeof(suffix) - 1;
    return tensor->op == GGML_OP_NONE && length > wanted
        && std::strcmp(tensor->name + length - wanted, suffix) == 0;
}

bool is_wanted(const ggml_tensor * tensor) {
    if (tensor->op != GGML_OP_MUL_MAT && tensor->op != GGML_OP_MUL_MAT_ID) {
        return false;
    }
    return is_weight(tensor->src[0]) && tensor->src[1]->type == GGML_TYPE_F32;
}

std::vector<uint8_t> read(const ggml_tensor * tensor) {
    std::vector<uint8_t> data(ggml_nbytes(tensor));
    ggml_backend_tensor_get(tensor, data.data(), 0, data.size());
    return data;
}

void add_row(entry & found, int64_t matrix, const uint8_t * row) {
    const float * values = (const float *) row;
    double * sums = found.sums.data() + matrix * found.columns;
    for (int64_t column = 0; column < found.columns; ++column) {
        sums[column] += (double) values[column] * values[column];
    }
    found.counts[matrix]++;
}

void add_dense(entry & found, const ggml_tensor * weight, const ggml_tensor * input, const uint8_t * data) {
    for (int64_t i3 = 0; i3 < input->ne[3]; ++i3) {
        for (int64_t i2 = 0; i2 < input->ne[2]; ++i2) {
            const int64_t matrix = (i3 % weight->ne[3]) * weight->ne[2] + i2 % weight->ne[2];
            for (int64_t i1 = 0; i1 < input->ne[1]; ++i1) {
                add_row(found, matrix, data + i1 * input->nb[1] + i2 * input->nb[2] + i3 * input->nb[3]);
            }
        }
    }
}

// input: [columns, experts used or 1, tokens]; ids: [experts used, tokens], which expert each one is.
void add_experts(entry & found, const ggml_tensor * input, const uint8_t * data, const ggml_tensor * ids) {
    const std::vector<uint8_t> chosen = read(ids);
    for (int64_t token = 0; token < ids->ne[1]; ++token) {
        for (int64_t place = 0; place < ids->ne[0]; ++place) {
            int32_t expert = 0;
            std::memcpy(&expert, chosen.data() + token * ids->nb[1] + place * ids->nb[0], sizeof(expert));
            if (expert >= 0 && (size_t) expert < found.counts.size()) {
                add_row(found, expert, data + (place % input->ne[1]) * input->nb[1] + token * input->nb[2]);
            }
        }
    }
}

} // namespace

struct edgeslm_imatrix {
    std::map<std::string, entry> entries;
};

namespace {

const std::pair<const std::string, entry> * at(const edgeslm_imatrix * matrix, int32_t index) {
    if (index < 0 || (size_t) index >= matrix->entries.size()) {
        return nullptr;
    }
    return &*std::next(matrix->entries.begin(), index);
}

} // namespace

edgeslm_imatrix * edgeslm_imatrix_init(void) {
    return new edgeslm_imatrix;
}

void edgeslm_imatrix_free(edgeslm_imatrix * matrix) {
    delete matrix;
}

bool edgeslm_imatrix_observe(ggml_tensor * tensor, bool ask, void * user_data) {
    if (!is_wanted(tensor)) {
        return !ask;
    }
    if (ask) {
        return true;
    }
    const ggml_tensor * weight = tensor->src[0];
    const ggml_tensor * input = tensor->src[1];
    entry & found = ((edgeslm_imatrix *) user_data)->entries[weight->name];
    if (found.sums.empty()) {
        found.columns = weight->ne[0];
        found.counts.resize(weight->ne[2] * weight->ne[3], 0);
        found.sums.resize(found.columns * found.counts.size(), 0.0);
    }
    const std::vector<uint8_t> data = read(input);
    if (tensor->op == GGML_OP_MUL_MAT_ID) {
        add_experts(found, input, data.data(), tensor->src[2]);
    } else {
        add_dense(found, weight, input, data.data());
    }
    return true;
}

int32_t edgeslm_imatrix_size(const edgeslm_imatrix * matrix) {
    return (int32_t) matrix->entries.size();
}

const char * edgeslm_imatrix_name(const edgeslm_imatrix * matrix, int32_t index) {
    const auto * found = at(matrix, index);
    return found ? found->first.c_str() : nullptr;
}

const double * edgeslm_imatrix_sums(
        const edgeslm_imatrix * matrix, int32_t index, int64_t * n_columns, int64_t * n_matrices) {
    const auto * found = at(matrix, index);
    if (!found) {
        return nullptr;
    }
    *n_columns = found->second.columns;
    *n_matrices = (int64_t) found->second.counts.size();
    return found->second.sums.data();
}

const int64_t * edgeslm_imatrix_counts(const edgeslm_imatrix * matrix, int32_t index) {
    const auto * found = at(matrix, index);
    return found ? found->second.counts.data() : nullptr;
}
