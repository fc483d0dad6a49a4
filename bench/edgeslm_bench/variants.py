"""Makes the files of a group: the base's checkpoint and a GGUF for every technique, with the convert room's own steps.

Of an exact shape the files are made with random weights in the shape that a technique leaves; of a GGUF with trained
weights they are made by the steps themselves (pruning, sharing, factors). What was made is kept in a folder whose name
holds a hash of what it was made of, and found there again. Refuses to measure.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError
from edgeslm_bench.compare_variants import read_variants
from edgeslm_bench.exact_shapes import layers_of, read_shape, with_layers
from edgeslm_bench.matrix import Group, Technique
from edgeslm_bench.measure_model import Subject

Say = Callable[[str], None]
_FFN_KEYS = ("intermediate_size", "n_inner")
_CALIBRATION_LOGS = 40
_CALIBRATION_TOKENS = 8192
_F16 = "f16"
_MAKERS = 2  # files made at once; each holds up to three times its bytes in memory


@dataclass(frozen=True)
class Structure:
    """What a technique does to the shape; files of one structure differ in their types only."""

    layers: int | None
    ffn: int | None
    share: int | None
    low_rank: float | None

    @classmethod
    def of(cls, technique: Technique) -> Structure:
        """The structure that the technique leaves."""
        return cls(technique.layers, technique.ffn, technique.share, technique.low_rank)

    @property
    def is_base(self) -> bool:
        """Whether nothing is done to the shape."""
        return self == Structure(None, None, None, None)

    @property
    def stem(self) -> str:
        """For file names."""
        parts = (("layers", self.layers), ("ffn", self.ffn), ("share", self.share), ("rank", self.low_rank))
        return "-".join([f"{name}{value}" for name, value in parts if value is not None]) or "base"


_Job = tuple[Structure, list[Technique]]


def prepare(group: Group, folder: Path, *, threads: int = 1, say: Say = lambda text: None) -> dict[str, Subject]:
    """Technique's name -> what is to be measured. Makes in `folder` what is not there yet. Raises EdgeSlmError."""
    if group.conversion:
        return _of_conversion(group, group.conversion)
    home = folder / f"{group.name}-{_digest(group)}"
    home.mkdir(parents=True, exist_ok=True)
    base = home / "checkpoint"
    if not base.is_dir():
        say(f"making the checkpoint of {group.name}")
        _make_base(group, base)
    paths = _make_all(group, home, threads, say)
    return {
        technique.name: Subject(
            f"{group.name} {technique.name}",
            base if technique.is_transformers else paths[technique.name],
            "float32" if technique.is_transformers else "",
            exit_layer=technique.exit_layer or 0,
            new_tokens=group.base_new_tokens if technique.is_transformers else None,
        )
        for technique in group.techniques
    }


def _of_conversion(group: Group, folder: Path) -> dict[str, Subject]:
    """The files that `edgeslm convert` left. The fp32 base is the folder `model` beside the conversion."""
    files = {(file.variant, file.type.lower()): file.path for file in read_variants(folder)}
    base = folder.parent / "model"
    found: dict[str, Subject] = {}
    missing = []
    for technique in group.techniques:
        path = base if technique.is_transformers else files.get((technique.variant, technique.type.lower()))
        if path is None or not path.exists():
            missing.append(f"{technique.name} ({path or f'{technique.variant} {technique.type}'})")
            continue
        dtype = "float32" if technique.is_transformers else ""
        found[technique.name] = Subject(
            f"{group.name} {technique.name}", path, dtype, exit_layer=technique.exit_layer or 0
        )
    if missing:
        raise InputError(f"the conversion in {folder} lacks files of the matrix", reason=", ".join(missing))
    return found


def _digest(group: Group) -> str:
    """Of what the group begins with."""
    if group.model:
        return hashlib.sha256(group.model.read_bytes()).hexdigest()[:8]
    return hashlib.sha256(json.dumps(read_shape(group.shape), sort_keys=True).encode()).hexdigest()[:8]


def _make_base(group: Group, out: Path) -> None:
    if group.model:
        from edgeslm_convert.from_gguf import checkpoint_of

        checkpoint_of(group.model, out)
    else:
        from edgeslm_convert.random_checkpoint import make_random

        make_random(read_shape(group.shape), out)


def _make_all(group: Group, home: Path, threads: int, say: Say) -> dict[str, Path]:
    """The GGUF of each technique: the unchanged shape's first, because sharing and factors are written on it.

    The others of a random shape are made in processes beside each other: the converter writes a gigabyte on one core
    while the other would wait. Trained steps use all cores themselves.
    """
    by_structure: dict[Structure, list[Technique]] = {}
    for technique in group.techniques:
        if not technique.is_transformers:
            by_structure.setdefault(Structure.of(technique), []).append(technique)
    paths: dict[str, Path] = {}
    jobs: dict[object, list[_Job]] = {}
    for structure, techniques in sorted(by_structure.items(), key=lambda item: not item[0].is_base):
        if group.model or structure.is_base:
            paths |= _make_files(group, home, structure, techniques, threads, say)
            continue
        plain = _plain_f16(home, structure)
        jobs.setdefault(structure if plain.is_file() else plain, []).append((structure, techniques))
    if not all(path.is_file() for job in jobs.values() for one in job for path in _files(group, home, *one).values()):
        spawn = multiprocessing.get_context("spawn")  # torch's threads do not outlive a fork
        with ProcessPoolExecutor(min(_MAKERS, max(1, threads)), mp_context=spawn) as makers:
            under_way = {makers.submit(_make_job, group, home, job): job for job in jobs.values()}
            for done in as_completed(under_way):
                done.result()
                say(f"made {', '.join(structure.stem for structure, _ in under_way[done])} of {group.name}")
    return paths | {n: path for job in jobs.values() for one in job for n, path in _files(group, home, *one).items()}


def _make_job(group: Group, home: Path, job: list[_Job]) -> None:
    """Make files that need the same f16, one after the other."""
    for structure, techniques in job:
        _make_files(group, home, structure, techniques, 1, lambda text: None)


def _files(group: Group, home: Path, structure: Structure, techniques: list[Technique]) -> dict[str, Path]:
    return {technique.name: _file(group, home, structure, technique) for technique in techniques}


def _plain_f16(home: Path, structure: Structure) -> Path:
    """The f16 of the same shape, nothing shared or factored."""
    return home / f"{Structure(structure.layers, structure.ffn, None, None).stem}-{_F16}.gguf"


def _make_files(
    group: Group, home: Path, structure: Structure, techniques: list[Technique], threads: int, say: Say
) -> dict[str, Path]:
    """The GGUFs of one structure; its checkpoint and its f16 are removed where nobody asked for them."""
    from edgeslm_convert.quantize import quantize

    paths = _files(group, home, structure, techniques)
    missing = {technique.name: technique for technique in techniques if not paths[technique.name].is_file()}
    if not missing:
        return paths
    f16 = home / f"{structure.stem}-{_F16}.gguf"
    if not f16.is_file():
        say(f"making {f16}")
        _make_f16(group, home, structure, f16)
    for name, technique in missing.items():
        if not paths[name].is_file():
            say(f"making {paths[name]}")
            quantize(f16, paths[name], technique.type, pure=technique.pure, threads=threads)
    if f16 not in paths.values():
        f16.unlink()
    return paths


def _file(group: Group, home: Path, structure: Structure, technique: Technique) -> Path:
    """Where the technique's GGUF is. The group's own file serves where the technique changes nothing about it."""
    if group.model and structure.is_base and technique.type.upper() == _type_of(group.model):
        return group.model
    kind = technique.type.lower() if technique.type.lower() == _F16 else technique.type
    return home / f"{structure.stem}-{kind}{'-pure' if technique.pure else ''}.gguf"


def _type_of(path: Path) -> str:
    from edgeslm_convert.quantize.file_types import file_types
    from edgeslm_convert.share.gguf_copy import Source

    number = Source(path).value("general.file_type")
    return next((name for name, known in file_types().items() if known == number), "")


def _make_f16(group: Group, home: Path, structure: Structure, out: Path) -> None:
    if group.model:
        _make_trained(group, home, structure, out)
    elif structure.share or structure.low_rank:
        _make_stored(group, home, structure, out)
    else:
        _make_random(group, home, structure, out)


def _make_trained(group: Group, home: Path, structure: Structure, out: Path) -> None:
    from edgeslm_convert.from_gguf import METADATA
    from edgeslm_convert.gguf import to_gguf

    checkpoint = home / "checkpoint" if structure.is_base else home / f"{structure.stem}-checkpoint"
    try:
        if not structure.is_base:
            _change(home, structure, checkpoint)
        to_gguf(checkpoint, out, outtype=_F16, metadata=home / "checkpoint" / METADATA)
    finally:
        if not structure.is_base:
            shutil.rmtree(checkpoint, ignore_errors=True)


def _make_stored(group: Group, home: Path, structure: Structure, out: Path) -> None:
    """Sharing and factors change how a random model is stored, so they are written on the f16 of its shape."""
    from edgeslm_convert.random_variants import factor_random, share_random

    f16 = _plain_f16(home, structure)
    if not f16.is_file():
        _make_random(group, home, Structure(structure.layers, structure.ffn, None, None), f16)
    if structure.share and structure.low_rank:
        raise InputError(f"{group.name}: share and low_rank together", hint="measure them apart")
    if structure.share:
        share_random(f16, out, structure.share)
    else:
        factor_random(f16, out, structure.low_rank or 0.0)


def _make_random(group: Group, home: Path, structure: Structure, out: Path) -> None:
    """A random model of the shape that the technique leaves: for speed and memory it is the same."""
    from edgeslm_convert.gguf import to_gguf
    from edgeslm_convert.random_checkpoint import PRE_TOKENIZER, make_random

    checkpoint = home / "checkpoint" if structure.is_base else home / f"{structure.stem}-checkpoint"
    try:
        if not structure.is_base:
            shape = read_shape(group.shape)
            shape = with_layers(shape, structure.layers or layers_of(shape))
            if structure.ffn:
                shape = {**shape, **{key: structure.ffn for key in _FFN_KEYS if key in shape}}
            make_random(shape, checkpoint)
        to_gguf(checkpoint, out, outtype=_F16, pre_tokenizer=PRE_TOKENIZER)
    finally:
        if not structure.is_base:
            shutil.rmtree(checkpoint, ignore_errors=True)


def _change(home: Path, structure: Structure, out: Path) -> None:
    """The steps themselves, on the trained model, with prompts and queries of the log task as calibration."""
    from edgeslm_convert.recipe import Texts
    from edgeslm_convert.single import Task, run

    steps: list[tuple[str, dict[str, Any]]] = []
    if structure.layers:
        steps.append(("prune_depth", {"keep": structure.layers}))
    if structure.ffn:
        steps.append(("prune_width", {"ffn": structure.ffn}))
    if structure.share:
        steps.append(("share", {"size": structure.share}))
    if structure.low_rank:
        steps.append(("low_rank", {"share": structure.low_rank}))
    texts = Texts((str(_calibration(home)),), tokens=_CALIBRATION_TOKENS, sequence=256)
    run(home / "checkpoint", out, Task(steps, {"calibration": texts}), say=lambda text: None)


def _calibration(home: Path) -> Path:
    """Prompts and queries as the planner was trained on, one pair after the other."""
    from edgeslm_convert.logmodel.pair import make_pairs

    path = home / "calibration.txt"
    if not path.is_file():
        pairs = [pair for seed in range(_CALIBRATION_LOGS) for pair in make_pairs(seed, per_log=2, holdout=False)]
        beside = path.with_suffix(".part")
        beside.write_text("\n\n".join(f"{pair.prompt}{pair.sql}" for pair in pairs), encoding="utf-8")
        beside.replace(path)
    return path
