"""What an encoder GGUF is worth beside its base: the same nearest neighbours, cosine, texts a second in one run.

Both are run by the engine, on the same held-out sentences. It refuses to know how either was made.
"""

from __future__ import annotations

import statistics
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeslm.engine.encoder import Encoder
from edgeslm.errors import InputError


@dataclass(frozen=True)
class EncoderReport:
    """agreement: share of sentences with the same nearest other sentence as by the base; at5: with the base's nearest
    among the student's five. speed: texts a second (median over rounds), the base's and this one's, taken in turns.
    """

    sentences: int
    agreement: float
    at5: float
    cosine: float
    base_speed: float
    speed: float
    base_bytes: int
    bytes: int

    @property
    def ratio(self) -> float:
        """How many times as fast as the base."""
        return self.speed / self.base_speed


def measure(base: Path, made: Path, texts: Sequence[str], *, rounds: int = 3, threads: int = 1) -> EncoderReport:
    """Compare `made` with `base` over `texts`. Raises InputError for fewer than two texts."""
    if len(set(texts)) < 2:
        raise InputError("there are not two sentences to compare", hint="give a file with a sentence a line")
    speeds: dict[Path, list[float]] = {base: [], made: []}
    rows: dict[Path, list[array[float]]] = {}
    with Encoder(base, threads=threads, cached=0) as one, Encoder(made, threads=threads, cached=0) as other:
        for encoder in (one, other):  # warm up
            encoder.embed(texts[:32])
        for _ in range(rounds):
            for path, encoder in ((base, one), (made, other)):
                began = time.perf_counter()
                rows[path] = encoder.embed(texts)
                speeds[path].append(len(texts) / (time.perf_counter() - began))
    wanted, found = (np.asarray(rows[path], dtype=np.float32) for path in (base, made))
    nearest, near = _nearest(wanted, 1)[:, 0], _nearest(found, 5)
    return EncoderReport(
        sentences=len(texts),
        agreement=float(np.mean(near[:, 0] == nearest)),
        at5=float(np.mean((near == nearest[:, None]).any(axis=1))),
        cosine=float(np.mean((wanted * found).sum(axis=1))) if wanted.shape == found.shape else float("nan"),
        base_speed=statistics.median(speeds[base]),
        speed=statistics.median(speeds[made]),
        base_bytes=base.stat().st_size,
        bytes=made.stat().st_size,
    )


def _nearest(rows: np.ndarray, count: int) -> np.ndarray:
    """Of each row the `count` nearest other rows, the nearest first: [n, count]."""
    alike = rows @ rows.T
    np.fill_diagonal(alike, -2)
    return np.argsort(-alike, axis=1, kind="stable")[:, :count]
