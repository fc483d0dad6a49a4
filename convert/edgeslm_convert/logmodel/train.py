"""Trains the planner: a small Llama from scratch on generated pairs; the loss is on the SQL alone.

Resumable (a checkpoint every few minutes, moved into place whole), seeded, with a progress bar. Runs on a CPU or a GPU.
"""

import json
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM

from edgeslm.errors import InputError
from edgeslm_convert.logmodel.dataset import Tokenized, batches

_NOTE_SECONDS = 60  # between lines of train.jsonl


@dataclass
class TrainSettings:
    """Shape of the model and of the run. minutes: wall time the schedule is laid out for, 0 to go by steps."""

    layers: int = 6
    width: int = 192
    heads: int = 6
    ffn: int = 512
    vocabulary: int = 4096
    steps: int = 4000
    minutes: float = 0.0
    batch_tokens: int = 4096
    rate: float = 2e-3
    warmup: float = 0.02
    decay: float = 0.35
    seed: int = 1
    checkpoint_minutes: float = 5.0


def make_model(settings: TrainSettings) -> LlamaForCausalLM:
    """A randomly initialised Llama of the settings' shape, embeddings tied."""
    torch.manual_seed(settings.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=settings.vocabulary,
            hidden_size=settings.width,
            intermediate_size=settings.ffn,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=1,
            eos_token_id=2,
            attn_implementation="sdpa",
        )
    )


def grow(start: LlamaForCausalLM, model: LlamaForCausalLM) -> None:
    """Fill `model` with a trained one of the same width and a layer count that divides its own; outputs stay the same.

    Each layer of `start` is followed by copies of itself whose two output projections are zero, so that they add
    nothing until training moves them. Source: Wu et al. 2024, LLaMA Pro, section 3.2. Raises InputError.
    """
    few, many = len(start.model.layers), len(model.model.layers)
    if many % few or start.config.hidden_size != model.config.hidden_size or start.vocab_size != model.vocab_size:
        raise InputError(
            f"cannot start {many} layers of width {model.config.hidden_size} from the trained model",
            reason=f"it has {few} layers of width {start.config.hidden_size} and {start.vocab_size} tokens",
            hint="only the number of layers may differ, and must be a multiple",
        )
    weights = {name: value for name, value in start.state_dict().items() if ".layers." not in name}
    model.load_state_dict(weights, strict=False)
    for number, layer in enumerate(model.model.layers):
        layer.load_state_dict(start.model.layers[number * few // many].state_dict())
        if number % (many // few):
            torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
            torch.nn.init.zeros_(layer.mlp.down_proj.weight)


def fast_bfloat16(device: torch.device) -> bool:
    """bfloat16 pays: on a GPU, and on a CPU with instructions for it (on one without it is 40 times slower)."""
    info = Path("/proc/cpuinfo")
    return device.type == "cuda" or (info.exists() and "avx512_bf16" in info.read_text())


def answer_loss(model: LlamaForCausalLM, ids: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy on the labelled tokens, and the share of pairs whose every token is the most likely one.

    ids, labels: [b, t]. The head runs on labelled positions only. Right padding needs no mask under causal attention.
    """
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    wanted = labels[:, 1:]
    rows, places = (wanted != -100).nonzero(as_tuple=True)
    logits = model.lm_head(hidden[rows, places]).float()
    target = wanted[rows, places]
    loss = torch.nn.functional.cross_entropy(logits, target)
    wrong = (logits.argmax(-1) != target).float()
    missed = torch.zeros(len(ids), device=ids.device).index_add_(0, rows, wrong)
    return loss, (missed == 0).float().mean()


def train(
    load: Callable[[], Tokenized],
    held_out: Tokenized,
    settings: TrainSettings,
    out: Path,
    *,
    embeddings: torch.Tensor | None = None,
    start: Path | None = None,
) -> dict[str, float]:
    """Train and write out/model (HF layout, safetensors); returns the measures. Goes on from out/checkpoint.pt.

    load: called before each epoch, so that shards written meanwhile are taken along. embeddings: [vocabulary, width]
    to start from. start: folder of a trained model to go on from, grown where the settings have more layers.
    Raises InputError where there are no pairs.
    """
    if len(held_out) == 0:
        raise InputError("there are no held-out pairs", hint="make some with make-pairs --held-out")
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(settings, out / "checkpoint.pt", embeddings, start)
    with (out / "train.jsonl").open("a", encoding="utf-8") as log:

        def note(measures: dict[str, Any]) -> None:
            log.write(json.dumps(measures) + "\n")
            log.flush()

        last_save = last_note = time.perf_counter()
        with tqdm(total=1000, initial=int(1000 * run.progress), unit="‰") as bar:
            for _ in run.steps(load):
                bar.update(int(1000 * run.progress) - bar.n)
                bar.set_postfix(run.shown())
                if time.perf_counter() - last_note > _NOTE_SECONDS:
                    note({**run.measures(), **evaluate(run.model, held_out, batch=16)})
                    last_note = time.perf_counter()
                if time.perf_counter() - last_save > 60 * settings.checkpoint_minutes:
                    run.save()
                    last_save = time.perf_counter()
        measures = {**run.measures(), **evaluate(run.model, held_out, batch=64)}
        note({**measures, "settings": asdict(settings)})
    run.save()
    run.model.to(torch.float32).cpu().save_pretrained(out / "model", safe_serialization=True)
    return measures


class _Run:
    """A training run: the model, its optimizer, and how far it is. Resumed, it sees the batches it had not seen yet."""

    def __init__(
        self, settings: TrainSettings, checkpoint: Path, embeddings: torch.Tensor | None, start: Path | None
    ) -> None:
        self.settings, self.checkpoint = settings, checkpoint
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = make_model(settings)
        if start is not None:
            grow(LlamaForCausalLM.from_pretrained(start, local_files_only=True, use_safetensors=True), self.model)
        if embeddings is not None:
            with torch.no_grad():
                self.model.model.embed_tokens.weight.copy_(embeddings)
        self.model.to(self.device)
        matrices = [p for p in self.model.parameters() if p.ndim == 2]
        vectors = [p for p in self.model.parameters() if p.ndim != 2]
        groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.98))
        self.step, self.spent, self.seen = 0, 0.0, 0
        self.epoch, self.place = 0, 0  # whole epochs done, and batches of the next one
        self.loss = self.exact = 0.0  # running means
        if checkpoint.exists():
            self._restore()

    def _restore(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=False)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizers"][0])
        self.step, self.spent, self.seen = state["step"], state["spent"], state["seen"]
        self.epoch, self.place = state["epoch"], state.get("place", 0)
        self.loss, self.exact = state.get("loss", 0.0), state.get("exact", 0.0)

    def save(self) -> None:
        """Write the checkpoint, moved into place whole."""
        beside = self.checkpoint.with_suffix(".part")
        numbers = {name: getattr(self, name) for name in ("step", "spent", "seen", "epoch", "place", "loss", "exact")}
        state = {"model": self.model.state_dict(), "optimizers": [self.optimizer.state_dict()], **numbers}
        torch.save(state, beside)
        beside.replace(self.checkpoint)

    @property
    def progress(self) -> float:
        """How much of the schedule is done, 0 to 1, by steps or by time."""
        timed = self.spent / (60 * self.settings.minutes) if self.settings.minutes else 0.0
        return min(1.0, max(self.step / self.settings.steps, timed))

    def steps(self, load: Callable[[], Tokenized]) -> Iterator[None]:
        """Train to the end of the schedule, yielding after each step."""
        while self.progress < 1.0:
            data = load()
            if len(data) == 0:
                raise InputError("there are no pairs to train on", hint="make some with make-pairs")
            epoch = batches(data, tokens=self.settings.batch_tokens, seed=self.settings.seed + self.epoch + 1)
            for ids, labels in islice(epoch, self.place, None):
                self._step(ids, labels)
                yield
                if self.progress >= 1.0:
                    return
            self.epoch, self.place = self.epoch + 1, 0

    def _step(self, ids: torch.Tensor, labels: torch.Tensor) -> None:
        began = time.perf_counter()
        at, settings = self.progress, self.settings
        scale = min(1.0, at / settings.warmup if settings.warmup else 1.0, (1.0 - at) / settings.decay) + 0.003
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate * scale
        self.model.train()
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=fast_bfloat16(self.device)):
            loss, exact = answer_loss(self.model, ids.to(self.device), labels.to(self.device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.loss = 0.98 * self.loss + 0.02 * loss.item() if self.step else loss.item()
        self.exact = 0.98 * self.exact + 0.02 * exact.item()
        self.step, self.place, self.seen = self.step + 1, self.place + 1, self.seen + ids.numel()
        self.spent += time.perf_counter() - began

    def measures(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "minutes": self.spent / 60,
            "tokens": self.seen,
            "loss": self.loss,
            "exact": self.exact,
            "epoch": self.epoch + 1,
        }

    def shown(self) -> dict[str, Any]:
        """What the progress bar says."""
        speed = f"{self.seen / self.spent:.0f}"
        return {"step": self.step, "loss": f"{self.loss:.3f}", "exact": f"{self.exact:.3f}", "tps": speed}


@torch.no_grad()
def evaluate(model: LlamaForCausalLM, data: Tokenized, *, batch: int) -> dict[str, float]:
    """Mean loss and share of pairs with every SQL token right (teacher-forced), over at most `batch` batches."""
    model.eval()
    device = next(model.parameters()).device
    losses, exacts, weights = [], [], []
    for number, (ids, labels) in enumerate(batches(data, tokens=4096, seed=0)):
        if number >= batch:
            break
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast_bfloat16(device)):
            loss, exact = answer_loss(model, ids.to(device), labels.to(device))
        losses.append(loss.item() * len(ids))
        exacts.append(exact.item() * len(ids))
        weights.append(len(ids))
    return {"held_out_loss": sum(losses) / sum(weights), "held_out_exact": sum(exacts) / sum(weights)}


def read_recipe(path: Path, *, minutes: float | None = None) -> TrainSettings:
    """Settings of a recipe's [model] and [training] tables. Raises InputError that names every key it does not know."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    values = {**data.get("model", {}), **data.get("training", {})}
    known = {field.name for field in fields(TrainSettings)}
    if unknown := sorted(set(values) - known):
        raise InputError(
            f"{path} has keys that training does not know: {', '.join(unknown)}",
            hint=f"known are {', '.join(sorted(known))}",
        )
    if minutes is not None:
        values["minutes"] = minutes
    return TrainSettings(**values)
