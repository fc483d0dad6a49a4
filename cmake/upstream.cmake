# llama.cpp and its bindings as the pinned sdist has them, without our patches and our C++: tests load a converted file
# with them (`make test-upstream`). Leaves lib/ and bindings/ in the build folder and installs nothing. The target
# llama-bench, built only when asked for (`make llama-bench`), leaves bin/llama-bench: what `edgeslm bench` compares with.

set(BUILD_SHARED_LIBS ON)
set(CMAKE_PLATFORM_NO_VERSIONED_SONAME ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(LLAMA_BUILD_NUMBER 0)
set(LLAMA_BUILD_COMMIT "llama-cpp-python-${EDGESLM_PIN_VERSION}")
set(LLAMA_BUILD_COMMON ON)
set(LLAMA_BUILD_TOOLS ON)
set(LLAMA_BUILD_APP OFF)
set(LLAMA_OPENSSL OFF)
set(ENV{GIT_CEILING_DIRECTORIES} "${LLAMA_CPP_PYTHON_DIR}/vendor:${LLAMA_CPP_PYTHON_DIR}/vendor/llama.cpp")
add_subdirectory("${LLAMA_CPP_PYTHON_DIR}/vendor/llama.cpp" "${PROJECT_BINARY_DIR}/llama.cpp" EXCLUDE_FROM_ALL)

set(libraries llama ggml ggml-base ggml-cpu)
set_target_properties(${libraries} PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib" INSTALL_RPATH "$ORIGIN" BUILD_WITH_INSTALL_RPATH ON)
set_target_properties(llama-bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set_target_properties(llama-bench-impl llama-common PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
add_custom_target(edgeslm_upstream ALL DEPENDS ${libraries})

set(stage "${PROJECT_BINARY_DIR}/bindings")
include(stage-bindings)
