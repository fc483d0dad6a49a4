# Puts what Python needs beside the libraries into `stage`: the ctypes bindings of the sdist, the pin, the
# list of patches and the licences.

# Writes `text` to `file` only when it differs, so that nothing is rebuilt or reinstalled for nothing.
function(edgeslm_write_if_changed file text)
    if(EXISTS "${file}")
        file(READ "${file}" old)
        if(old STREQUAL text)
            return()
        endif()
    endif()
    file(WRITE "${file}" "${text}")
endfunction()

# Copies a binding module with its imports of a sibling made relative, so that it works as edgeslm.lib.<name>
# and never meets another llama_cpp that may be installed.
function(edgeslm_stage_binding name)
    file(READ "${LLAMA_CPP_PYTHON_DIR}/llama_cpp/${name}" text)
    string(REPLACE "from llama_cpp._ctypes_extensions import" "from ._ctypes_extensions import" text "${text}")
    if(text MATCHES "(from|import) llama_cpp[. ]")
        message(FATAL_ERROR "${name} of the bindings imports more of its package than expected: ${CMAKE_MATCH_0}")
    endif()
    edgeslm_write_if_changed("${stage}/${name}" "${text}")
endfunction()

edgeslm_stage_binding(llama_cpp.py)
edgeslm_stage_binding(_ctypes_extensions.py)

file(STRINGS "${LLAMA_CPP_PYTHON_DIR}/llama_cpp/__init__.py" version REGEX "^__version__ = ")
edgeslm_write_if_changed("${stage}/__init__.py"
"\"\"\"The compiled llama.cpp and its ctypes bindings, put here by the build (runtime/native). Edit nothing here.\"\"\"\n\n${version}\n")

edgeslm_write_if_changed("${stage}/patches.txt" "${EDGESLM_PATCHES}")
configure_file("${EDGESLM_PIN_FILE}" "${stage}/pin.toml" COPYONLY)
configure_file("${LLAMA_CPP_PYTHON_DIR}/LICENSE.md" "${stage}/LICENSE.llama-cpp-python" COPYONLY)
configure_file("${LLAMA_CPP_PYTHON_DIR}/vendor/llama.cpp/LICENSE" "${stage}/LICENSE.llama.cpp" COPYONLY)
