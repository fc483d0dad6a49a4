"""A recipe is read, everything wrong with it is told in one error, and its plan costs no weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from click.testing import CliRunner

from edgeslm.errors import InputError, ModelError
from edgeslm_convert import cli
from edgeslm_convert.plan import Plan, prepare
from edgeslm_convert.step_kinds import KINDS, kind
from tiny_checkpoints import write_checkpoint

GOOD = """
[source]
checkpoint = "hf"
[calibration]
files = ["words.txt"]
[training]
data = "logs"
path = "words.txt"
[evaluation]
files = ["words.txt"]
sequence = 64
[[step]]
kind = "prune_depth"
keep = 2
[[step]]
kind = "prune_width"
name = "narrow"
ffn = 96
[[step]]
kind = "distill"
steps = 10
[[variant]]
name = "base"
[[variant]]
name = "pruned"
steps = ["prune_depth", "narrow"]
[[variant]]
name = "pruned+distilled"
steps = ["prune_depth", "narrow", "distill"]
[output]
types = ["f16", "Q4_0"]
[accept]
mean_kl = 0.5
[accept.Q4_0]
top1 = 0.8
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint without its weights, and a text."""
    folder = tmp_path_factory.mktemp("recipes")
    write_checkpoint("llama", folder / "hf")
    (folder / "hf" / "model.safetensors").unlink()
    (folder / "words.txt").write_text("some words\n")
    return folder


def plan(folder: Path, text: str, *, source: str | None = None) -> Plan:
    path = folder / "small.toml"
    path.write_text(text)
    return prepare(path, source=source)[0]


def offenders(folder: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        plan(folder, text)
    assert caught.value.message.startswith(f"the recipe {folder / 'small.toml'} cannot be followed: ")
    return caught.value.reason.split("; ")


def test_a_recipe_is_read_with_its_defaults(folder: Path) -> None:
    recipe = plan(folder, GOOD).recipe
    assert recipe.name == "small"
    assert [step.name for step in recipe.steps] == ["prune_depth", "narrow", "distill"]
    assert (recipe.bounds("f16").mean_kl, recipe.bounds("f16").top1) == (0.5, None)
    assert (recipe.bounds("q4_0").mean_kl, recipe.bounds("q4_0").top1) == (0.5, 0.8)
    assert recipe.evaluation is not None
    assert (recipe.evaluation.tokens, recipe.evaluation.sequence) == (65536, 64)


def test_a_recipe_without_variants_makes_one_of_all_steps(folder: Path) -> None:
    text = GOOD[: GOOD.index("[[variant]]")] + GOOD[GOOD.index("[output]") :]
    (variant,) = plan(folder, text).recipe.variants
    assert (variant.name, variant.steps) == ("small", ("prune_depth", "narrow", "distill"))


def test_everything_that_is_wrong_is_told_at_once(folder: Path) -> None:
    text = """
title = "x"
[source]
checkpoint = "hf"
reversion = "a"
[calibration]
tokens = 0
[[step]]
kind = "prune_dept"
[[step]]
kind = "prune_width"
ffn = "many"
hiden = 4
[[step]]
name = "a/b"
kind = "prune_depth"
keep = 9
[[variant]]
name = "Big One"
steps = ["prune_width"]
extra = 1
[output]
types = ["q4_9", "IQ2_XS"]
imatrix = 1
[accept]
mean_kl = "low"
[accept.q4_1]
top = 0.9
"""
    found = offenders(folder, text)
    for beginning in (
        "unknown section [title]",
        "[source]: unknown key 'reversion'",
        "[calibration]: tokens is 0, at least 2",
        "[calibration]: give either files or data",
        f"step 1: kind is 'prune_dept', not one of {', '.join(KINDS)}",
        "step 2 (prune_width): unknown key 'hiden'",
        "step 2 (prune_width): ffn is 'many', not a whole number",
        "step 3: name is 'a/b', not a name",
        "variant 1: unknown key 'extra'",
        "variant 1: name is 'Big One', not a name",
        "[output]: no type 'q4_9'",
        "[output]: imatrix is 1, not true or false",
        "[output]: IQ2_XS cannot be made without imatrix = true",
        "[accept]: mean_kl is 'low', not a number",
        "[accept.q4_1]: unknown key 'top'",
        "[accept.q4_1]: q4_1 is no output type",
    ):
        assert [line for line in found if line.startswith(beginning)], beginning


def test_each_step_is_checked_on_the_shape_that_the_steps_before_it_leave(folder: Path) -> None:
    text = GOOD.replace("keep = 2", "keep = 7").replace("ffn = 96", "ffn = 200\nkv_heads = 3")
    found = offenders(folder, text)
    assert "step prune_depth: cannot keep 7 of 3 layers" in found
    assert any(line.startswith("step narrow: ffn = 200 is not within 1 and the 160") for line in found)
    assert any(line.startswith("step narrow: kv_heads = 3 is not within 1 and the 2") for line in found)
    wide = '[[step]]\nkind = "prune_width"\nname = "wide"\nffn = 128\n'
    twice = GOOD.replace('"prune_depth", "narrow"]', '"narrow", "wide"]') + wide
    assert offenders(folder, twice) == ["step wide: ffn = 128 is not within 1 and the 96 that are there"]


def test_types_whose_blocks_do_not_fit_are_told_for_the_shape_that_is_left(folder: Path) -> None:
    found = offenders(folder, GOOD.replace('"Q4_0"]', '"q4_k_m"]').replace("[accept.Q4_0]", "[accept.q4_k_m]"))
    assert "variant pruned: blk.0 to blk.1 ffn_down.weight: rows of 96 do not fit the blocks of 256 of q4_k_m" in found
    assert "variant base: blk.0 to blk.2 ffn_down.weight: rows of 160 do not fit the blocks of 256 of q4_k_m" in found


@pytest.mark.parametrize(
    ("before", "after", "offender"),
    [
        ('[training]\ndata = "logs"\npath = "words.txt"\n', "", "step distill: needs a [training] text"),
        ('path = "words.txt"', "", "[training]: data = 'logs' needs a path"),
        ('data = "logs"', 'data = "novels"', "[training]: there is no data set 'novels'"),
        ('steps = ["prune_depth", "narrow"]', 'steps = ["width"]', "variant pruned: there is no step 'width'"),
        ('name = "pruned"\n', 'name = "base"\n', "2 variants are called 'base'"),
        (', "distill"]', "]", "step distill is in no variant"),
        ("mean_kl = 0.5", "max_perplexity_ratio = 1.1", ""),
        ("steps = 10", "steps = 0", "step distill: steps is 0, at least 1"),
        ("steps = 10", "steps = 10\nbatch = 0", "step distill: batch is 0, at least 1"),
    ],
)
def test_one_thing_that_is_wrong_is_told_alone(folder: Path, before: str, after: str, offender: str) -> None:
    assert before in GOOD
    text = GOOD.replace(before, after)
    if not offender:
        plan(folder, text)
        text, offender = (
            text.replace('[evaluation]\nfiles = ["words.txt"]\nsequence = 64\n', ""),
            "[accept]: max_perplexity_ratio needs",
        )
    assert [line[: len(offender)] for line in offenders(folder, text)] == [offender]


def test_texts_and_names_that_steps_need_are_told_for_every_step(folder: Path) -> None:
    assert offenders(folder, GOOD.replace('[calibration]\nfiles = ["words.txt"]\n', "")) == [
        "step prune_depth: needs a [calibration] text",
        "step narrow: needs a [calibration] text",
    ]
    assert offenders(folder, GOOD.replace('name = "narrow"', 'name = "prune_depth"')) == [
        "2 steps are called 'prune_depth': give each a name of its own",
        "variant pruned: there is no step 'narrow'",
        "variant pruned+distilled: there is no step 'narrow'",
    ]


def test_a_file_that_is_not_toml_or_not_there_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match="is not TOML"):
        plan(folder, "[source")
    with pytest.raises(InputError, match="cannot read the recipe"):
        prepare(folder / "none.toml")


def test_a_checkpoint_that_is_neither_folder_nor_hub_id_is_refused(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        plan(folder, GOOD.replace('"hf"', '"nothing-here"'))
    assert caught.value.message == "no checkpoint at nothing-here"


def test_another_source_can_be_named(folder: Path, tmp_path: Path) -> None:
    write_checkpoint("llama", tmp_path / "other", num_hidden_layers=5)
    assert plan(folder, GOOD, source=str(tmp_path / "other")).source.n_layer == 5


def test_openelm_can_be_converted_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    write_checkpoint("openelm", tmp_path / "openelm")
    head = f'[source]\ncheckpoint = "{tmp_path / "openelm"}"\n[output]\ntypes = ["q8_0"]\n'
    assert list(plan(folder, head).variants) == ["small"]
    texts = '[calibration]\nfiles = ["words.txt"]\n[training]\nfiles = ["words.txt"]\n'
    kinds = {"prune_depth": "keep = 2", "prune_width": "ffn = 32", "prune_vocab": "", "distill": "", "zeroed": ""}
    steps = "".join(f'[[step]]\nkind = "{name}"\n{more}\n' for name, more in kinds.items())
    found = offenders(folder, head + texts + steps)
    for name in kinds:
        assert [line for line in found if line.startswith(f"step {name}: openelm: transformers has no class for it")]


def test_a_dry_run_prints_every_step_of_every_variant_and_reads_no_weight(folder: Path) -> None:
    (folder / "small.toml").write_text(GOOD)
    result = CliRunner().invoke(cli.convert, [str(folder / "small.toml"), "--dry-run", "--context", "10"])
    assert result.exception is None
    rows = [line.split() for line in result.output.splitlines()]
    assert [row[0] for row in rows[1:8]] == ["the", "base", *["pruned"] * 2, *["pruned+distilled"] * 3]
    assert rows[0][:4] == ["variant", "after", "layers", "parameters"]
    base = plan(folder, GOOD).source
    assert f"{base.parameters():,}" in result.output
    assert f"{base.bytes('q4_0'):,}" in result.output
    assert "x 0.76" in result.output  # two layers of three
    assert not (Path("build") / "small").exists()


def test_a_run_without_weights_ends_in_an_error(folder: Path, tmp_path: Path) -> None:
    (folder / "small.toml").write_text(GOOD)
    result = CliRunner().invoke(cli.convert, [str(folder / "small.toml"), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, ModelError)
    assert result.exception.message == f"{folder / 'hf'} holds no safetensors"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_step_has_settings_with_docstrings(name: str) -> None:
    found = kind(name)
    assert found.settings.__doc__
    assert found.settings.__dataclass_params__.frozen


MODELS = Path(__file__).resolve().parents[2] / "models"
READY = {
    "tinyllama": (
        {
            "model_type": "llama", "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
            "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": 32000, "max_position_embeddings": 2048,
        },
        {"base": 1.0, "pruned": 0.55, "pruned+distilled": 0.55, "zeroed": 1.0},
    ),
    "tiny_starcoder": (
        {
            "model_type": "gpt_bigcode", "n_embd": 768, "n_layer": 20, "n_head": 12, "n_positions": 8192,
            "vocab_size": 49152,
        },
        {"base": 1.0, "pruned": 0.47, "pruned+distilled": 0.47, "zeroed": 1.0},
    ),
    "openelm": (
        {
            "model_type": "openelm", "model_dim": 1280, "head_dim": 64, "num_transformer_layers": 2,
            "vocab_size": 32000, "max_context_length": 2048, "num_query_heads": [12, 20], "num_kv_heads": [3, 5],
            "ffn_multipliers": [0.5, 4.0], "ffn_dim_divisor": 256,
        },
        {"base": 1.0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READY)
def test_a_ready_recipe_can_be_followed_for_its_model(name: str, tmp_path: Path) -> None:
    config, expected = READY[name]
    (tmp_path / "config.json").write_text(json.dumps(config))
    made, _ = prepare(MODELS / name / "recipe.toml", source=str(tmp_path))
    found = {variant: stages[-1].shape.parameters() for variant, stages in made.variants.items()}
    assert {variant: round(count / made.source.parameters(), 2) for variant, count in found.items()} == expected
    assert {kind for step in made.recipe.steps for kind in [step.kind]} <= set(KINDS)


def test_every_recipe_of_variants_in_models_is_tested() -> None:
    conversions = {path.parent.name for path in MODELS.glob("*/recipe.toml") if "[source]" in path.read_text()}
    assert conversions == set(READY)
