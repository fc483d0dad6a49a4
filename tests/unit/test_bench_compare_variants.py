"""The table of a conversion's variants: what the manifest says, what is measured, and ratios to the base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeslm.errors import InputError
from edgeslm_bench.compare_variants import compare, log_quality, read_variants, to_markdown
from edgeslm_bench.measure_model import Load
from tiny_models import write_tiny_llama


def _line(name: str, perplexity: float | None) -> dict[str, Any]:
    measured = {} if perplexity is None else {"perplexity": perplexity}
    return {"file": f"{name}.f16.gguf", "type": "f16", "bytes": 1000, "measured": measured}


@pytest.fixture
def conversion(tmp_path: Path) -> Path:
    variants = []
    for name, layers, parameters, perplexity in (("base", 4, 200, 10.0), ("depth", 2, 110, 15.0)):
        write_tiny_llama(tmp_path / f"{name}.f16.gguf", layers=layers)
        variants.append({"name": name, "parameters": parameters, "files": [_line(name, perplexity)]})
    (tmp_path / "manifest.json").write_text(json.dumps({"variants": variants}))
    return tmp_path


def test_every_file_is_measured_and_given_the_task_and_ratios_are_to_the_base(conversion: Path) -> None:
    asked: list[str] = []

    def quality(gguf: Path) -> tuple[int, int]:
        asked.append(gguf.name)
        return (8, 10) if "base" in gguf.name else (6, 10)

    load = Load(prompt_tokens=8, new_tokens=4, rounds=1, threads=1)
    rows = compare(read_variants(conversion), quality, load)
    assert asked == ["base.f16.gguf", "depth.f16.gguf"]
    table = to_markdown(rows).split("\n")
    base, depth = ([cell.strip() for cell in line.strip("|").split("|")] for line in table[2:])
    assert base[:5] == ["base", "f16", "200", "100.0%", "1,000"]
    assert (base[5], base[6], base[8], base[10]) == ("1.00 x", "1.00 x", "1.000", "1.000")
    assert depth[:5] == ["depth", "f16", "110", "55.0%", "1,000"]
    assert depth[7:] == ["15.00", "1.500", "6 of 10", "0.750"]
    assert float(depth[5].split()[0]) > 0


def test_a_folder_without_a_whole_conversion_is_refused(
    conversion: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(InputError, match="no whole conversion in"):
        read_variants(tmp_path_factory.mktemp("empty"))
    (conversion / "depth.f16.gguf").unlink()
    with pytest.raises(InputError, match="lacks files of its manifest") as found:
        read_variants(conversion)
    assert found.value.reason == "depth.f16.gguf"


def test_the_log_task_asks_the_model_held_out_questions(tiny_llama: Path) -> None:
    right, total = log_quality(1, 3)(tiny_llama)
    assert 0 <= right <= total
    assert total > 0
