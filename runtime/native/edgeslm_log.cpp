// Keeps llama.cpp's log off the terminal and its last complaints for the error message.
// In C++ because a Python callback could be called while the interpreter is being torn down.

#include "edgeslm.h"
#include "edgeslm_internal.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>

namespace {

constexpr size_t kept_bytes = 4096;

std::mutex  lock;
std::string kept;
bool        print_all = false;
bool        last_was_kept = false;

void collect(ggml_log_level level, const char * text, void * /*user_data*/) {
    const std::lock_guard<std::mutex> guard(lock);
    if (print_all) {
        std::fputs(text, stderr);
    }
    // A continuation belongs to the line before it.
    const bool keep = level == GGML_LOG_LEVEL_CONT ? last_was_kept : level >= GGML_LOG_LEVEL_WARN;
    last_was_kept = keep;
    if (!keep) {
        return;
    }
    kept += text;
    if (kept.size() > kept_bytes) {
        kept.erase(0, kept.size() - kept_bytes);
    }
}

} // namespace

void edgeslm_log_keep(const char * line) {
    collect(GGML_LOG_LEVEL_ERROR, line, nullptr);
}

void edgeslm_log_collect(bool verbose) {
    {
        const std::lock_guard<std::mutex> guard(lock);
        print_all = verbose;
    }
    llama_log_set(collect, nullptr);
}

int32_t edgeslm_log_take(char * text, int32_t size) {
    if (size <= 0) {
        return 0;
    }
    const std::lock_guard<std::mutex> guard(lock);
    const size_t length = std::min(kept.size(), (size_t) size - 1);
    std::memcpy(text, kept.data() + (kept.size() - length), length);
    text[length] = '\0';
    kept.clear();
    return (int32_t) length;
}
