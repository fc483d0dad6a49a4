"""Quantizing tiny random models with llama.cpp: what is planned is what is written, importance and sensitivity pay."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("numpy", reason="the conversion room needs the extra `convert`")
pytest.importorskip("gguf", reason="the conversion room needs the extra `convert`")

import numpy
from click.testing import CliRunner

from edgeslm.errors import InputError, ModelError
from edgeslm_convert.quantize import (
    ImportanceMatrix,
    Reference,
    collect,
    perplexity,
    quantize,
    quantize_to_size,
    read_sequences,
)
from edgeslm_convert.quantize import cli as commands
from edgeslm_convert.quantize.file_types import default_tensor_type, file_types
from edgeslm_convert.quantize.ggml import read_tensors, tensor_type
from edgeslm_convert.quantize.imatrix import Entry, load
from edgeslm_convert.quantize.plan import make_plan
from edgeslm_convert.quantize.request import EVERY_OTHER, Request
from skewed_model import write_skewed_llama
from tiny_models import write_tiny_llama

DOWN = "blk.0.ffn_down.weight"
# llama.cpp makes tables for these that take 7 to 14 s: they are planned, not written.
LONG_TO_BEGIN = ("IQ1_M", "IQ1_S", "IQ2_M")
TEXT = "the log COUNT logs yes V1 no SELECT the count FROM logs " * 60


def sequences(seed: int, count: int = 2, length: int = 64) -> list[list[int]]:
    draws = random.Random(seed)
    return [[1, *(draws.randrange(3, 360) for _ in range(length - 1))] for _ in range(count)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_skewed_llama(tmp_path_factory.mktemp("skewed") / "f16.gguf")


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImportanceMatrix]:
    """One layer with rows of 256, and its importance matrix: some types take long to write."""
    path = tmp_path_factory.mktemp("flat") / "flat.gguf"
    write_tiny_llama(path, layers=1, width=256, heads=4, kv_heads=1, feed_forward=256)
    return path, collect(path, sequences(1, 1, 16), threads=1)


@pytest.fixture(scope="module")
def matrix(model: Path) -> ImportanceMatrix:
    return collect(model, sequences(1), datasets=["made.txt"], threads=1)


@pytest.fixture(scope="module")
def reference(model: Path) -> Reference:
    return Reference(model, sequences(2), threads=1)


@pytest.mark.parametrize("kind", list(file_types()))
def test_every_file_type_of_the_pin_is_written_as_planned(
    kind: str, flat: tuple[Path, ImportanceMatrix], tmp_path: Path
) -> None:
    source, matrix = flat
    plan = make_plan(source, Request(kind, matrix))
    if kind != "MXFP4_MOE":  # for experts only
        assert default_tensor_type(kind) in plan.types.values()
    if kind in LONG_TO_BEGIN:
        return
    done = quantize(source, tmp_path / "out.gguf", kind, imatrix=matrix)
    written = read_tensors(done.path)
    assert {tensor.name: tensor.type for tensor in written.tensors} == plan.types
    assert done.path.stat().st_size <= plan.file_bytes <= done.path.stat().st_size + 96


def test_more_bits_are_nearer_to_the_source(model: Path, reference: Reference, tmp_path: Path) -> None:
    found = [
        reference.compare(quantize(model, tmp_path / "out.gguf", kind).path).mean_kl
        for kind in ("F16", "Q8_0", "Q6_K", "Q4_K_S", "Q2_K")
    ]
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found == sorted(found)
    assert found[-1] > 100 * found[1]


@pytest.mark.parametrize("kind", ["Q2_K", "Q3_K_S", "IQ3_S"])
def test_an_importance_matrix_brings_low_types_nearer(
    kind: str, model: Path, matrix: ImportanceMatrix, reference: Reference, tmp_path: Path
) -> None:
    blind = reference.compare(quantize(model, tmp_path / "a.gguf", kind).path).mean_kl
    seeing = reference.compare(quantize(model, tmp_path / "b.gguf", kind, imatrix=matrix).path).mean_kl
    assert seeing < 0.9 * blind


def test_a_matrix_of_swapped_columns_makes_it_worse(
    model: Path, matrix: ImportanceMatrix, reference: Reference, tmp_path: Path
) -> None:
    entries = {name: Entry(entry.sums[:, ::-1].copy(), entry.counts) for name, entry in matrix.entries.items()}
    wrong = replace(matrix, entries=entries)
    right = reference.compare(quantize(model, tmp_path / "a.gguf", "IQ2_XS", imatrix=matrix).path).mean_kl
    worse = reference.compare(quantize(model, tmp_path / "b.gguf", "IQ2_XS", imatrix=wrong).path).mean_kl
    assert worse > 1.2 * right


def test_the_matrix_holds_mean_squares_of_what_each_weight_is_multiplied_with(tmp_path: Path) -> None:
    """Against the definition: what goes into attention of the first layer is the normalised embedding."""
    path = write_tiny_llama(tmp_path / "tiny.gguf")
    tokens = [1, 270, 300, 290]
    import gguf

    tensors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(path).tensors}
    rows = tensors["token_embd.weight"][tokens].astype(float)
    normalised = rows / numpy.sqrt((rows**2).mean(-1, keepdims=True) + 1e-5) * tensors["blk.0.attn_norm.weight"]
    found = collect(path, [tokens[:2], tokens[2:]], threads=1).entries
    for name in ("blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"):
        assert found[name].counts.tolist() == [4]
        numpy.testing.assert_allclose(found[name].mean_squares()[0], (normalised**2).mean(0), rtol=1e-3)
    weights = {tensor.name for tensor in read_tensors(path).tensors if "norm" not in tensor.name}
    assert found.keys() == weights - {"token_embd.weight"}  # looked up, not multiplied with


def test_a_matrix_file_gives_the_matrix_back(matrix: ImportanceMatrix, tmp_path: Path) -> None:
    again = load(matrix.save(tmp_path / "im.gguf"))
    assert (again.chunks, again.chunk_tokens, list(again.datasets)) == (2, 64, ["made.txt"])
    assert again.entries.keys() == matrix.entries.keys()
    for name, entry in matrix.entries.items():
        numpy.testing.assert_array_equal(again.entries[name].sums, entry.sums)
        numpy.testing.assert_array_equal(again.entries[name].counts, entry.counts)
    assert list(tmp_path.iterdir()) == [tmp_path / "im.gguf"]


def test_a_matrix_of_another_model_is_refused_with_every_misfit(model: Path, tmp_path: Path) -> None:
    other = collect(write_tiny_llama(tmp_path / "t.gguf", layers=3), sequences(1, 1, 16), threads=1)
    with pytest.raises(ModelError, match="does not fit") as caught:
        quantize(model, tmp_path / "out.gguf", "Q4_0", imatrix=other)
    assert "blk.2.ffn_up.weight is not in the model" in caught.value.reason
    assert "blk.0.ffn_up.weight has rows of 256, the matrix has 64 columns" in caught.value.reason
    assert not (tmp_path / "out.gguf").exists()


def test_a_model_is_no_importance_matrix(model: Path) -> None:
    with pytest.raises(ModelError, match="holds no importance matrix"):
        load(model)


def test_types_that_need_a_matrix_name_every_tensor_without_one(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="need an importance matrix") as caught:
        quantize(model, tmp_path / "out.gguf", "IQ2_XXS")
    assert caught.value.reason.count("blk.") == 12  # attn_v is q2_K in this mixture
    assert list(tmp_path.iterdir()) == []


def test_rows_that_fit_no_block_are_named_before_the_work(tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "tiny.gguf")  # rows of 64 and 96
    plan = make_plan(path, Request("Q4_K_S"))
    named = {fallback.name for fallback in plan.fallbacks}
    quantized = {tensor.name for tensor in plan.changed}
    assert named == quantized - {"output.weight"}  # for which the mixture itself takes q8_0
    (down,) = [fallback.to_text() for fallback in plan.fallbacks if fallback.name == DOWN]
    assert down == f"{DOWN}: rows of 96 are no multiple of 256: q5_0 instead of q4_K"
    with pytest.raises(ModelError, match="as asked") as caught:
        quantize(path, tmp_path / "out.gguf", "Q4_K_S", strict=True)
    assert all(name in caught.value.reason for name in named)
    assert not (tmp_path / "out.gguf").exists()
    done = quantize(path, tmp_path / "out.gguf", "Q4_K_S")
    assert done.fallbacks == plan.fallbacks
    assert done.types[DOWN] == "q5_0"


def test_overrides_give_single_tensors_their_own_type(model: Path, tmp_path: Path) -> None:
    done = quantize(model, tmp_path / "out.gguf", "Q4_0", overrides={DOWN: "q8_0", EVERY_OTHER: "f16"})
    assert {name for name, kind in done.types.items() if kind == "q8_0"} == {DOWN}
    assert set(done.types.values()) == {"q8_0", "f16", "f32"}


def test_every_wrong_override_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="in this way") as caught:
        quantize(model, tmp_path / "out.gguf", "Q4_0", overrides={"blk.9.x": "q8_0", DOWN: "q9_X"})
    assert caught.value.reason == "blk.9.x is not a tensor of it; no such tensor type: q9_X"


def test_what_is_quantized_is_not_quantized_again_unless_asked(model: Path, tmp_path: Path) -> None:
    once = quantize(model, tmp_path / "once.gguf", "Q8_0").path
    with pytest.raises(ModelError, match="again") as caught:
        quantize(once, tmp_path / "twice.gguf", "Q4_0")
    assert caught.value.reason.count("is q8_0") == 16
    assert quantize(once, tmp_path / "twice.gguf", "Q4_0", requantize=True).path.is_file()


def test_a_size_is_kept_and_the_mixture_beats_every_file_type_of_that_size(
    model: Path, matrix: ImportanceMatrix, reference: Reference, tmp_path: Path
) -> None:
    target = 640_000
    fitted = quantize_to_size(
        model, tmp_path / "out.gguf", target, reference, imatrix=matrix, candidates=("q2_K", "q5_K")
    )
    assert 0.9 * target < (tmp_path / "out.gguf").stat().st_size == fitted.quantized.file_bytes <= target
    assert fitted.chosen == "by sensitivity"
    others = [one for one in fitted.considered if one.name != fitted.chosen]
    assert len(others) == 2
    assert all(one.file_bytes <= target for one in others)
    # Not of those alone that it measured itself: a file type that is larger than the target is not as near either.
    larger = quantize(model, tmp_path / "larger.gguf", "Q3_K_S", imatrix=matrix)
    assert larger.file_bytes > target
    others_kl = [one.divergence.mean_kl for one in others] + [reference.compare(larger.path).mean_kl]
    assert reference.compare(tmp_path / "out.gguf").mean_kl == pytest.approx(fitted.divergence.mean_kl)
    assert fitted.divergence.mean_kl < 0.9 * min(others_kl)
    # The second layer's feed-forward adds little, and got the fewest bits; the first's did not.
    harm = {group.name: group.harm["q2_K"] for group in fitted.groups}
    assert harm["blk.1.ffn_down.weight"] < 0.1 * harm[DOWN]
    assert fitted.quantized.types["blk.1.ffn_down.weight"] == "q2_K"
    assert fitted.quantized.types["output.weight"] == "q5_K"


def test_a_size_that_cannot_be_kept_is_refused_before_anything_is_measured(
    model: Path, reference: Reference, tmp_path: Path
) -> None:
    def never(name: str, done: int, of: int) -> None:
        pytest.fail("it measured")

    with pytest.raises(ModelError, match="cannot be made as small as 100,000 bytes"):
        quantize_to_size(model, tmp_path / "out.gguf", 100_000, reference, progress=never)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_source_and_a_full_disk_leave_nothing(model: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(model.read_bytes()[:200_000])
    with pytest.raises(ModelError):
        quantize(cut, tmp_path / "out.gguf", "Q4_0")
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from edgeslm_convert.quantize import quantize\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "quantize(Path(sys.argv[1]), Path(sys.argv[2]), 'Q8_0')\n"
    )
    assert resource.RLIMIT_FSIZE is not None
    assert signal.SIGXFSZ
    done = subprocess.run(
        [sys.executable, "-c", code, str(model), str(tmp_path / "out.gguf")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "see if the disk is full" in done.stderr
    assert list(tmp_path.iterdir()) == [cut]


def test_the_source_is_not_written_over(model: Path) -> None:
    before = model.read_bytes()
    with pytest.raises(ModelError, match="onto itself"):
        quantize(model, model, "Q4_0")
    assert model.read_bytes() == before


def test_a_text_is_cut_into_pieces_that_begin_as_the_model_wants(model: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    pieces = read_sequences(model, [text], chunk=32, limit=100)
    assert [len(piece) for piece in pieces] == [32, 32, 32]  # 31 of the text and BOS; 7 left are too few
    assert all(piece[0] == 1 for piece in pieces)
    whole = read_sequences(model, [text], chunk=512)[0][1:]
    assert [token for piece in pieces for token in piece[1:]] == whole[:93]
    later = read_sequences(model, [text], chunk=32, limit=31, skip=31)
    assert later == pieces[1:2]
    text.write_text("a")
    with pytest.raises(InputError, match="too little text"):
        read_sequences(model, [text])


def test_the_command_quantizes_by_a_text_and_prints_what_it_cost(model: Path, tmp_path: Path) -> None:
    text, out, kept = tmp_path / "text.txt", tmp_path / "out.gguf", tmp_path / "im.gguf"
    text.write_text(TEXT)
    options = ["--type", "IQ3_XXS", "--calibration", str(text), "--tokens", "256", "--measure-tokens", "128"]
    done = CliRunner().invoke(
        commands.quantize, [str(model), str(out), *options, "--chunk", "64", "--save-imatrix", str(kept)]
    )
    assert done.exception is None, done.output
    assert f"{out}: {out.stat().st_size:,} bytes" in done.output
    assert "| out.gguf |" in done.output
    assert "| f16.gguf |" in done.output
    assert len(load(kept).entries) == 15
    again = CliRunner().invoke(
        commands.quantize, [str(model), str(tmp_path / "again.gguf"), "--type", "IQ3_XXS", "--imatrix", str(kept)]
    )
    assert again.exception is None
    assert (tmp_path / "again.gguf").read_bytes() == out.read_bytes()


def test_the_command_fits_a_size(model: Path, tmp_path: Path) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "out.gguf"
    text.write_text(TEXT)
    options = ["--target-bytes", "700kB", "--candidates", "q2_K,q4_K", "--group", "layer", "--no-imatrix"]
    measure = ["--calibration", str(text), "--tokens", "64", "--measure-tokens", "64", "--chunk", "64"]
    done = CliRunner().invoke(commands.quantize, [str(model), str(out), *options, *measure])
    assert done.exception is None, done.output
    assert out.stat().st_size <= 700_000
    assert "most sensitive, mean KL at its worst type: " in done.output


def test_the_command_names_every_contradiction(model: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out.gguf")
    done = CliRunner().invoke(commands.quantize, [str(model), out, "--target-bytes", "1MB", "--type", "Q4_0", "--pure"])
    assert isinstance(done.exception, InputError)
    assert done.exception.reason == (
        "give either --type or --target-bytes; --target-bytes needs --calibration to measure on; "
        "--target-bytes chooses every type itself: leave out --tensor-type, --pure and --dry-run"
    )


def test_a_dry_run_says_what_would_become_of_each_tensor_and_writes_nothing(model: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(commands.quantize, [str(model), str(tmp_path / "o.gguf"), "--type", "Q4_0", "--dry-run"])
    assert f"{DOWN}: f16 -> q4_0" in done.output
    assert list(tmp_path.iterdir()) == []


def test_perplexity_prints_a_row_a_model(model: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    small = quantize(model, tmp_path / "q8.gguf", "Q8_0").path
    done = CliRunner().invoke(
        commands.perplexity, [str(small), "--against", str(model), "--text", str(text), "--tokens", "128"]
    )
    assert done.exception is None, done.output
    assert [line.split(" | ")[0] for line in done.output.split("\n")[2:4]] == ["| f16.gguf", "| q8.gguf"]


def test_ggml_names_its_own_types() -> None:
    assert (tensor_type("Q4_K").block, tensor_type("q4_k").bits) == (256, 4.5)
    with pytest.raises(ModelError, match="no such tensor type"):
        tensor_type("q4_Z")


def test_each_expert_has_its_own_importance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four experts, two a token: every matrix sees its own rows only, and quantizing by them works."""
    import tiny_models

    plain = tiny_models._tensor_shapes

    def with_experts(*arguments: int) -> dict[str, tuple[int, ...]]:
        shapes = {}
        for name, shape in plain(*arguments).items():
            expert = name.endswith(("ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"))
            shapes[name.replace(".weight", "_exps.weight") if expert else name] = (4, *shape) if expert else shape
            if name.endswith("ffn_norm.weight"):
                shapes[name.replace("ffn_norm", "ffn_gate_inp")] = (4, shape[0])
        return shapes

    monkeypatch.setattr(tiny_models, "_tensor_shapes", with_experts)
    counts = {"llama.expert_count": 4, "llama.expert_used_count": 2}
    path = write_tiny_llama(tmp_path / "experts.gguf", width=256, feed_forward=256, layers=1, metadata=counts)
    matrix = collect(path, sequences(1, 2, 32), threads=1)
    for name in ("blk.0.ffn_up_exps.weight", "blk.0.ffn_down_exps.weight"):
        entry = matrix.entries[name]
        assert entry.sums.shape == (4, 256)
        assert entry.counts.sum() == 2 * 64
        assert (entry.counts > 0).all()
        assert len({tuple(row) for row in entry.mean_squares()}) == 4
    assert matrix.entries["blk.0.ffn_gate_inp.weight"].counts.tolist() == [64]
    found = Reference(path, sequences(2, 1, 32), threads=1)
    near = found.compare(quantize(path, tmp_path / "q8.gguf", "Q8_0", imatrix=matrix).path)
    far = found.compare(quantize(path, tmp_path / "q4.gguf", "Q4_K_S", imatrix=matrix).path)
    assert 0 < 5 * near.mean_kl < far.mean_kl


def test_an_encoder_is_measured_by_its_embeddings(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")
    from edgeslm_convert.gguf import converter_script, to_gguf
    from tiny_checkpoints import pre_tokenizer, write_checkpoint

    try:
        converter_script()
    except ModelError as error:
        pytest.skip(str(error))
    folder = write_checkpoint("bert", tmp_path / "bert")
    path = to_gguf(folder, tmp_path / "bert.gguf", pre_tokenizer=pre_tokenizer("bert"))
    (tmp_path / "text.txt").write_text("the log of errors counts lines from hosts " * 20)
    pieces = read_sequences(path, [tmp_path / "text.txt"], chunk=32)
    assert {(piece[0], piece[-1]) for piece in pieces} == {(101, 102)}  # [CLS] and [SEP] by their usual ids
    matrix = collect(path, pieces, threads=1)
    assert "blk.0.attn_q.weight" in matrix.entries
    found = Reference(path, pieces, threads=1)
    near = found.compare(quantize(path, tmp_path / "q8.gguf", "Q8_0", imatrix=matrix).path)
    far = found.compare(quantize(path, tmp_path / "q4.gguf", "Q4_0", imatrix=matrix).path)
    assert (near.top1, near.perplexity) == (None, None)
    assert 0 < 5 * near.mean_kl < far.mean_kl < 0.1
    with pytest.raises(ModelError, match="has no perplexity"):
        perplexity(path, pieces)
