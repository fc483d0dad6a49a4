"""Choosing types under a byte budget: little harm, no byte too many; sizes are read as people write them."""

from __future__ import annotations

import itertools
import random

import pytest

pytest.importorskip("gguf", reason="the conversion room needs the extra `convert`")

from edgeslm.errors import InputError, ModelError
from edgeslm_convert.quantize.budget import choose, lower_hull, parse_bytes
from edgeslm_convert.quantize.sensitivity import Group


def group(name: str, **types: tuple[int, float]) -> Group:
    """A group with `type=(bytes, harm)`."""
    sizes = {kind: size for kind, (size, _) in types.items()}
    return Group(name, (), sizes, {kind: harm for kind, (_, harm) in types.items()})


def cost(groups: list[Group], choice: dict[str, str]) -> tuple[int, float]:
    """Bytes and harm of a choice."""
    return (
        sum(one.bytes[choice[one.name]] for one in groups),
        sum(one.harm[choice[one.name]] for one in groups),
    )


def random_groups(seed: int, count: int = 5) -> list[Group]:
    draws = random.Random(seed)
    groups = []
    for index in range(count):
        weights, mind = draws.randrange(1000, 9000), draws.random() ** 3
        types = {
            f"t{bits}": (weights * bits // 8, mind * 4.0**-bits * draws.uniform(0.5, 2)) for bits in (2, 3, 4, 6, 8)
        }
        groups.append(group(f"g{index}", **types))
    return groups


def test_bits_go_to_the_tensor_that_minds() -> None:
    groups = [
        group("minds", small=(100, 1.0), large=(200, 0.1)),
        group("bears", small=(100, 0.01), large=(200, 0.001)),
    ]
    assert choose(groups, 300) == {"minds": "large", "bears": "small"}


@pytest.mark.parametrize("seed", range(20))
def test_the_choice_keeps_the_budget_and_is_nearly_the_best_of_all(seed: int) -> None:
    groups = random_groups(seed)
    least = sum(min(one.bytes.values()) for one in groups)
    most = sum(max(one.bytes.values()) for one in groups)
    budget = least + (most - least) * (seed % 5 + 1) // 6
    size, harm = cost(groups, choose(groups, budget))
    assert size <= budget
    every = (
        dict(zip((one.name for one in groups), kinds, strict=True))
        for kinds in itertools.product(*map(lower_hull, groups))
    )
    costs = [cost(groups, choice) for choice in every]
    best = min(harm for size, harm in costs if size <= budget)
    # Greedy misses at most one step: it is not worse than the best choice of a budget smaller by the largest tensor.
    largest = max(max(one.bytes.values()) - min(one.bytes.values()) for one in groups)
    bound = min((harm for size, harm in costs if size <= budget - largest), default=costs[0][1])
    assert best <= harm <= bound + 1e-12


def test_a_budget_that_no_choice_keeps_is_refused_with_the_least_that_is_needed() -> None:
    with pytest.raises(ModelError, match="its smallest types take 200 bytes and 150 are left"):
        choose([group("a", small=(100, 1.0)), group("b", small=(100, 1.0))], 150)


def test_a_type_that_is_larger_and_no_better_is_never_worth_having() -> None:
    one = group("a", small=(100, 1.0), worse=(150, 1.5), dull=(180, 0.9), large=(200, 0.1))
    assert lower_hull(one) == ["small", "large"]


def test_what_is_left_over_is_spent() -> None:
    one = group("a", small=(100, 1.0), dull=(180, 0.9), large=(200, 0.1))
    assert choose([one], 190) == {"a": "dull"}


@pytest.mark.parametrize(
    ("text", "size"),
    [("3.2MB", 3_200_000), ("900 kB", 900_000), ("4MiB", 4 << 20), ("123456", 123_456), ("1e6", 10**6)],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-3MB", "3 parsecs", "0", "inf MB", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no size"):
        parse_bytes(text)
