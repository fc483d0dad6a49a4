"""What a grammar forces is found and read at once, and changes nothing of what is written."""

from __future__ import annotations

import ctypes
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeslm.engine import Model
from edgeslm.engine.choice import Chooser, Forcer, Pace


@pytest.fixture(scope="module")
def model(tiny_llama: Path) -> Iterator[Model]:
    with Model(tiny_llama, n_ctx=256) as model:
        yield model


def forcer(model: Model, grammar: str) -> Forcer:
    vocabulary = model.library.llama.llama_model_get_vocab(model.library.llama.llama_get_model(model.context))
    return Forcer(model.library, vocabulary, grammar, lambda text: model.tokenize(text, add_special=False))


@pytest.mark.parametrize(
    ("grammar", "forced", "is_done"),
    [
        ('root ::= "SELECT " ("a" | "b")', "SELECT ", False),
        ('root ::= "yes"', "yes", False),
        ('root ::= "yes" | "yet"', "ye", False),
        ("root ::= [ab]", "", False),
        ('root ::= [a] "b"', "ab", False),
        ('root ::= [^a] "b"', "", False),
        ('root ::= "a"? "b"', "", False),
        ('root ::= ("ab")+', "ab", False),
        ('root ::= word " " word\nword ::= "é→😀"', "é→😀 é→😀", False),
        ('root ::= ""', "", True),
    ],
)
def test_forced_text_goes_as_far_as_there_is_no_choice(model: Model, grammar: str, forced: str, is_done: bool) -> None:
    found = forcer(model, grammar)
    assert (found.text(), found.is_done) == (forced, is_done)
    found.close()


def test_forced_text_follows_what_was_chosen(model: Model) -> None:
    found = forcer(model, 'root ::= ("ab" | "cd") "ef"')
    assert found.text() == ""
    found.accept(model.tokenize("c", add_special=False)[-1])
    assert (found.text(), found.is_done) == ("def", False)
    found.close()


def test_endless_repetition_is_cut(model: Model) -> None:
    found = forcer(model, 'root ::= "a" root')
    assert 400 < len(found.text()) <= 512
    found.close()


@pytest.mark.parametrize(
    "grammar",
    [
        'root ::= "SELECT count FROM logs WHERE " ("a" | "b") " = V1"',
        'root ::= ("yes " | "no ")+ "the end of it"',
        'root ::= "the log"',
        'root ::= [a-z]{3} " FROM logs " [0-9]{2}',
    ],
)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_forced_tokens_change_nothing(
    model: Model, monkeypatch: pytest.MonkeyPatch, grammar: str, temperature: float
) -> None:
    steps = []
    decode = Model._decode_tokens

    def count(self: Model, tokens: list[int], outputs: int = 1) -> None:
        steps.append(len(tokens))
        decode(self, tokens, outputs)

    monkeypatch.setattr(Model, "_decode_tokens", count)
    monkeypatch.setattr(Pace, "most", lambda self, forced: forced)
    fast = model.complete("the log", grammar=grammar, max_tokens=60, temperature=temperature, seed=3)
    fast_steps = len(steps)
    steps.clear()
    monkeypatch.setattr(Forcer, "tokens", lambda *_: [])
    slow = model.complete("the log", grammar=grammar, max_tokens=60, temperature=temperature, seed=3)
    assert (fast.text, fast.tokens, fast.finished) == (slow.text, slow.tokens, slow.finished)
    assert fast.logprobs == pytest.approx(slow.logprobs, abs=1e-3)
    assert fast_steps <= len(steps)


def test_forced_tokens_are_read_at_once(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []
    decode = Model._decode_tokens

    def note(self: Model, tokens: list[int], outputs: int = 1) -> None:
        batches.append(len(tokens))
        decode(self, tokens, outputs)

    monkeypatch.setattr(Model, "_decode_tokens", note)
    monkeypatch.setattr(Pace, "most", lambda self, forced: forced)
    done = model.complete("the log", grammar='root ::= [ab] "cdefghij"', max_tokens=60)
    assert done.text[1:] == "cdefghij"
    assert len(batches) < len(done.tokens)


def paced(cost_of_four: float) -> Pace:
    """After three plain steps, and four batches of one token with three forced ones."""
    pace = Pace()
    for _ in range(3):
        pace.note(0, 0, 1.0)
    for _ in range(4):
        pace.note(3, 3, cost_of_four)
        pace.note(0, 0, 1.0)
    return pace


def test_nothing_is_read_in_batches_before_the_time_of_a_token_is_known() -> None:
    assert Pace().most(15) == 0


def test_batches_stop_where_they_are_slower_than_single_tokens() -> None:
    assert paced(5.0).most(3) == 0
    assert paced(2.0).most(3) == 3


def test_batches_stop_where_the_model_splits_forced_text_in_its_own_way() -> None:
    pace = paced(2.0)
    for _ in range(12):
        pace.note(3, 0, 2.0)
    assert pace.most(3) == 0


@pytest.mark.parametrize("temperature", [0.7, 2.0])
@pytest.mark.parametrize(
    "grammar",
    ["root ::= [a-h]", 'root ::= "a" | "the" | "log"', 'root ::= "x" | "é"'],  # hundreds of tokens are refused
)
def test_drawn_tokens_have_the_shares_that_the_grammar_leaves_them(
    model: Model, grammar: str, temperature: float
) -> None:
    draws = 3000
    model.complete("the log", max_tokens=1)  # leaves the logits of the token after the prompt
    llama = model.library.llama
    vocabulary = llama.llama_model_get_vocab(llama.llama_get_model(model.context))
    sampler = llama.llama_sampler_init_grammar(vocabulary, grammar.encode(), b"root")
    size = llama.llama_vocab_n_tokens(vocabulary)
    logits = [llama.llama_get_logits_ith(model.context, -1)[token] for token in range(size)]
    allowed = {token for token in range(size) if is_allowed(model, sampler, token)}
    weights = {token: math.exp((logits[token] - max(logits)) / temperature) for token in allowed}
    counts: Counter[int] = Counter()
    for seed in range(draws):
        start = llama.llama_sampler_clone(sampler)
        chooser = Chooser(model.library, model.context, "m", temperature=temperature, seed=seed, grammar=start)
        counts[chooser.choose(-1)[0]] += 1
        llama.llama_sampler_free(start)
    llama.llama_sampler_free(sampler)
    assert 1 < len(allowed) < size / 2
    assert set(counts) <= allowed
    for token, weight in weights.items():
        share = weight / sum(weights.values())
        assert abs(counts[token] / draws - share) < 5 * math.sqrt(share * (1 - share) / draws) + 1e-3


def is_allowed(model: Model, sampler: Any, token: int) -> bool:
    llama = model.library.llama
    single = (llama.llama_token_data * 1)(llama.llama_token_data(token, 0.0, 0.0))
    candidates = llama.llama_token_data_array(single, 1, -1, False)
    llama.llama_sampler_apply(sampler, ctypes.byref(candidates))
    return bool(single[0].logit == 0.0)
