"""The steps of a recipe that a GGUF stores otherwise than a checkpoint does: shared layers, matrices of low rank.

Load, change, save; how is the business of `share` and `low_rank`, and `stored` writes the GGUF.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from edgeslm_convert import low_rank
from edgeslm_convert.checkpoint import load_model, save_model
from edgeslm_convert.share import tie
from edgeslm_convert.step_kinds import StepKind, Work


def _share(work: Work) -> Mapping[str, Any]:
    model = load_model(work.checkpoint)
    needed = _sharing_texts(work.settings)
    report = tie.share(model, work.settings, work.sequences("calibration") if needed else ())
    save_model(model, work.checkpoint, work.out)
    return asdict(report)


def _low_rank(work: Work) -> Mapping[str, Any]:
    model = load_model(work.checkpoint)
    report = low_rank.low_rank(model, work.settings, work.sequences("calibration"), progress=work.say)
    save_model(model, work.checkpoint, work.out)
    return asdict(report)


def _sharing_texts(settings: tie.ShareSettings) -> tuple[str, ...]:
    return ("calibration",) if settings.scheme == "similar" else ()


def _low_rank_texts(settings: low_rank.LowRankSettings) -> tuple[str, ...]:
    return ("calibration",)


SHARE = StepKind(tie.ShareSettings, tie.check, lambda shape, settings: shape, _share, _sharing_texts)
LOW_RANK = StepKind(low_rank.LowRankSettings, low_rank.check, lambda shape, settings: shape, _low_rank, _low_rank_texts)
