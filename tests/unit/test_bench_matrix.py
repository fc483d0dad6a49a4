"""The matrix file: the one that ships can be followed; one that cannot is told all that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeslm.errors import InputError
from edgeslm_bench.matrix import BASE, read_matrix
from edgeslm_bench.quick import quickened
from edgeslm_bench.variants import Structure

MATRIX = Path(__file__).resolve().parents[2] / "bench" / "benchmarks" / "matrix.toml"
WRONG = """
[group.a-model]
shape = "none"
model = "x.gguf"
rounds = 0
colour = 3

[[group.a-model.technique]]
name = "pruned"

[[group.a-model.technique]]
name = "squeezed+quantized"
type = "F16"
low_rank = 2
layers = -1
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "matrix.toml"
    path.write_text(text)
    return path


def test_the_matrix_that_ships_can_be_followed_and_covers_every_technique() -> None:
    matrix = read_matrix(MATRIX)
    assert [group.name for group in matrix.groups] == [
        "log-model", "tinyllama-1.1b", "tiny_starcoder_py", "code-model",
    ]  # fmt: skip
    for group in matrix.groups[1:3]:
        parts = {part for technique in group.techniques for part in technique.name.split("+")}
        assert {"pruned", "shared", "early-exit", "low-rank", "distilled", "quantized", BASE} <= parts
        assert group.weights == "random"
    assert matrix.groups[0].is_there
    assert matrix.groups[0].weights == "trained"


def test_everything_wrong_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be followed") as caught:
        read_matrix(write(tmp_path, WRONG))
    assert caught.value.reason.split("; ") == [
        "a-model, pruned: pruned needs layers or ffn or variant",
        "a-model, squeezed+quantized: no technique 'squeezed'",
        "a-model, squeezed+quantized: layers is -1, a whole number from 1 on",
        "a-model, squeezed+quantized: low_rank is 2, between 0 and 1",
        "a-model, squeezed+quantized: F16 is not quantized",
        "a-model: colour is not known",
        "a-model: no such group, there are tinyllama-1.1b, tiny_starcoder_py, log-model, code-model",
        "a-model: says shape and model, one of shape, model, conversion is needed",
        "a-model: no shape none, there are tiny_starcoder_py, tinyllama-1.1b",
        "a-model: its first technique must be base-transformers-fp32, which all others are compared with",
        "a-model: rounds is 0, at least 1",
    ]


@pytest.mark.parametrize("text", ["", "group = 3", "[other]\nx = 1", "not toml"])
def test_what_is_no_matrix_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="the matrix"):
        read_matrix(write(tmp_path, text))


def test_groups_are_chosen_by_name_and_unknown_ones_refused() -> None:
    matrix = read_matrix(MATRIX)
    assert [group.name for group in matrix.only(("tiny_starcoder_py",)).groups] == ["tiny_starcoder_py"]
    assert matrix.only(()).groups == matrix.groups
    with pytest.raises(InputError, match="no group tiny in"):
        matrix.only(("tiny",))


def test_the_short_version_leaves_no_technique_out() -> None:
    matrix = read_matrix(MATRIX)
    for group, short in zip(matrix.groups, quickened(matrix).groups, strict=True):
        assert short.techniques == group.techniques
        assert short.base_new_tokens <= short.new_tokens <= 96
        assert short.rounds <= 4


def test_techniques_of_one_structure_share_their_f16() -> None:
    group = read_matrix(MATRIX).only(("tinyllama-1.1b",)).groups[0]
    of = {technique.name: Structure.of(technique) for technique in group.techniques}
    assert of["quantized"] == of["early-exit"] == of["base-gguf-f16"]
    assert of["base-gguf-f16"].is_base
    assert of["pruned"] == of["pruned+quantized"]
    assert (of["pruned"].stem, of["distilled"].stem) == ("layers11", "layers16-ffn3328")
