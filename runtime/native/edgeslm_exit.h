// Early exit, as the patched llama.cpp sees it: how many layers a graph is built with. See edgeslm_set_exit_layer.

#pragma once

#include <cstdint>

struct llama_cparams;
struct llama_hparams;

// The layers of the next graph: all of the model's, or the first ones where the context has an exit layer.
int64_t edgeslm_count_layers(const llama_cparams & cparams, const llama_hparams & hparams);
