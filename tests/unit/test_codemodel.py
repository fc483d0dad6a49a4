"""The code model: which modules are held out, how it is trained, and what counts as a completion that parses."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

from edgeslm.errors import InputError
from edgeslm_convert.codemodel.corpus import SourceFile, is_held_out, library_files
from edgeslm_convert.codemodel.measure import parses, prompts
from edgeslm_convert.codemodel.tokenizer import END, train_tokenizer
from edgeslm_convert.codemodel.train import CodeShape, make_model, pack, read_recipe, sequences, train_code_model

_MODULE = '''"""A module."""


class Shop:
    def sell(self, thing, price):
        """Sell a thing."""
        if thing in self.stock:
            self.stock.remove(thing)
            self.money += price
            return True
        return False

    def short(self):
        return 1


def count(things):
    total = 0
    for thing in things:
        total += thing.size
        if total > 100:
            break
    return total
'''


def _held_out_name() -> str:
    return next(name for number in range(1000) if is_held_out(name := f"module{number}"))


def _library(folder: Path) -> Path:
    for number in range(40):
        (folder / f"module{number}.py").write_text(_MODULE.replace("Shop", f"Shop{number}"))
    for left_out in ("test", "idlelib", "site-packages"):
        (folder / left_out).mkdir()
        (folder / left_out / "thing.py").write_text(_MODULE)
    return folder


def test_the_library_is_read_without_its_tests_and_other_peoples_packages(tmp_path: Path) -> None:
    files = list(library_files(_library(tmp_path)))
    assert {file.path for file in files} == {f"module{number}.py" for number in range(40)}
    assert {file.held_out for file in files} == {True, False}


def test_a_module_is_on_the_same_side_wherever_the_library_lies(tmp_path: Path) -> None:
    sides = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        sides.append([(file.path, file.held_out) for file in library_files(_library(tmp_path / name))])
    assert sides[0] == sides[1]


def test_a_folder_without_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Python source in"):
        list(library_files(tmp_path))


def test_prompts_are_signature_and_docstring_of_held_out_functions_that_are_long_enough() -> None:
    name = _held_out_name()
    unseen = next(other for number in range(1000) if not is_held_out(other := f"seen{number}"))
    found = prompts([SourceFile("a.py", name, _MODULE), SourceFile("b.py", unseen, _MODULE.replace("count", "no"))], 9)
    assert sorted(found) == [
        "def count(things):\n    total = 0",
        'def sell(self, thing, price):\n    """Sell a thing."""',
    ]


@pytest.mark.parametrize(
    ("completion", "finished", "right"),
    [
        ("\n    return total\n", True, True),
        ("\n    return total\n\nprint(", True, True),  # cut where the block ends
        ("\n    return (total\n", True, False),
        ("\n    for thing in things:\n", True, False),
        ("\n    return total\n    if tot", False, True),  # a torn last line
        ("\n    return (tot", False, False),
        ("\n    # nothing\n", True, False),
        ("", True, False),
        ("\n", True, False),
        ("  # of things\n    return total\n", True, True),  # the prompt's last line goes on
        (" +\n    return total\n", True, False),
        ("\n    return total\n    if total:\n        retur", False, True),  # torn with the head of its block
        ("\n    if total:\n        retur", False, False),
        ("\n    if total:\n", True, False),
        ("\nreturn total\n", True, False),
        ("\n    x = 'a\n    return x\n", True, False),
    ],
)
def test_a_completion_counts_if_the_block_has_code_and_parses(completion: str, finished: bool, right: bool) -> None:
    assert parses("def count(things):\n    total = 0", completion, finished=finished) is right


def test_the_tokenizer_reads_any_text_back_and_keeps_digits_apart(tmp_path: Path) -> None:
    tokenizer = train_tokenizer([_MODULE] * 3, tmp_path, vocabulary=320)
    text = "def f(x):\n        return x[123] + 'ü'\n"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert len(tokenizer.tokenize("4711")) == 4


def test_packed_files_begin_with_the_end_token_and_are_cut_evenly(tmp_path: Path) -> None:
    tokenizer = train_tokenizer([_MODULE], tmp_path, vocabulary=300)
    row = pack(["x = 1\n", "y = 2\n"], tokenizer)
    end = tokenizer.convert_tokens_to_ids(END)
    assert row[0] == end
    assert (row == end).sum() == 2
    assert [len(piece) for piece in sequences(row, 3, offset=1)] == [3] * ((len(row) - 1) // 3)


def test_the_model_has_the_shape_that_the_recipe_says() -> None:
    shape, training = read_recipe(Path(__file__).parents[2] / "models/code/recipe.toml")
    parameters = sum(weight.numel() for weight in make_model(shape, 1).parameters())
    assert 5_000_000 <= parameters <= 15_000_000
    assert training.divergence == 0
    assert training.cross_entropy == 1


def test_a_small_library_is_learnt_and_the_checkpoint_holds_model_and_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    library = _library(tmp_path / "library")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        "[model]\nlayers = 1\nwidth = 32\nheads = 2\nffn = 64\nvocabulary = 320\ncontext = 64\n"
        "[training]\nsteps = 30\nbatch = 8\nsequence = 48\nrate = 1e-2\n"
    )
    report = train_code_model(recipe, tmp_path / "out", library=library)
    assert report.after["held_out_perplexity"] < 0.3 * report.before["held_out_perplexity"]
    assert (tmp_path / "out/model/model.safetensors").is_file()
    assert (tmp_path / "out/model/tokenizer.json").is_file()
    ast.parse((tmp_path / "out/training.txt").read_text())
    with pytest.raises(InputError, match=r"unknown key 'layer'.*sequence is 600, more than the context, 512"):
        read_recipe(_wrong(tmp_path))


def _wrong(folder: Path) -> Path:
    (folder / "wrong.toml").write_text("[model]\nlayer = 3\n[training]\nsequence = 600\n")
    return folder / "wrong.toml"


def test_a_models_weights_depend_on_the_seed() -> None:
    shape = CodeShape(layers=1, width=32, heads=2, ffn=64, vocabulary=64, context=32)
    one, same, other = (make_model(shape, seed).transformer.wte.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
