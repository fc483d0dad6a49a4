"""Writes training pairs as JSON lines, in many processes, from one seed.

A shard is written beside its name and moved into place, so a shard that is there is whole.
"""

import json
import multiprocessing
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from edgeslm_convert.logmodel.distract import distract
from edgeslm_convert.logmodel.pair import make_pairs

LOGS_PER_SHARD = 100


def write_pairs(out: Path, *, logs: int, seed: int, workers: int, holdout: bool | None = False) -> int:
    """Make pairs of `logs` simulated logs into out/NNNNN.jsonl; shards that are there are kept. Returns how many pairs.

    holdout: False leaves held-out wordings and sources out (training), True uses only those (evaluation), None all.
    """
    out.mkdir(parents=True, exist_ok=True)
    shards = [(out, shard, seed, holdout) for shard in range((logs + LOGS_PER_SHARD - 1) // LOGS_PER_SHARD)]
    made = 0
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for count in tqdm(pool.imap_unordered(_write_shard, shards), total=len(shards), unit="shard"):
            made += count
    return made


def _write_shard(task: tuple[Path, int, int, bool | None]) -> int:
    out, shard, seed, holdout = task
    path = out / f"{shard:05d}.jsonl"
    if path.exists():
        return len(path.read_bytes().splitlines())
    beside = path.with_suffix(".part")
    made = 0
    dropped: Counter[str] = Counter()
    with beside.open("w", encoding="utf-8") as file:
        for number in range(LOGS_PER_SHARD):
            log_seed = seed * 1_000_003 + shard * LOGS_PER_SHARD + number
            rng = random.Random(log_seed)
            for plain in make_pairs(log_seed, holdout=holdout, dropped=dropped):
                pair = plain if holdout else distract(plain, rng)
                record = {"intent": pair.intent, "question": pair.question, "prompt": pair.prompt, "sql": pair.sql}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
                made += 1
    beside.replace(path)
    return made


def read_pairs(folder: Path) -> Iterator[dict[str, str]]:
    """All pairs of a folder's shards, in order."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
