# Where the llama.cpp source comes from: the pin, the download, its hash, the patches. Sets
#   EDGESLM_PIN_<VERSION|SDIST|SDIST_SHA256|LLAMA_CPP_VERSION>   the values of runtime/native/pin.toml
#   LLAMA_CPP_PYTHON_DIR                                         the unpacked sdist, patched
# It refuses to know how the source is compiled (runtime/native/CMakeLists.txt does) and names no registry:
# pip's own configuration says where packages come from.

set(EDGESLM_PIN_FILE "${PROJECT_SOURCE_DIR}/runtime/native/pin.toml")
set(EDGESLM_PATCH_DIR "${PROJECT_SOURCE_DIR}/runtime/native/patches")
if(EDGESLM_UPSTREAM)
    set(EDGESLM_PATCH_DIR "${PROJECT_BINARY_DIR}/no-patches")
endif()
file(GLOB patches CONFIGURE_DEPENDS "${EDGESLM_PATCH_DIR}/*.patch")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${EDGESLM_PIN_FILE}" ${patches})

# Reads `key = "value"` from the pin file into EDGESLM_PIN_<KEY>.
function(edgeslm_read_pin key)
    file(STRINGS "${EDGESLM_PIN_FILE}" line REGEX "^${key} = \".*\"$")
    if(NOT line MATCHES "^${key} = \"(.+)\"$")
        message(FATAL_ERROR "${EDGESLM_PIN_FILE} has no line: ${key} = \"...\"")
    endif()
    string(TOUPPER "EDGESLM_PIN_${key}" variable)
    set(${variable} "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

# Fetches the pinned sdist with pip into `folder`, unless it is already there.
function(edgeslm_fetch_sdist folder)
    if(EXISTS "${folder}/${EDGESLM_PIN_SDIST}")
        return()
    endif()
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    message(STATUS "fetching llama-cpp-python ${EDGESLM_PIN_VERSION} (about 75 MB) with pip")
    # Into a folder of its own and then moved: an interrupted download leaves nothing that looks whole.
    set(incoming "${folder}/incoming")
    file(REMOVE_RECURSE "${incoming}")
    file(MAKE_DIRECTORY "${incoming}")
    execute_process(
        COMMAND "${Python3_EXECUTABLE}" -m pip download --quiet --no-deps --no-binary llama-cpp-python
                --dest "${incoming}" "llama-cpp-python==${EDGESLM_PIN_VERSION}"
        RESULT_VARIABLE failed ERROR_VARIABLE reason)
    if(failed OR NOT EXISTS "${incoming}/${EDGESLM_PIN_SDIST}")
        message(FATAL_ERROR
            "cannot fetch llama-cpp-python ${EDGESLM_PIN_VERSION} with pip (exit ${failed}):\n${reason}\n"
            "Check pip's index settings, or fetch ${EDGESLM_PIN_SDIST} elsewhere and pass -DLLAMA_CPP_SDIST=<file>.")
    endif()
    file(RENAME "${incoming}/${EDGESLM_PIN_SDIST}" "${folder}/${EDGESLM_PIN_SDIST}")
    file(REMOVE_RECURSE "${incoming}")
endfunction()

# Stops unless `file` is byte for byte the pinned sdist.
function(edgeslm_check_sdist file)
    file(SHA256 "${file}" found)
    if(NOT found STREQUAL EDGESLM_PIN_SDIST_SHA256)
        message(FATAL_ERROR
            "${file} is not the pinned llama-cpp-python sdist:\n"
            "  expected SHA-256 ${EDGESLM_PIN_SDIST_SHA256}\n  found            ${found}\n"
            "Delete the file and build again. If the pin was moved, put the new hash into runtime/native/pin.toml.")
    endif()
endfunction()

# Unpacks the sdist below `folder` once and sets `variable` to its root.
function(edgeslm_unpack_sdist file folder variable)
    set(root "${folder}/llama_cpp_python-${EDGESLM_PIN_VERSION}")
    if(NOT EXISTS "${root}/.unpacked-${EDGESLM_PIN_SDIST_SHA256}")
        message(STATUS "unpacking ${file}")
        file(REMOVE_RECURSE "${root}")
        file(ARCHIVE_EXTRACT INPUT "${file}" DESTINATION "${folder}")
        file(TOUCH "${root}/.unpacked-${EDGESLM_PIN_SDIST_SHA256}")
    endif()
    set(${variable} "${root}" PARENT_SCOPE)
endfunction()

foreach(key version sdist sdist_sha256 llama_cpp_version)
    edgeslm_read_pin(${key})
endforeach()

include(apply-patches)
if(LLAMA_CPP_SOURCE_DIR)
    if(NOT EXISTS "${LLAMA_CPP_SOURCE_DIR}/vendor/llama.cpp/CMakeLists.txt")
        message(FATAL_ERROR
            "LLAMA_CPP_SOURCE_DIR=${LLAMA_CPP_SOURCE_DIR} holds no vendor/llama.cpp: "
            "it must be an unpacked llama-cpp-python source distribution, the bindings beside the library.")
    endif()
    set(LLAMA_CPP_PYTHON_DIR "${LLAMA_CPP_SOURCE_DIR}")
    set(EDGESLM_PATCHES_SHA256 "none, LLAMA_CPP_SOURCE_DIR was given")
    set(EDGESLM_PATCHES "")
else()
    set(sdist "${LLAMA_CPP_SDIST}")
    if(NOT sdist)
        edgeslm_fetch_sdist("${EDGESLM_DOWNLOAD_DIR}")
        set(sdist "${EDGESLM_DOWNLOAD_DIR}/${EDGESLM_PIN_SDIST}")
    endif()
    edgeslm_check_sdist("${sdist}")
    edgeslm_unpack_sdist("${sdist}" "${PROJECT_BINARY_DIR}/source" LLAMA_CPP_PYTHON_DIR)
    edgeslm_apply_patches("${EDGESLM_PATCH_DIR}" "${LLAMA_CPP_PYTHON_DIR}" "${sdist}")
    edgeslm_hash_patches("${EDGESLM_PATCH_DIR}" EDGESLM_PATCHES_SHA256)
endif()
