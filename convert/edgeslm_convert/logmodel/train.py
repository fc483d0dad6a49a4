"""Trains the planner: a small Llama from scratch on generated pairs; the loss is on the SQL alone.

Resumable (a checkpoint every few minutes, moved into place whole), seeded, with a progress bar. Runs on a CPU or a GPU.
"""

import json
import os
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM

from edgeslm.errors import InputError
from edgeslm_convert.logmodel.dataset import Tokenized, batches


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


def fast_bfloat16(device: torch.device) -> bool:
    """bfloat16 pays: on a GPU, and on a CPU with instructions for it (it is 40 times slower than float32 on one without)."""
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
) -> dict[str, float]:
    """Train and write out/model (HF layout, safetensors). Continues from out/checkpoint.pt when it is there. Returns the measures.

    load: called before each epoch, so that shards written meanwhile are taken along. embeddings: [vocabulary, width] to start from.
    """
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = make_model(settings)
    if embeddings is not None:
        with torch.no_grad():
            model.model.embed_tokens.weight.copy_(embeddings)
    model.to(device)
    matrices = [p for p in model.parameters() if p.ndim == 2]
    vectors = [p for p in model.parameters() if p.ndim != 2]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    optimizers = [torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.98))]
    base = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    step, spent, epoch, seen = 0, 0.0, 0, 0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=False)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        step, spent, epoch, seen = state["step"], state["spent"], state["epoch"], state["seen"]

    def progress() -> float:
        return min(1.0, max(step / settings.steps, (spent / (60 * settings.minutes)) if settings.minutes else 0.0))

    log = (out / "train.jsonl").open("a", encoding="utf-8")
    bar = tqdm(total=1000, initial=int(1000 * progress()), unit="‰")
    last_save = last_note = time.perf_counter()
    loss_mean = exact_mean = 0.0
    while progress() < 1.0:
        epoch += 1
        for ids, labels in batches(load(), tokens=settings.batch_tokens, seed=settings.seed + epoch):
            began = time.perf_counter()
            at = progress()
            if at >= 1.0:
                break
            scale = min(1.0, at / settings.warmup if settings.warmup else 1.0, (1.0 - at) / settings.decay) + 0.003
            for group, rate in zip((g for o in optimizers for g in o.param_groups), base, strict=True):
                group["lr"] = rate * scale
            model.train()
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast_bfloat16(device)):
                loss, exact = answer_loss(model, ids.to(device), labels.to(device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            step, seen = step + 1, seen + ids.numel()
            spent += time.perf_counter() - began
            loss_mean = loss.item() if step == 1 else 0.98 * loss_mean + 0.02 * loss.item()
            exact_mean = 0.98 * exact_mean + 0.02 * exact.item()
            bar.update(int(1000 * progress()) - bar.n)
            bar.set_postfix(step=step, loss=f"{loss_mean:.3f}", exact=f"{exact_mean:.3f}", tps=f"{seen / spent:.0f}")
            now = time.perf_counter()
            if now - last_note > 60:
                measures = {"step": step, "minutes": spent / 60, "tokens": seen, "loss": loss_mean, "exact": exact_mean, "epoch": epoch, **evaluate(model, held_out, batch=16)}
                log.write(json.dumps(measures) + "\n")
                log.flush()
                last_note = time.perf_counter()
            if now - last_save > 60 * settings.checkpoint_minutes:
                _save(checkpoint, model, optimizers, step, spent, epoch - 1, seen)
                last_save = time.perf_counter()
    bar.close()
    measures = {"step": step, "minutes": spent / 60, "tokens": seen, "loss": loss_mean, **evaluate(model, held_out, batch=64)}
    log.write(json.dumps({**measures, "settings": asdict(settings)}) + "\n")
    _save(checkpoint, model, optimizers, step, spent, epoch, seen)
    model.to(torch.float32).cpu().save_pretrained(out / "model", safe_serialization=True)
    return measures


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


def _save(path: Path, model: LlamaForCausalLM, optimizers: list[torch.optim.Optimizer], step: int, spent: float, epoch: int, seen: int) -> None:
    beside = path.with_suffix(".part")
    torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": step, "spent": spent, "epoch": epoch, "seen": seen}, beside)
    os.replace(beside, path)


def read_recipe(path: Path, *, minutes: float | None = None) -> TrainSettings:
    """Settings of a recipe's [model] and [training] tables. Raises InputError that names every key it does not know."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    values = {**data.get("model", {}), **data.get("training", {})}
    known = {field.name for field in fields(TrainSettings)}
    if unknown := sorted(set(values) - known):
        raise InputError(
            f"{path} has keys that training does not know: {', '.join(unknown)}", hint=f"known are {', '.join(sorted(known))}"
        )
    if minutes is not None:
        values["minutes"] = minutes
    return TrainSettings(**values)
