// What text must follow under a grammar, whatever the model thinks: as long as every way on begins with the same
// character, that character is certain. Part of libllama, because it reads the grammar's stacks.

#include "edgeslm.h"

#include "llama-grammar.h"

#include <algorithm>
#include <exception>
#include <string>

struct edgeslm_forcer {
    llama_grammar * grammar;
};

namespace {

// More is never worth a batch at once; also the end of a grammar that repeats itself for ever.
constexpr size_t longest_text = 512;

// The one character that every stack asks for next, 0 where there is a choice (the end is one).
uint32_t find_only_character(const llama_grammar_stacks & stacks) {
    uint32_t only = 0;
    for (const auto & stack : stacks) {
        if (stack.empty() || stack.back()->type != LLAMA_GRETYPE_CHAR) {
            return 0;
        }
        const llama_grammar_element * element = stack.back();
        const bool is_range = element[1].type == LLAMA_GRETYPE_CHAR_RNG_UPPER || element[1].type == LLAMA_GRETYPE_CHAR_ALT;
        if (is_range || (only != 0 && element->value != only)) {
            return 0;
        }
        only = element->value;
    }
    return only;
}

void append_utf8(std::string & text, uint32_t character) {
    if (character < 0x80) {
        text += (char) character;
    } else if (character < 0x800) {
        text += (char) (0xC0 | (character >> 6));
        text += (char) (0x80 | (character & 0x3F));
    } else if (character < 0x10000) {
        text += (char) (0xE0 | (character >> 12));
        text += (char) (0x80 | ((character >> 6) & 0x3F));
        text += (char) (0x80 | (character & 0x3F));
    } else {
        text += (char) (0xF0 | (character >> 18));
        text += (char) (0x80 | ((character >> 12) & 0x3F));
        text += (char) (0x80 | ((character >> 6) & 0x3F));
        text += (char) (0x80 | (character & 0x3F));
    }
}

std::string find_forced_text(llama_grammar & grammar) {
    std::string text;
    if (grammar.partial_utf8.n_remain != 0) {
        return text; // a token ended within a character
    }
    const llama_grammar_stacks before = grammar.stacks;
    while (text.size() < longest_text) {
        const uint32_t character = find_only_character(grammar.stacks);
        if (character == 0) {
            break;
        }
        append_utf8(text, character);
        llama_grammar_accept(&grammar, character);
    }
    grammar.stacks = before;
    return text;
}

} // namespace

edgeslm_forcer * edgeslm_forcer_init(const llama_vocab * vocab, const char * grammar) {
    llama_grammar * parsed = llama_grammar_init_impl(vocab, grammar, "root", false, nullptr, 0, nullptr, 0);
    return parsed ? new edgeslm_forcer { parsed } : nullptr;
}

void edgeslm_forcer_free(edgeslm_forcer * forcer) {
    if (forcer) {
        llama_grammar_free_impl(forcer->grammar);
        delete forcer;
    }
}

int32_t edgeslm_forcer_accept(edgeslm_forcer * forcer, llama_token token) {
    try {
        llama_grammar_accept_impl(*forcer->grammar, token);
        return 0;
    } catch (const std::exception &) {
        return -1;
    }
}

int32_t edgeslm_forcer_text(edgeslm_forcer * forcer, char * text, int32_t size) {
    const std::string forced = find_forced_text(*forcer->grammar);
    if ((int32_t) forced.size() >= size) {
        return -1;
    }
    std::copy(forced.begin(), forced.end(), text);
    text[forced.size()] = '\0';
    return (int32_t) forced.size();
}

bool edgeslm_forcer_is_done(edgeslm_forcer * forcer) {
    const llama_grammar_stacks & stacks = forcer->grammar->stacks;
    return forcer->grammar->partial_utf8.n_remain == 0 &&
           std::all_of(stacks.begin(), stacks.end(), [](const auto & stack) { return stack.empty(); });
}
