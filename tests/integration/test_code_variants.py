"""From source files to the table of variants: a tiny code model is trained, pruned, converted and compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeslm.errors import ModelError
from edgeslm_bench.compare_variants import code_quality, compare, read_variants, to_markdown
from edgeslm_bench.measure_model import Load
from edgeslm_convert.codemodel.corpus import is_held_out
from edgeslm_convert.codemodel.train import make_model, read_recipe, train_code_model
from edgeslm_convert.gguf import converter_script
from edgeslm_convert.plan import make_plan, prepare
from edgeslm_convert.recipe import read_recipe as read_variants_recipe
from edgeslm_convert.run import convert
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.share.tie import ShareSettings, share

ROOT = Path(__file__).resolve().parents[2]
_MODULE = '''def pick_{name}(things, price):
    """Pick the things that cost at most that price."""
    found = []
    for thing in things:
        if thing.price <= price:
            found.append(thing)
    return found
'''
_TRAINING = """
[model]
layers = 2
width = 64
heads = 2
ffn = 256
vocabulary = 320
context = 512
[training]
steps = 60
batch = 4
sequence = 64
rate = 5e-3
"""
_VARIANTS = """
name = "tiny"
[source]
checkpoint = "trained/model"
pre_tokenizer = "starcoder"
[calibration]
files = ["trained/training.txt"]
tokens = 512
[evaluation]
files = ["trained/held-out.txt"]
tokens = 512
[output]
types = ["Q8_0"]
[accept]
mean_kl = 1.0
[[step]]
kind = "zeroed"
amount = 0.15
method = "l2_rows"
[[step]]
kind = "prune_depth"
layers = [1]
[[variant]]
name = "base"
[[variant]]
name = "zeroed"
steps = ["zeroed"]
[[variant]]
name = "depth"
steps = ["prune_depth"]
"""


def test_the_variants_that_ship_fit_the_code_model_and_the_pruned_ones_are_40_percent_smaller(tmp_path: Path) -> None:
    shape, training = read_recipe(ROOT / "models/code/recipe.toml")
    make_model(shape, training.seed).config.save_pretrained(tmp_path)
    wrong: list[str] = []
    recipe = read_variants_recipe(ROOT / "models/code/variants.toml", wrong)
    assert wrong == []
    assert recipe is not None
    plan = make_plan(recipe, ModelShape.from_config(tmp_path))
    ratios = {name: stages[-1].shape.parameters() / plan.source.parameters() for name, stages in plan.variants.items()}
    assert ratios["base"] == ratios["zeroed-l1"] == ratios["zeroed-rows"] == 1
    assert max(ratios[name] for name in ("width", "depth-distilled", "width-distilled")) <= 0.6


@pytest.mark.parametrize(
    ("name", "variants"),
    [
        ("exit", ["base", "exit"]),
        ("shared", ["base", "pairs", "pairs-healed", "middle-healed"]),
    ],
)
def test_the_recipes_for_exits_and_shared_layers_fit_the_code_model(
    tmp_path: Path, name: str, variants: list[str]
) -> None:
    shape, training = read_recipe(ROOT / "models/code/recipe.toml")
    make_model(shape, training.seed).config.save_pretrained(tmp_path)
    wrong: list[str] = []
    recipe = read_variants_recipe(ROOT / f"models/code/{name}.toml", wrong)
    assert wrong == []
    assert recipe is not None
    assert list(make_plan(recipe, ModelShape.from_config(tmp_path)).variants) == variants


def test_the_shared_code_model_stores_at_most_60_percent_of_its_layers(tmp_path: Path) -> None:
    shape, training = read_recipe(ROOT / "models/code/recipe.toml")
    recipe = read_variants_recipe(ROOT / "models/code/shared.toml", [])
    assert recipe is not None
    for step in recipe.steps:
        if isinstance(step.settings, ShareSettings):
            report = share(make_model(shape, training.seed), step.settings)
            assert report.layer_parameters_after <= 0.6 * report.layer_parameters_before


def test_a_tiny_code_model_goes_all_the_way_to_the_table(tmp_path: Path) -> None:
    try:
        converter_script()
    except ModelError as error:
        pytest.skip(f"no converter here: {error}")
    library = tmp_path / "library"
    library.mkdir()
    for number in range(40):
        (library / f"module{number}.py").write_text(_MODULE.format(name="abcdefgh"[number % 8] * (1 + number // 8)))
    assert any(is_held_out(path.stem) for path in library.iterdir())
    (tmp_path / "recipe.toml").write_text(_TRAINING)
    (tmp_path / "variants.toml").write_text(_VARIANTS)
    train_code_model(tmp_path / "recipe.toml", tmp_path / "trained", library=library)
    plan, source = prepare(tmp_path / "variants.toml")
    convert(plan, source, tmp_path / "out")
    files = read_variants(tmp_path / "out")
    assert [file.name for file in files] == [
        f"{variant} {kind}" for variant in ("base", "zeroed", "depth") for kind in ("f16", "q8_0")
    ]
    load = Load(prompt_tokens=8, new_tokens=8, rounds=1, threads=1)
    rows = compare(files, code_quality(4, library), load)
    base, zeroed, depth = rows[0], rows[2], rows[4]
    assert base.total > 0
    assert zeroed.file.parameters == base.file.parameters > depth.file.parameters
    assert zeroed.file.perplexity is not None
    assert base.file.perplexity is not None
    assert base.file.perplexity < zeroed.file.perplexity
    assert to_markdown(rows).count("\n") == len(rows) + 1
