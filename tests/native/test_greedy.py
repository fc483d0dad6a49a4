"""The most likely token of each entry of a batch, and its lead, are those that a look at all logits finds."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from edgeslm.generate import Decoder
from tiny_models import write_tiny_llama


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decoder]:
    with Decoder(write_tiny_llama(tmp_path_factory.mktemp("greedy") / "model.gguf"), n_ctx=64, threads=1) as decoder:
        yield decoder


def logits(decoder: Decoder, entry: int) -> ctypes.Array[ctypes.c_float]:
    """The library's own memory: what is written there is what it looks at."""
    llama = decoder.model.library.llama
    size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(llama.llama_get_model(decoder.model.context)))
    found = llama.llama_get_logits_ith(decoder.model.context, entry)
    return ctypes.cast(found, ctypes.POINTER(ctypes.c_float * size)).contents


@pytest.fixture
def entries(decoder: Decoder) -> list[ctypes.Array[ctypes.c_float]]:
    decoder.keep(0)
    decoder.read([5, 60, 300, 17], outputs=4)
    return [logits(decoder, entry) for entry in range(4)]


def test_every_entry_of_a_batch_is_looked_at_whole(decoder: Decoder, entries: list[ctypes.Array]) -> None:
    tokens, margins = decoder.best(0, 4)
    for entry, token, margin in zip(entries, tokens, margins, strict=True):
        first, second = sorted(entry, reverse=True)[:2]
        assert token == list(entry).index(first)
        assert margin == pytest.approx(first - second, abs=1e-6)


@pytest.mark.parametrize("places", [(0, 1), (3, 255), (255, 256), (10, 300), (300, 10), (256, -1), (-1, 0)])
def test_the_two_highest_are_found_wherever_they_stand(
    decoder: Decoder, entries: list[ctypes.Array], places: tuple[int, int]
) -> None:
    entries[2][places[0]], entries[2][places[1]] = 1000.0, 999.5
    tokens, margins = decoder.best(2, 1)
    assert (tokens, margins) == ([places[0] % len(entries[2])], [0.5])


@pytest.mark.parametrize("places", [(7, 8), (7, 300)])
def test_of_equals_the_first_is_taken_and_leads_by_nothing(
    decoder: Decoder, entries: list[ctypes.Array], places: tuple[int, int]
) -> None:
    entries[1][places[0]] = entries[1][places[1]] = 1000.0
    assert decoder.best(1, 1) == ([places[0]], [0.0])


def test_what_is_not_a_number_is_never_the_highest(decoder: Decoder, entries: list[ctypes.Array]) -> None:
    entries[0][4] = float("nan")
    entries[0][290] = 1000.0
    assert decoder.best(0, 1)[0] == [290]
