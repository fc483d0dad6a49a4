"""The files of a group: made for every technique, of small models of both shapes, measured, and made once only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from edgeslm.engine import Model
from edgeslm.errors import InputError, ModelError
from edgeslm_bench.exact_shapes import read_shape
from edgeslm_bench.matrix import BASE, Group, Technique
from edgeslm_bench.measure_matrix import Machine, measure_group, to_records
from edgeslm_bench.profiles import Profile
from edgeslm_bench.variants import prepare
from edgeslm_bench.weights_read import weights_of
from edgeslm_convert.gguf import converter_script

SMALL = {
    "tinyllama-1.1b": {
        "hidden_size": 64, "intermediate_size": 352, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 2048, "max_position_embeddings": 256,
    },
    "tiny_starcoder_py": {"n_embd": 64, "n_head": 4, "n_layer": 4, "n_positions": 256, "vocab_size": 2048},
}  # fmt: skip
TECHNIQUES = (
    Technique(BASE),
    Technique("base-gguf-f16"),
    Technique("base-gguf-q8_0", type="Q8_0"),
    Technique("pruned", layers=2),
    Technique("shared", share=2),
    Technique("early-exit", exit_layer=2),
    Technique("low-rank", low_rank=0.7),
    Technique("distilled", layers=3, ffn=160),
    Technique("pruned+quantized", layers=2, type="Q4_0", pure=True),
    Technique("shared+quantized", share=2, type="Q8_0"),
)


def small(name: str, folder: Path) -> Group:
    shape = folder / "shape.json"
    shape.write_text(json.dumps({**read_shape(name), **SMALL[name]}))
    return Group(name, TECHNIQUES, shape=str(shape), prompt_tokens=16, new_tokens=8, base_new_tokens=4, rounds=1)


@pytest.fixture(scope="module", params=list(SMALL))
def group(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Group:
    try:
        converter_script()
    except ModelError as error:
        pytest.skip(str(error))
    return small(request.param, tmp_path_factory.mktemp("group"))


def test_every_technique_gets_its_file_and_a_sound_record(group: Group, tmp_path: Path) -> None:
    said: list[str] = []
    subjects = prepare(group, tmp_path, threads=2, say=said.append)
    assert list(subjects) == [technique.name for technique in TECHNIQUES]
    whole = weights_of(subjects["base-gguf-f16"].path)
    kept = {name: weights_of(one.path, one.exit_layer) for name, one in subjects.items() if not one.dtype}
    for name in ("pruned", "shared", "low-rank", "distilled"):
        assert kept[name].parameters < whole.parameters
        assert subjects[name].file_bytes < subjects["base-gguf-f16"].file_bytes
    assert kept["shared"].bytes_a_token == whole.bytes_a_token
    assert kept["early-exit"].bytes_a_token < whole.bytes_a_token
    for name in ("shared", "low-rank", "distilled", "shared+quantized"):
        with Model(subjects[name].path, n_ctx=64, threads=1) as model:
            assert len(model.complete("ba ce", max_tokens=4, ignore_end=True).tokens) == 4
    assert all(
        stem in " ".join(said) for stem in ("checkpoint", "base", "layers2", "share2", "rank0.7", "layers3-ffn160")
    )
    said.clear()
    assert prepare(group, tmp_path, say=said.append) == subjects
    assert said == []
    machine = Machine(threads=1)
    two = {name: subjects[name] for name in (BASE, "pruned+quantized")}
    chosen = Group(**{**group.__dict__, "techniques": (TECHNIQUES[0], TECHNIQUES[8])})
    base, ours = to_records(measure_group(chosen, two, machine), machine)
    assert base.problems() + ours.problems() == []
    assert "latency for 8 tokens reckoned from 4 written ones" in base.notes
    assert "random weights" in ours.notes
    assert (base.speed_ratio, base.rss_ratio, ours.quality_score) == (1, 1, None)
    assert ours.rss_ratio is not None
    assert ours.rss_ratio < 1
    assert ours.pss_bytes
    assert ours.pss_bytes <= (ours.rss_bytes or 0) * 1.05


def test_what_does_not_fit_a_profile_is_a_record_that_says_so(group: Group, tmp_path: Path) -> None:
    chosen = Group(**{**group.__dict__, "techniques": (TECHNIQUES[0], TECHNIQUES[1])})
    subjects = prepare(chosen, tmp_path)
    machine = Machine(threads=1, profile=Profile("tight", "a tight board", 1, 400, 20))
    base, ours = to_records(measure_group(chosen, subjects, machine), machine)
    assert base.inference_success_pct == 0
    assert "does not run within 400 MiB" in base.notes
    assert base.latency_ms is None
    assert ours.inference_success_pct == 100
    assert ours.samples is not None
    assert ours.samples["load"] == [16, 4, 0]
    assert ours.speed_ratio is None
    without_room = Machine(profile=Profile("small", "a small context", 1, 400, 17))
    with pytest.raises(InputError, match="leave no room in 17"):
        measure_group(chosen, subjects, without_room)
