"""The engine on tiny random models: grammar binds the output, greedy is deterministic, the limits hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeslm.engine import Model
from edgeslm.errors import ModelError
from tiny_models import write_tiny_llama

COUNT_GRAMMAR = 'root ::= "SELECT count(*) FROM logs WHERE V" [1-3]'


@pytest.fixture(scope="module")
def model(tiny_llama: Path) -> Iterator[Model]:
    with Model(tiny_llama) as loaded:
        yield loaded


def test_context_is_no_longer_than_the_model_was_trained_for(model: Model) -> None:
    assert (model.train_context, model.n_ctx) == (512, 512)


def test_metadata_and_name_come_from_the_file(model: Model) -> None:
    assert model.name == "tiny"
    assert model.metadata["general.architecture"] == "llama"


def test_text_survives_tokenize_and_detokenize(model: Model) -> None:
    assert model.detokenize(model.tokenize("SELECT ünïcode 🙂 V1")).strip() == "SELECT ünïcode 🙂 V1"


def test_special_tokens_are_parsed_only_when_asked(model: Model) -> None:
    assert model.tokenize("</s>", add_special=False)[-1] == 2
    assert 2 not in model.tokenize("</s>", add_special=False, parse_special=False)


def test_greedy_text_is_the_same_every_time_whatever_was_asked_before(model: Model) -> None:
    first = model.complete("the log", max_tokens=24)
    model.complete("something else", max_tokens=5)
    again = model.complete("the log", max_tokens=24)
    assert (again.text, again.tokens, again.logprobs) == (first.text, first.tokens, first.logprobs)


def test_grammar_binds_every_character(model: Model) -> None:
    done = model.complete("the log", grammar=COUNT_GRAMMAR)
    assert re.fullmatch(r"SELECT count\(\*\) FROM logs WHERE V[1-3]", done.text)
    assert done.finished


def test_a_choice_under_a_grammar_is_the_models_own_most_likely_one(model: Model) -> None:
    likely = {letter: model.complete("the log", grammar=f'root ::= "{letter}"').logprobs[0] for letter in "abcdefgh"}
    bound = model.complete("the log", grammar="root ::= [a-h]")
    assert bound.text == max(likely, key=likely.__getitem__)
    assert bound.logprobs[0] == max(likely.values())


def test_logprobs_are_those_of_the_whole_vocabulary(model: Model) -> None:
    done = model.complete("the log", max_tokens=8)
    assert len(done.logprobs) == len(done.tokens) == done.completion_tokens
    assert all(-30 < value <= 0 and math.isfinite(value) for value in done.logprobs)
    bound = model.complete("the log", grammar='root ::= "yes"')
    assert sum(bound.logprobs) < -1  # certain under the grammar, unlikely for the model


def test_generation_stops_before_a_stop_text(model: Model) -> None:
    done = model.complete("x", grammar='root ::= "SELECT V1;SELECT V2"', stop=[";"])
    assert (done.text, done.finished) == ("SELECT V1", True)


def test_max_tokens_bounds_the_text_and_says_it_is_unfinished(model: Model) -> None:
    done = model.complete("x", grammar='root ::= "a"{40}', max_tokens=7)
    assert (done.text, done.completion_tokens, done.finished) == ("a" * 7, 7, False)


def test_a_drawn_text_depends_on_the_seed_alone(model: Model) -> None:
    grammar = "root ::= [a-z]{12}"
    drawn = [model.complete("x", grammar=grammar, temperature=2.0, seed=seed).text for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_reused_prefix_gives_the_same_text(tiny_llama: Path, model: Model) -> None:
    prompt = "the log " * 12
    with Model(tiny_llama, reuse_prefix=True) as reusing:
        reusing.complete(prompt + "first", grammar=COUNT_GRAMMAR)
        again = reusing.complete(prompt + "second", grammar=COUNT_GRAMMAR)
    assert again.text == model.complete(prompt + "second", grammar=COUNT_GRAMMAR).text


def test_a_prompt_longer_than_one_batch_is_read_whole(tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "long.gguf", context=2048)
    with Model(path) as long:
        done = long.complete("a" * 1500, grammar='root ::= "yes" | "no"')
    assert done.prompt_tokens > 1500
    assert done.text in ("yes", "no")


def test_a_prompt_that_does_not_fit_is_refused(model: Model) -> None:
    with pytest.raises(ModelError) as caught:
        model.complete("a" * 600)
    assert str(caught.value) == (
        "the prompt does not fit tiny\n"
        "  because it has 602 tokens and the context holds 512\n"
        "  hint: shorten the question, or use a model with a longer context"
    )


def test_a_full_context_ends_the_text_unfinished(model: Model) -> None:
    done = model.complete("a" * 500, grammar='root ::= "a"{100}', max_tokens=100)
    assert not done.finished
    assert done.prompt_tokens + done.completion_tokens <= 512


def test_a_grammar_that_is_not_gbnf_is_refused(model: Model, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="the grammar is not valid GBNF"):
        model.complete("x", grammar="root ::= (")
    capfd.readouterr()  # llama.cpp's parser prints to stderr


def test_chat_prompt_is_plain_text_without_a_template(model: Model) -> None:
    assert model.chat_prompt("Be brief.", "Hello") == "Be brief.\n\nHello\n"


def test_chat_prompt_follows_the_template_of_the_file(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n'}}{% endfor %}"
    )
    with Model(write_tiny_llama(tmp_path / "chat.gguf", chat_template=template)) as chat:
        prompt = chat.chat_prompt("Be brief.", "Hello é")
    assert prompt == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello é<|im_end|>\n<|im_start|>assistant\n"
    )


def test_nothing_is_printed_while_a_model_works(tiny_llama: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Model(tiny_llama) as quiet:
        quiet.complete("x", max_tokens=2)
    assert capfd.readouterr() == ("", "")
