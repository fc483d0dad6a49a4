"""The pruning steps of a recipe: load, prune, save. What is pruned and how is the business of `prune/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from edgeslm_convert.checkpoint import ENCODER_COMPANIONS, copy_companions, load_model, save_model
from edgeslm_convert.prune import depth, vocabulary, width, zeroed
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.step_kinds import StepKind, Work


def _prune_depth(work: Work) -> Mapping[str, Any]:
    model = load_model(work.checkpoint)
    passages = work.passages("calibration") if _depth_texts(work.settings) else ()
    calibration, given = [one.tokens for one in passages], [one.given for one in passages]
    report = depth.prune_depth(model, work.settings, calibration, given=given, progress=work.say)
    _keep(work, "layers", report.kept)
    save_model(model, work.checkpoint, work.out)
    return asdict(report)


def _prune_width(work: Work) -> Mapping[str, Any]:
    model = load_model(work.checkpoint)
    report = width.prune_width(model, work.settings, work.sequences("calibration"))
    if work.settings.hidden is not None:
        _keep(work, "channels", report.hidden_kept)
    save_model(model, work.checkpoint, work.out)
    return asdict(report)


def _set_zeros(work: Work) -> Mapping[str, Any]:
    model = load_model(work.checkpoint)
    report = zeroed.set_zeros(model, work.settings)
    save_model(model, work.checkpoint, work.out)
    return asdict(report)


def _prune_vocab(work: Work) -> Mapping[str, Any]:
    model = load_model(work.checkpoint)
    with TemporaryDirectory(dir=work.out.parent, prefix=f"{work.out.name}.") as folder:
        smaller = Path(folder)
        report = vocabulary.prune_vocabulary(
            model,
            work.settings,
            [record.text for record in work.records(work.settings.corpus)],
            tokenizer_from=work.checkpoint,
            tokenizer_to=smaller,
        )
        save_model(model, smaller, work.out)
    # A sentence encoder's pooling; the tokenizer's own files are there already.
    copy_companions(work.checkpoint, work.out, ENCODER_COMPANIONS)
    _keep(work, "tokens", report.kept)
    return asdict(report)


def _keep(work: Work, name: str, kept: Sequence[int]) -> None:
    """Note which of the source's layers, channels or tokens are left, whatever earlier steps took."""
    before = work.kept.get(name)
    work.kept[name] = [before[index] for index in kept] if before is not None else list(kept)


def _depth_texts(settings: depth.DepthSettings) -> tuple[str, ...]:
    return () if settings.layers is not None else ("calibration",)


def _needs_model(shape: ModelShape, settings: Any) -> list[str]:
    if shape.architecture == "openelm":
        return ["openelm: transformers has no class for it, and the code that comes with the checkpoint is not run"]
    return []


def _width_texts(settings: width.WidthSettings) -> tuple[str, ...]:
    return ("calibration",)


@dataclass(frozen=True)
class VocabularyStep(vocabulary.VocabularySettings):
    """corpus: the section of the recipe whose texts say which tokens are used."""

    corpus: Literal["calibration", "training"] = "calibration"


PRUNE_DEPTH = StepKind(depth.DepthSettings, depth.check, depth.after, _prune_depth, _depth_texts)
PRUNE_WIDTH = StepKind(width.WidthSettings, width.check, width.after, _prune_width, _width_texts)
PRUNE_VOCAB = StepKind(
    VocabularyStep, vocabulary.check, vocabulary.after, _prune_vocab, lambda settings: (settings.corpus,)
)
ZEROED = StepKind(
    zeroed.ZeroedSettings,
    lambda shape, settings: _needs_model(shape, settings) + zeroed.check(settings),
    lambda shape, settings: shape,
    _set_zeros,
)
