"""Continues a prompt greedily in the mode asked for, and says what it did and what it cost.

It refuses to draw: every mode but the exits writes exactly what plain greedy decoding writes.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgeslm.engine.cores import default_threads
from edgeslm.engine.costs import Costs
from edgeslm.engine.memory import ModelSize, Plan, choose_plan
from edgeslm.errors import InputError, ModelError
from edgeslm.generate import prefix, store
from edgeslm.generate.decoder import Decoder
from edgeslm.generate.drafts import LookupDrafter, SelfDrafter
from edgeslm.generate.modes import Clock, ConfidentExit, Mode, Plain, Speculative
from edgeslm.generate.threads import choose_threads

SPECULATIONS = ("self", "lookup")
# Written by the conversion into a model trained to exit early.
EXIT_LAYER_KEY = "edgeslm.exit.layer"
EXIT_CONFIDENCE_KEY = "edgeslm.exit.confidence"


@dataclass(frozen=True)
class Settings:
    """How to continue a prompt. At most one of exit_layer alone, exit_confidence and speculate."""

    max_tokens: int = 256
    n_ctx: int = 2048
    exit_layer: int | None = None  # alone: a fixed exit; else where to leave, or to draft up to
    exit_confidence: float | None = None
    speculate: str | None = None
    threads: int | None = None
    max_memory: int | None = None
    prefix: str = ""
    ignore_end: bool = False  # for measuring

    def problems(self) -> list[str]:
        """What contradicts itself, one sentence each."""
        wrong = []
        if self.speculate is not None and self.speculate not in SPECULATIONS:
            wrong.append(f"there is no way to speculate called {self.speculate}")
        if self.speculate and self.exit_confidence is not None:
            wrong.append("drafting and leaving early exclude each other")
        if self.speculate == "lookup" and self.exit_layer is not None:
            wrong.append("drafts looked up in the text need no exit layer")
        if self.exit_confidence is not None and not 0 <= self.exit_confidence <= 1:
            wrong.append("a confidence is at least 0 (the model's own) and at most 1")
        if self.max_tokens < 1:
            wrong.append("at least one token must be allowed")
        return wrong


@dataclass
class Generation:
    """The text and what it cost; times in milliseconds."""

    text: str
    tokens: list[int]
    finished: bool
    mode: str
    plan: Plan
    exit_layer: int = 0
    prompt_tokens: int = 0
    load_ms: float = 0.0
    prefill_ms: float = 0.0
    measure_ms: float = 0.0
    decode_ms: float = 0.0
    prefix_cached: bool = False
    threads: tuple[int, int] = (1, 1)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def tokens_per_second(self) -> float:
        """Decoding speed; the first token comes with the prompt and is not counted."""
        return (len(self.tokens) - 1) / self.decode_ms * 1e3 if self.decode_ms else 0.0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "tokens_per_second": self.tokens_per_second}


def generate(model: Path, prompt: str, settings: Settings) -> Generation:
    """Continue `prompt` with the GGUF `model`. Raises InputError where settings do not go together, and ModelError."""
    if wrong := settings.problems():
        raise InputError("these settings do not go together", reason="; ".join(wrong))
    started = time.perf_counter()
    plan = choose_plan(ModelSize.from_file(model), settings.n_ctx, settings.max_memory)
    with Decoder(model, plan=plan, threads=settings.threads) as decoder:
        load_ms = (time.perf_counter() - started) * 1e3
        done = run(decoder, prompt, settings, plan)
    done.load_ms = load_ms
    return done


def run(
    decoder: Decoder, prompt: str, settings: Settings, plan: Plan, *, clock: Clock = time.perf_counter
) -> Generation:
    """As `generate`, with a loaded model whose earlier text is forgotten.

    clock: what decoding is timed and judged by; on a machine that others keep busy, and one thread, the CPU's time.
    """
    decoder.keep(0)
    decoder.exit_layer = 0
    model = decoder.model
    tokens = model.tokenize(settings.prefix + prompt)
    if not 0 < len(tokens) < model.n_ctx:
        raise InputError(
            f"the prompt does not fit {model.name}",
            reason=f"it has {len(tokens)} tokens and the context holds {model.n_ctx}",
            hint="shorten it, or allow more context or memory" if tokens else "give some text",
        )
    exit_layer = _exit_layer(decoder, settings)
    done = Generation("", [], False, _mode_name(settings), plan, exit_layer, len(tokens))
    done.threads = _set_threads(decoder, settings, done)
    if done.mode == "exit":
        decoder.exit_layer = exit_layer
    started = time.perf_counter()
    first = _prefill(decoder, tokens, settings, plan, done)
    done.prefill_ms = (time.perf_counter() - started) * 1e3
    learns = settings.speculate is not None or settings.exit_confidence is not None
    key = _costs_key(decoder, done) if learns else ""
    known = _known_costs(key) if learns else Costs()
    costs = Costs(dict(known.batches), dict(known.exits))
    mode = _make_mode(decoder, settings, exit_layer, costs, clock)
    started = clock()
    done.tokens, done.finished = _collect(decoder, mode, first, settings)
    done.decode_ms = (clock() - started) * 1e3
    done.text = model.detokenize(done.tokens)
    done.details = asdict(mode.tally)
    if learns:
        done.details["costs"] = costs.to_dict()
        if costs.moved_from(known):
            store.save_json(key, costs.to_dict())
    return done


def _collect(decoder: Decoder, mode: Mode, first: int, settings: Settings) -> tuple[list[int], bool]:
    """Tokens until the model ends, or max_tokens, or a full context; whether the model ended."""
    written: list[int] = []
    for token in _walk(decoder, mode, first, settings.max_tokens):
        if decoder.model.is_end(token) and not settings.ignore_end:
            return written, True
        written.append(token)
        if len(written) == settings.max_tokens:
            break
    return written, False


def _walk(decoder: Decoder, mode: Mode, first: int, most: int) -> Iterator[int]:
    yield first
    pending, count = first, 1
    while count < most and decoder.room > 1:
        tokens = mode.step(pending, most - count)
        yield from tokens
        pending, count = tokens[-1], count + len(tokens)


def _prefill(decoder: Decoder, tokens: Sequence[int], settings: Settings, plan: Plan, done: Generation) -> int:
    """Read the prompt, its fixed beginning from the cache where it is there; returns the first token chosen."""
    fixed = _fixed_tokens(decoder, tokens, settings)
    layout = (plan.kv_type, decoder.exit_layer, plan.load_mode)
    if fixed:
        done.prefix_cached = prefix.restore(decoder, fixed, layout)
        if not done.prefix_cached:
            decoder.read(fixed)
            prefix.keep(decoder, fixed, layout)
    rest = tokens[len(decoder.tokens) :]
    decoder.read(rest)
    return decoder.best((len(rest) - 1) % 512, 1)[0][0]


def _fixed_tokens(decoder: Decoder, tokens: Sequence[int], settings: Settings) -> list[int]:
    """The tokens that the prefix alone and the whole prompt have in common, but never the last token of the prompt."""
    if not settings.prefix:
        return []
    alone = decoder.model.tokenize(settings.prefix)
    count = 0
    while count < min(len(alone), len(tokens) - 1) and alone[count] == tokens[count]:
        count += 1
    return list(tokens[:count])


def _mode_name(settings: Settings) -> str:
    if settings.speculate:
        return f"speculate {settings.speculate}"
    if settings.exit_confidence is not None:
        return "confident exit"
    return "exit" if settings.exit_layer else "plain"


def _exit_layer(decoder: Decoder, settings: Settings) -> int:
    """Where to leave: as asked, as the model's conversion says, or after a quarter of the layers; 0 for none."""
    n_layer = decoder.model.n_layer
    if settings.exit_layer is not None:
        if not 1 <= settings.exit_layer <= n_layer:
            raise InputError(
                f"there is no exit layer {settings.exit_layer}", reason=f"the model has layers 1 to {n_layer}"
            )
        return settings.exit_layer
    if settings.exit_confidence is None and settings.speculate != "self":
        return 0
    named = decoder.model.metadata.get(EXIT_LAYER_KEY)
    if named is None:
        return max(1, n_layer // 4)
    if not (named.isdigit() and 1 <= int(named) <= n_layer):
        raise ModelError(
            f"{decoder.model.name} names an exit layer it does not have",
            reason=f"{EXIT_LAYER_KEY} is {named}, the model has layers 1 to {n_layer}",
            hint="give one with --exit-layer",
        )
    return int(named)


def _own_confidence(decoder: Decoder) -> float:
    """The confidence that the model's conversion found. Raises InputError where there is none."""
    try:
        return float(decoder.model.metadata[EXIT_CONFIDENCE_KEY])
    except (KeyError, ValueError):
        raise InputError(
            f"{decoder.model.name} has no confidence of its own to leave early by",
            reason=f"it has no {EXIT_CONFIDENCE_KEY}",
            hint="give one between 0 and 1",
        ) from None


def _set_threads(decoder: Decoder, settings: Settings, done: Generation) -> tuple[int, int]:
    """The threads asked for, or the fastest for one token and for batches, measured once for a model."""
    most = settings.threads or default_threads()
    if settings.threads or most == 1:
        decoder.set_threads(most, most)
        return most, most
    key = store.entry_key("threads", store.fingerprint(decoder.model.path), platform.node(), most)
    found = store.load_json(key)
    if not found:
        started = time.perf_counter()
        found = choose_threads(decoder, most)
        done.measure_ms += (time.perf_counter() - started) * 1e3
        store.save_json(key, found)
    one, many = int(found[0]), int(found[1])
    decoder.set_threads(one, many)
    return one, many


def _make_mode(decoder: Decoder, settings: Settings, exit_layer: int, costs: Costs, clock: Clock) -> Mode:
    if settings.exit_confidence is not None:
        confidence = settings.exit_confidence or _own_confidence(decoder)
        return ConfidentExit(decoder, exit_layer, confidence, costs, clock=clock)
    if settings.speculate == "lookup":
        return Speculative(decoder, LookupDrafter(decoder), costs, free_trials=True, clock=clock)
    if settings.speculate == "self":
        return Speculative(decoder, SelfDrafter(decoder, exit_layer, costs), costs, free_trials=False, clock=clock)
    return Plain(decoder)


def _costs_key(decoder: Decoder, done: Generation) -> str:
    """Costs are those of a model under a library, on a machine with so many threads."""
    report = decoder.model.library.abi_report()
    model = store.fingerprint(decoder.model.path)
    return store.entry_key("costs", model, report["pin"], report["patches_sha256"], platform.node(), done.threads)


def _known_costs(key: str) -> Costs:
    """What earlier runs learned; nothing the first time."""
    found = store.load_json(key) or {"batches": {}, "exits": {}}
    return Costs(
        {int(size): cost for size, cost in found["batches"].items()},
        {int(layer): cost for layer, cost in found["exits"].items()},
    )
