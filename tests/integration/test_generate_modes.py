"""Text from every lossless mode is the text of plain decoding; exits, limits and switches do what they say."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from edgeslm.engine.costs import Costs
from edgeslm.engine.ledger import Ledger
from edgeslm.engine.memory import Plan
from edgeslm.errors import InputError, ModelError
from edgeslm.generate import Decoder, Settings
from edgeslm.generate.drafts import Drafter, LookupDrafter, SelfDrafter
from edgeslm.generate.generator import run
from edgeslm.generate.modes import ConfidentExit, Mode, Plain, Speculative
from tiny_models import write_tiny_llama
from tiny_starcoder import write_tiny_starcoder

LAYERS = 4
WORDS = ["the", "log", "SELECT", "count", "FROM", "logs", "V1", "yes", "no", "error 42", "10.0.0.7"]
# A machine on which drafting always pays, and one on which it never does.
ALWAYS = Costs({2: 1.0, 16: 1.01}, dict.fromkeys(range(1, LAYERS), 0.01))
NEVER = Costs({2: 2.0, 16: 16.0}, dict.fromkeys(range(1, LAYERS), 0.9))


class Unbounded(Ledger):
    """Lets a mode try whatever its estimates promise: these tests are of what it writes, not of how fast."""

    plain = property(lambda self: 0.0, lambda self, value: None)

    def affords(self, risk: float) -> bool:
        return True

    @property
    def is_known(self) -> bool:
        return True


@pytest.fixture(scope="module", params=["llama", "starcoder"])
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decoder]:
    path = tmp_path_factory.mktemp("generate") / "model.gguf"
    write = write_tiny_llama if request.param == "llama" else write_tiny_starcoder
    with Decoder(write(path, layers=LAYERS), n_ctx=256, threads=1) as decoder:
        yield decoder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def prompts(count: int) -> list[str]:
    draws = random.Random(7)
    return [" ".join(draws.choices(WORDS, k=draws.randint(1, 12))) for _ in range(count)]


def start(decoder: Decoder, prompt: str) -> int:
    """Read the prompt anew; the first token after it."""
    decoder.keep(0)
    tokens = decoder.model.tokenize(prompt)
    decoder.read(tokens)
    return decoder.best(len(tokens) - 1, 1)[0][0]


def write(decoder: Decoder, mode: Mode, first: int, count: int = 24) -> list[int]:
    written = [first]
    while len(written) < count:
        written += mode.step(written[-1], count - len(written))
    return written


def drafter(decoder: Decoder, kind: str, costs: Costs) -> Drafter:
    return LookupDrafter(decoder) if kind == "lookup" else SelfDrafter(decoder, 2, costs)


def test_a_plain_step_is_reading_and_choosing_in_one_call(decoder: Decoder) -> None:
    token = start(decoder, "the log")
    held = len(decoder.tokens)
    stepped = [token]
    for _ in range(12):
        stepped.append(decoder.next(stepped[-1]))
    assert decoder.tokens[held:] == stepped[:-1]
    decoder.keep(held)
    for one, following in pairwise(stepped):
        decoder.read([one])
        assert decoder.best(0, 1)[0] == [following]
    while decoder.room:
        decoder.next(token)
    with pytest.raises(ModelError, match="could not be run"):
        decoder.next(token)
    assert decoder.room == 0
    decoder.model.library.take_log()


@pytest.mark.parametrize("kind", ["lookup", "self"])
@pytest.mark.parametrize("costs", [ALWAYS, NEVER], ids=["pays", "never pays"])
def test_drafted_text_is_plain_text(decoder: Decoder, kind: str, costs: Costs) -> None:
    drafted = 0
    for prompt in prompts(12):
        plain = write(decoder, Plain(decoder), start(decoder, prompt))
        first = start(decoder, prompt)
        free = kind == "lookup"
        mode = Speculative(decoder, drafter(decoder, kind, costs), costs, free_trials=free, ledger=Unbounded())
        assert write(decoder, mode, first) == plain
        drafted += mode.tally.drafted
    assert (drafted > 0) == (costs is ALWAYS)


def test_the_cache_holds_all_but_the_last_token_after_each_step(decoder: Decoder) -> None:
    first = start(decoder, "the log the log the")
    held = list(decoder.tokens)
    mode = Speculative(decoder, SelfDrafter(decoder, 3, ALWAYS), ALWAYS, free_trials=False, ledger=Unbounded())
    written = [first]
    for _ in range(6):
        written += mode.step(written[-1], 50)
        assert decoder.tokens == held + written[:-1]
        assert decoder.exit_layer == 0


def test_an_exit_that_is_never_sure_writes_plain_text(decoder: Decoder) -> None:
    for prompt in prompts(4):
        plain = write(decoder, Plain(decoder), start(decoder, prompt))
        first = start(decoder, prompt)
        assert write(decoder, ConfidentExit(decoder, 2, 1.0, NEVER, Unbounded()), first) == plain


def test_an_exit_that_is_always_sure_writes_the_text_of_a_fixed_exit_on_the_same_prompt(decoder: Decoder) -> None:
    first = start(decoder, "SELECT count FROM")
    mode = ConfidentExit(decoder, 2, 1e-9, ALWAYS, Unbounded())
    found = write(decoder, mode, first)
    start(decoder, "SELECT count FROM")
    decoder.exit_layer = 2
    assert write(decoder, Plain(decoder), first) == found
    decoder.exit_layer = 0
    assert mode.tally.early == len(found) - 1


def test_layers_that_a_confident_exit_left_out_are_made_up_for_before_a_full_step(decoder: Decoder) -> None:
    """After tokens that left early, full steps go on as after full decoding of the same text."""
    for prompt in prompts(6):
        first = start(decoder, prompt)
        mode = ConfidentExit(decoder, 1, 1e-9, ALWAYS, Unbounded())
        written = write(decoder, mode, first, 12)
        mode._confidence = 1.1  # from now on never sure
        early = len(written)
        while len(written) < early + 6:
            written += mode.step(written[-1], 1)
        text = decoder.model.tokenize(prompt) + written[:early]
        decoder.keep(0)
        decoder.read(text)
        second = decoder.best(len(text) - 1, 1)[0][0]
        assert write(decoder, Plain(decoder), second, 6) == written[early:]


def test_a_mode_that_does_not_pay_says_so_and_stops_drafting(decoder: Decoder) -> None:
    first = start(decoder, "the log")
    mode = Speculative(decoder, SelfDrafter(decoder, 1, NEVER), NEVER, free_trials=False, ledger=Unbounded())
    write(decoder, mode, first, 40)
    assert mode.tally.drafted == 0
    assert mode.tally.switched_off.startswith("drafts were right ")
    assert mode.tally.switched_off.endswith("of the time, too seldom to pay here")


@pytest.mark.parametrize("settings", [
    Settings(max_tokens=16, ignore_end=True),
    Settings(max_tokens=16, ignore_end=True, speculate="lookup"),
    Settings(max_tokens=16, ignore_end=True, speculate="self"),
    Settings(max_tokens=16, ignore_end=True, speculate="self", exit_layer=1),
], ids=["plain", "lookup", "self", "self at 1"])  # fmt: skip
def test_run_writes_the_same_in_every_lossless_mode(decoder: Decoder, settings: Settings) -> None:
    plain = run(decoder, "the log of", Settings(max_tokens=16, ignore_end=True), Plan(256))
    done = run(decoder, "the log of", settings, Plan(256))
    assert (done.tokens, done.text) == (plain.tokens, plain.text)
    assert len(done.tokens) == 16


def test_text_ends_where_the_context_is_full(decoder: Decoder) -> None:
    for speculate in (None, "lookup", "self"):
        settings = Settings(max_tokens=1000, ignore_end=True, speculate=speculate)
        done = run(decoder, "the log " * 25, settings, Plan(256))
        assert not done.finished
        assert done.prompt_tokens + len(done.tokens) == decoder.model.n_ctx


def test_a_prefix_comes_from_the_cache_the_second_time_and_changes_nothing(decoder: Decoder) -> None:
    settings = Settings(max_tokens=8, ignore_end=True, prefix="SELECT count FROM logs the log ")
    first = run(decoder, "error 42", settings, Plan(256))
    second = run(decoder, "error 42", settings, Plan(256))
    whole = run(decoder, settings.prefix + "error 42", Settings(max_tokens=8, ignore_end=True), Plan(256))
    assert (first.prefix_cached, second.prefix_cached) == (False, True)
    assert first.tokens == second.tokens == whole.tokens


def test_a_damaged_prefix_is_not_used(decoder: Decoder, tmp_path: Path) -> None:
    settings = Settings(max_tokens=8, ignore_end=True, prefix="SELECT count FROM logs the log ")
    first = run(decoder, "error 42", settings, Plan(256))
    (entry,) = (tmp_path / "cache/edgeslm").glob("*.kv")
    data = bytearray(entry.read_bytes())
    data[-100] ^= 1
    entry.write_bytes(data)
    again = run(decoder, "error 42", settings, Plan(256))
    assert (again.prefix_cached, again.tokens) == (False, first.tokens)


def test_what_is_kept_is_private(decoder: Decoder, tmp_path: Path) -> None:
    run(decoder, "error 42", Settings(max_tokens=4, prefix="SELECT count FROM "), Plan(256))
    folder = tmp_path / "cache/edgeslm"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (Settings(speculate="lookup", exit_layer=2), "drafts looked up in the text need no exit layer"),
        (Settings(speculate="self", exit_confidence=0.5), "drafting and leaving early exclude each other"),
        (Settings(exit_confidence=1.5), "a confidence is at least 0 (the model's own) and at most 1"),
        (Settings(max_tokens=0), "at least one token must be allowed"),
        (Settings(speculate="luck"), "there is no way to speculate called luck"),
    ],
)
def test_settings_that_contradict_one_another_are_named(settings: Settings, reason: str) -> None:
    assert settings.problems() == [reason]


def test_an_exit_layer_that_is_not_there_is_refused(decoder: Decoder) -> None:
    with pytest.raises(InputError) as caught:
        run(decoder, "the log", Settings(exit_layer=5), Plan(256))
    assert str(caught.value) == "there is no exit layer 5\n  because the model has layers 1 to 4"


@pytest.mark.parametrize("named", ["0", "5", "-1", "two"])
def test_an_exit_layer_that_the_file_names_and_does_not_have_is_refused(tmp_path: Path, named: str) -> None:
    path = write_tiny_llama(tmp_path / "bad.gguf", layers=LAYERS, metadata={"edgeslm.exit.layer": named})
    with Decoder(path, n_ctx=64, threads=1) as decoder:
        with pytest.raises(ModelError) as caught:
            run(decoder, "the log", Settings(speculate="self"), Plan(64))
        assert f"edgeslm.exit.layer is {named}, the model has layers 1 to 4" in str(caught.value)
