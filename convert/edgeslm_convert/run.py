"""Follows a recipe: the steps of every variant, its GGUFs, what they are measured to be, and last the manifest.

Everything is made in OUT/work as results that outlive a killed run (`workshop`); the GGUFs take their names in OUT only
when every file of every variant keeps the recipe's bounds, and the manifest comes last. Deterministic: on one machine
the same recipe gives the same bytes. It refuses to know how a step, a conversion or a measurement is done.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError, ModelError
from edgeslm_convert import manifest, step_kinds
from edgeslm_convert.checkpoint import load_model
from edgeslm_convert.data.records import Record
from edgeslm_convert.from_gguf import METADATA
from edgeslm_convert.gguf import check_checkpoint, to_gguf
from edgeslm_convert.place import into_place
from edgeslm_convert.plan import Plan
from edgeslm_convert.recipe import Accept, Step, Texts, Variant
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.texts import Passage, digest, passages, read_records
from edgeslm_convert.workshop import Result, Workshop, digest_of, plain

Say = Callable[[str], None]
SECTIONS = ("calibration", "training", "evaluation")
_LONGEST_LIST = 64
_TIMES = ("minutes", "seconds")  # of a report: never twice the same


def convert(plan: Plan, source: Path, out: Path, *, say: Say = lambda text: None) -> Path:
    """Follow the planned recipe from checkpoint folder `source` and return the path of the manifest.

    Raises ModelError that names every bound that a file does not keep; then no manifest is written.
    """
    check_checkpoint(source)
    conversion = _Conversion(plan, source, out, say)
    try:
        made = {variant.name: conversion.variant(variant) for variant in plan.recipe.variants}
        broken = [line for files in made.values() for file in files["files"] for line in file.pop("broken")]
        if broken:
            raise ModelError(
                "the recipe's bounds are not kept, so there is no manifest",
                reason="; ".join(broken),
                hint=f"what was made is in {out / 'work'}; change the recipe or its bounds and run it again",
            )
        path = conversion.publish(made)
        conversion.workshop.tidy()
        return path
    finally:
        conversion.workshop.close()


class _Conversion:
    """One run of a recipe."""

    def __init__(self, plan: Plan, source: Path, out: Path, say: Say) -> None:
        self.plan, self.recipe, self.source, self.out, self.say = plan, plan.recipe, source, out, say
        self.records = {name: self._read(name) for name in SECTIONS}
        self.digests = {name: digest(records) for name, records in self.records.items() if records}
        self.inputs = manifest.file_hashes(source)
        self.tools = manifest.tools()
        self.workshop = Workshop(out / "work", {"tools": self.tools, "source": self.inputs})
        self._passages: dict[tuple[Path, str], list[Passage]] = {}
        self._perplexity: float | None = None

    def _read(self, section: str) -> list[Record]:
        wanted: Texts | None = getattr(self.recipe, section)
        return read_records(self.recipe, wanted) if wanted is not None else []

    def passages(self, checkpoint: Path, section: str) -> list[Passage]:
        """A section's texts in the checkpoint's own tokens."""
        wanted: Texts | None = getattr(self.recipe, section)
        if wanted is None:
            raise InputError(f"the recipe has no [{section}] text")
        if (checkpoint, section) not in self._passages:
            self._passages[checkpoint, section] = passages(checkpoint, self.records[section], wanted)
        return self._passages[checkpoint, section]

    def depends_on(self, *sections: str) -> dict[str, Any]:
        """What a result that reads these sections depends on."""
        return {
            section: [self.digests[section], asdict(getattr(self.recipe, section))]
            for section in sections
            if section in self.digests
        }

    def variant(self, variant: Variant) -> dict[str, Any]:
        """All that one variant makes: reports of steps, and files with their measures and broken bounds."""
        of = len(variant.steps)
        before, folder, kept = "source", self.source, dict[str, Any]()
        reports = []
        for number, name in enumerate(variant.steps, 1):
            step = self.recipe.step(name)
            made = self._step(step, number, of, variant, before, folder, kept)
            before, folder, kept = made.digest, made.folder, dict(made.report["kept"])
            reports.append({"name": name, "kind": step.kind, "report": _short(made.report["report"])})
        return {"steps": reports, **self._files(variant, before, folder, kept)}

    def _step(
        self,
        step: Step,
        number: int,
        of: int,
        variant: Variant,
        before: str,
        folder: Path,
        kept: Mapping[str, Any],
    ) -> Result:
        kind = step_kinds.kind(step.kind)
        sections = [*kind.texts(step.settings), *kind.also]
        depends = {"before": before, "kind": step.kind, "settings": asdict(step.settings)}

        def make(beside: Path, scratch: Path) -> dict[str, Any]:
            work = step_kinds.Work(
                checkpoint=folder,
                source=self.source,
                out=beside,
                scratch=scratch,
                settings=step.settings,
                passages=lambda section: self.passages(folder, section),
                records=lambda section: self.records[section],
                wanted=lambda section: getattr(self.recipe, section),
                kept=dict(kept),
                say=self.say,
            )
            return {"report": _timeless(plain(kind.run(work))), "kept": work.kept}

        return self.workshop.result(
            f"{number:02d}-{step.name}",
            {**depends, **self.depends_on(*sections)},
            make,
            announce=self._announcer(f"{variant.name}: step {number} of {of}, {step.name}"),
        )

    def _files(self, variant: Variant, before: str, folder: Path, kept: Mapping[str, Any]) -> dict[str, Any]:
        """The variant's GGUFs, f16 first, measured."""
        output = self.recipe.output
        whole = self.workshop.result(
            f"{variant.name}.f16",
            {
                "before": before,
                "name": self.recipe.name,
                "finetune": self._finetune(),
                "pre_tokenizer": self.recipe.source.pre_tokenizer,
            },
            lambda beside, scratch: self._convert(folder, beside / "model.gguf", variant, kept),
            announce=self._announcer(f"{variant.name}: GGUF, f16"),
        )
        matrix = self._importance(variant, whole, folder) if output.imatrix else None
        made = {"f16": whole}
        for kind in map(str.lower, output.types):
            if kind != "f16":
                made[kind] = self._quantized(variant, kind, whole, matrix)
        if output.target_bytes is not None:
            made["budget"] = self._fitted(variant, whole, matrix, folder)
        shape = ModelShape.from_config(folder)
        files = [self._measured(variant, kind, result, before, folder) for kind, result in made.items()]
        return {"parameters": shape.parameters(), "files": files}

    def _convert(self, folder: Path, path: Path, variant: Variant, kept: Mapping[str, Any]) -> dict[str, Any]:
        # By default the converter names the model after its folder.
        own = {"name": f"{self.recipe.name}-{variant.name}", "finetune": self._finetune()}
        names = {**own, "basename": None, "version": None}
        metadata = path.with_name("metadata.json")
        metadata.write_text(json.dumps({f"general.{key}": value for key, value in names.items()}))
        to_gguf(folder, path, metadata=metadata, pre_tokenizer=self.recipe.source.pre_tokenizer, title=variant.name)
        for name in variant.steps:
            finish = step_kinds.kind(self.recipe.step(name).kind).on_gguf
            if finish is not None:
                converted = path.rename(path.with_name("converted.gguf"))
                finish(converted, path, kept)
                converted.unlink()
        return {"sha256": manifest.file_hash(path), "bytes": path.stat().st_size}

    def _finetune(self) -> str | None:
        """What the source was tuned for, where `from-gguf` wrote it down: the runtime asks the planner by that name."""
        path = self.source / METADATA
        return json.loads(path.read_text(encoding="utf-8")).get("general.finetune") if path.is_file() else None

    def _importance(self, variant: Variant, whole: Result, folder: Path) -> Result:
        from edgeslm_convert.quantize.collect import collect

        def make(beside: Path, scratch: Path) -> dict[str, Any]:
            tokens = [passage.tokens[0].tolist() for passage in self.passages(folder, "calibration")]
            matrix = collect(whole.folder / "model.gguf", tokens, datasets=["calibration"])
            matrix.save(beside / "imatrix.gguf")
            return {"sequences": len(tokens)}

        return self.workshop.result(
            f"{variant.name}.imatrix",
            {"f16": whole.digest, **self.depends_on("calibration")},
            make,
            announce=self._announcer(f"{variant.name}: importance matrix"),
        )

    def _quantized(self, variant: Variant, kind: str, whole: Result, matrix: Result | None) -> Result:
        from edgeslm_convert.quantize.apply import quantize
        from edgeslm_convert.quantize.imatrix import load

        def make(beside: Path, scratch: Path) -> dict[str, Any]:
            path = beside / "model.gguf"
            importance = load(matrix.folder / "imatrix.gguf") if matrix else None
            done = quantize(whole.folder / "model.gguf", path, kind, imatrix=importance)
            return {"sha256": manifest.file_hash(path), "bytes": done.file_bytes, "tensors": done.summary}

        return self.workshop.result(
            f"{variant.name}.{kind}",
            {"f16": whole.digest, "imatrix": matrix.digest if matrix else None},
            make,
            announce=self._announcer(f"{variant.name}: GGUF, {kind}"),
        )

    def _fitted(self, variant: Variant, whole: Result, matrix: Result | None, folder: Path) -> Result:
        from edgeslm_convert.quantize.budget import quantize_to_size
        from edgeslm_convert.quantize.divergence import Reference
        from edgeslm_convert.quantize.imatrix import load

        target = self.recipe.output.target_bytes
        assert target is not None

        def make(beside: Path, scratch: Path) -> dict[str, Any]:
            tokens = [passage.tokens[0].tolist() for passage in self.passages(folder, "calibration")]
            reference = Reference(whole.folder / "model.gguf", tokens)
            importance = load(matrix.folder / "imatrix.gguf") if matrix else None
            path = beside / "model.gguf"
            done = quantize_to_size(whole.folder / "model.gguf", path, target, reference, imatrix=importance)
            report = {"sha256": manifest.file_hash(path), "bytes": done.quantized.file_bytes, "chosen": done.chosen}
            return {**report, "tensors": done.quantized.summary}

        return self.workshop.result(
            f"{variant.name}.budget",
            {
                "f16": whole.digest,
                "imatrix": matrix.digest if matrix else None,
                "target_bytes": target,
                **self.depends_on("calibration"),
            },
            make,
            announce=self._announcer(f"{variant.name}: GGUF of at most {target:,} bytes"),
        )

    def _measured(self, variant: Variant, kind: str, made: Result, before: str, folder: Path) -> dict[str, Any]:
        """One line of the manifest, with the bounds that the file breaks."""
        from edgeslm_convert import measured

        path = made.folder / "model.gguf"
        section = "evaluation" if self.recipe.evaluation else "calibration" if self.recipe.calibration else ""

        source = self._source_nats() if section == "evaluation" and measured.has_reference(self.plan.source) else None

        def make(beside: Path, scratch: Path) -> dict[str, Any]:
            found = measured.measure_file(path, folder, self.passages(folder, section) if section else None)
            if source is not None:
                found["perplexity_ratio"] = measured.ratio(found, source)
            return found

        result = self.workshop.result(
            f"{variant.name}.{kind}.measured",
            {"gguf": made.digest, "checkpoint": before, **self.depends_on(*([section] if section else []))},
            make,
            announce=self._announcer(f"{variant.name}: measure {kind}"),
        )
        line = {
            "file": f"{variant.name}.{kind}.gguf",
            "type": kind,
            **{key: made.report[key] for key in ("bytes", "sha256")},
            "tensors": made.report.get("tensors", ""),
            "measured": {"text": section or "random tokens", **result.report},
            "from": str(path),
        }
        self.say(f"{line['file']}: {measured.to_text(line)}")
        bounds = self.recipe.bounds(kind)
        return {**line, "broken": measured.broken(line, _with_default(bounds, kind, self.plan.source.is_encoder))}

    def _source_nats(self) -> tuple[float, int]:
        """What the unpruned source loses on the evaluation text, over how many of its tokens."""
        from edgeslm_convert import measured

        def make(beside: Path, scratch: Path) -> dict[str, Any]:
            nats, tokens = measured.nats_of(load_model(self.source), self.passages(self.source, "evaluation"))
            return {"nats": nats, "tokens": tokens}

        found = self.workshop.result("source.measured", self.depends_on("evaluation"), make).report
        return found["nats"], found["tokens"]

    def _announcer(self, what: str) -> Callable[[bool], None]:
        return lambda done: self.say(f"{what}{': done before' if done else ''}")

    def publish(self, made: Mapping[str, Mapping[str, Any]]) -> Path:
        """Give the files their names in OUT and write the manifest. A former manifest goes before its files change."""
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / manifest.NAME).unlink(missing_ok=True)
        variants = []
        for variant in self.recipe.variants:
            content = dict(made[variant.name])
            for file in content["files"]:
                _place(Path(file.pop("from")), self.out / file["file"])
            variants.append({"name": variant.name, **content})
        return manifest.write_manifest(
            self.out,
            {
                "name": self.recipe.name,
                "source": {**asdict(self.recipe.source), "parameters": self.plan.source.parameters()}
                | {"files": self.inputs},
                "texts_sha256": self.digests,
                "tools": self.tools,
                "variants": variants,
                "recipe": self.recipe.text,
            },
        )


def _with_default(bounds: Accept, kind: str, is_encoder: bool) -> Accept:
    """The recipe's bounds; where it says nothing of agreement, those that every f16 file must keep."""
    from dataclasses import replace

    from edgeslm_convert.verify import BOUNDS

    default = BOUNDS.get(kind)
    if default is None:
        return bounds
    if is_encoder:
        return replace(bounds, min_cosine=bounds.min_cosine if bounds.min_cosine is not None else default.min_cosine)
    return replace(bounds, mean_kl=bounds.mean_kl if bounds.mean_kl is not None else default.mean_kl)


def _place(made: Path, out: Path) -> None:
    """The same file under its own name: a second name where the file system can, else a copy."""
    with into_place(out) as beside:
        try:
            os.link(made, beside)
        except OSError:
            shutil.copyfile(made, beside)


def _timeless(report: Any) -> Any:
    """A report without how long anything took, so that two runs write the same."""
    if isinstance(report, dict):
        return {key: _timeless(value) for key, value in report.items() if key not in _TIMES}
    return [_timeless(item) for item in report] if isinstance(report, list) else report


def _short(report: Any) -> Any:
    """A report with long lists (of tokens, say) as their hash: the whole is in the step's record."""
    if isinstance(report, Mapping):
        return {key: _short(value) for key, value in report.items()}
    if isinstance(report, list) and len(report) > _LONGEST_LIST:
        return {"entries": len(report), "sha256": digest_of(report)}
    return [_short(item) for item in report] if isinstance(report, list) else report
