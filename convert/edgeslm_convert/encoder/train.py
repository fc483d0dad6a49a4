"""Makes the encoder: sentences on disk, a student out of the teacher, its distillation. Every part can be gone on from.

The parts are in corpus, student, stream and recover.distill_encoder; this module knows only their order and files.
"""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from edgeslm.errors import InputError
from edgeslm_convert.checkpoint import load_model, save_model
from edgeslm_convert.encoder.corpus import Sentence, generated_sentences, read_sentences
from edgeslm_convert.encoder.stream import Embedder, Stream, padded
from edgeslm_convert.encoder.student import StudentSettings, make_student
from edgeslm_convert.place import into_place
from edgeslm_convert.recover.distill import DistilReport
from edgeslm_convert.recover.distill_encoder import EncoderSettings, distil_encoder
from edgeslm_convert.settings import build
from edgeslm_convert.texts import load_tokenizer

SAMPLE = 1000  # held-out sentences that the encoder is judged on; the next ones are looked at during training
_LOOKED_AT = 256
_SAMPLE_SEED = 2026


@dataclass(frozen=True)
class EncoderTraining(EncoderSettings):
    """The schedule and the loss. longest: characters of a training sentence; chunk, repeats, batch: see stream."""

    longest: int = 160
    chunk: int = 2048
    repeats: int = 3
    batch: int = 48


def write_sentences(folders: list[Path], logs: int, out: Path, *, seed: int = 11) -> dict[str, int]:
    """Write the sentences of documentation `folders` and of `logs` simulated logs; how many each source gave."""
    counts: dict[str, int] = {}
    with into_place(out) as beside, beside.open("w", encoding="utf-8") as file:
        for sentence in chain(read_sentences(folders), generated_sentences(logs, seed=seed)):
            counts[sentence.source] = counts.get(sentence.source, 0) + 1
            file.write(json.dumps([sentence.text, sentence.source, int(sentence.held_out)], ensure_ascii=False) + "\n")
    return counts


def load_sentences(path: Path) -> Iterator[Sentence]:
    """The sentences of a file. Raises InputError."""
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                text, source, held_out = json.loads(line)
                yield Sentence(text, source, bool(held_out))
    except OSError as error:
        raise InputError(f"cannot read {path}", reason=error.strerror or str(error)) from error
    except ValueError as error:
        raise InputError(f"{path} holds no sentences", reason=str(error), hint="make it with make-sentences") from error


def held_out_sample(sentences: Iterable[Sentence], count: int = SAMPLE, *, skip: int = 0) -> list[str]:
    """`count` held-out sentences in a fixed random order, after the first `skip`; near-duplicates stay as they come."""
    texts = [sentence.text for sentence in sentences if sentence.held_out]
    random.Random(_SAMPLE_SEED).shuffle(texts)
    return texts[skip : skip + count]


def train_encoder(
    recipe: Path, teacher: Path, sentences: Path, out: Path, *, minutes: float | None = None, steps: int | None = None
) -> DistilReport:
    """Make out/student unless it is there, distil it from folder `teacher`, write out/model. Goes on where it was."""
    student_settings, training = read_recipe(recipe)
    if minutes is not None:
        training = replace(training, minutes=minutes)
    if steps is not None:
        training = replace(training, steps=steps)
    everything = list(load_sentences(sentences))
    texts = [sentence.text for sentence in everything if not sentence.held_out]
    unseen = held_out_sample(everything, _LOOKED_AT, skip=SAMPLE)
    start = out / "student"
    if not start.is_dir():
        make_student(teacher, texts, student_settings, start)
    embedder = Embedder(load_model(teacher), load_tokenizer(teacher))
    student = Embedder(load_model(start), load_tokenizer(start))
    stream = Stream(
        [text for text in texts if len(text) <= training.longest],
        embedder,
        student,
        chunk=training.chunk,
        repeats=training.repeats,
        batch=training.batch,
        seed=training.seed,
    )
    wanted, ids = embedder.embed(unseen), student.ids(unseen)
    held = [(*padded(ids[at : at + 64]), wanted[at : at + 64]) for at in range(0, len(ids), 64)]
    report = distil_encoder(student.model, None, stream.batches, training, out, held_out=held)
    save_model(student.model.cpu(), start, out / "model")
    return report


def read_recipe(path: Path) -> tuple[StudentSettings, EncoderTraining]:
    """The [student] and [training] tables. Raises InputError that names everything wrong."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    wrong = [f"unknown section [{name}]" for name in tables if name not in ("student", "training", "text")]
    student = build(StudentSettings, tables.get("student", {}), "[student]", wrong)
    training = build(EncoderTraining, tables.get("training", {}), "[training]", wrong)
    wrong += training.offenders() if training is not None else []
    if wrong:
        raise InputError(f"{path} cannot be followed", reason="; ".join(wrong))
    return student, training
