"""Trains the planner: a small Llama from scratch on generated pairs; the loss is on the SQL alone.

It holds the model's shape, its loss and its measures; the loop itself is `recover.loop`.
"""

import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from edgeslm.errors import InputError
from edgeslm_convert.logmodel.dataset import Tokenized, batches
from edgeslm_convert.recover.loop import Batch, Part, Run, Schedule, autocast, drive


@dataclass(frozen=True)
class TrainSettings(Schedule):
    """Shape of the model and of the run. keep: share of the weights it started from in what is saved at the end."""

    layers: int = 6
    width: int = 192
    heads: int = 6
    ffn: int = 512
    vocabulary: int = 4096
    batch_tokens: int = 4096
    steps: int = 4000
    rate: float = 2e-3
    decay: float = 0.35
    weight_decay: float = 0.05
    keep: float = 0.0


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
    Raises InputError where there are no pairs, or where a share to keep is none.
    """
    if len(held_out) == 0:
        raise InputError("there are no held-out pairs", hint="make some with make-pairs --held-out")
    if not 0 <= settings.keep < 1:
        raise InputError(f"cannot keep {settings.keep} of the weights", hint="keep is a share from 0 to below 1")
    out.mkdir(parents=True, exist_ok=True)
    model = _first_model(settings, embeddings, start)
    run = Run(model, settings, out / "checkpoint.pt")

    def epoch(number: int) -> Iterable[Batch]:
        data = load()
        if len(data) == 0:
            raise InputError("there are no pairs to train on", hint="make some with make-pairs")
        return batches(data, tokens=settings.batch_tokens, seed=settings.seed + number + 1)

    def objective(batch: Batch) -> Iterator[Part]:
        loss, exact = answer_loss(model, *batch)
        yield loss, {"exact": exact.item()}

    measures = drive(
        run, epoch, objective, out, evaluate=lambda final: evaluate(model, held_out, batch=64 if final else 16)
    )
    model.to(torch.float32).cpu()
    if start is not None and settings.keep:
        keep_some(model, _first_model(settings, embeddings, start), settings.keep)
        measures = {**measures, **evaluate(model, held_out, batch=64)}
    model.save_pretrained(out / "model", safe_serialization=True)
    return measures


@torch.no_grad()
def keep_some(model: LlamaForCausalLM, before: LlamaForCausalLM, share: float) -> None:
    """Take the weights back by that share of the way to those before the training, in place.

    Two models on one path of training often do better between them than at either end, on what neither was trained for.
    Source: Wortsman et al. 2022, Robust fine-tuning of zero-shot models.
    """
    for weight, earlier in zip(model.parameters(), before.parameters(), strict=True):
        weight.lerp_(earlier, share)


def _first_model(settings: TrainSettings, embeddings: torch.Tensor | None, start: Path | None) -> LlamaForCausalLM:
    model = make_model(settings)
    if start is not None:
        grow(LlamaForCausalLM.from_pretrained(start, local_files_only=True, use_safetensors=True), model)
    if embeddings is not None:
        with torch.no_grad():
            model.model.embed_tokens.weight.copy_(embeddings)
    return model


@torch.no_grad()
def evaluate(model: LlamaForCausalLM, data: Tokenized, *, batch: int) -> dict[str, float]:
    """Mean loss and share of pairs with every SQL token right (teacher-forced), over at most `batch` batches."""
    model.eval()
    device = next(model.parameters()).device
    losses, exacts, weights = [], [], []
    for number, (ids, labels) in enumerate(batches(data, tokens=4096, seed=0)):
        if number >= batch:
            break
        with autocast(device):
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
