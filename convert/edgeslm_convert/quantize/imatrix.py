"""The importance matrix: for each matrix of weights, the mean square of every column of what it is multiplied with.

Quantizing then weighs an error in a column by how large its input is. Kept in files as llama.cpp's own (tools/imatrix),
so that llama-quantize reads ours and we read its. Refuses to run a model: `collect` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy
from numpy.typing import NDArray

from edgeslm.engine.gguf_file import check_header
from edgeslm.errors import ModelError
from edgeslm_convert.quantize.ggml import TensorTable

_SUMS, _COUNTS = ".in_sum2", ".counts"
_CHUNKS, _CHUNK_SIZE, _DATASETS = "imatrix.chunk_count", "imatrix.chunk_size", "imatrix.datasets"


@dataclass(frozen=True)
class Entry:
    """Of one tensor: sums of squares [n_matrix, n_column] (n_matrix experts, else one), rows seen [n_matrix]."""

    sums: NDArray[numpy.float32]
    counts: NDArray[numpy.int64]

    def mean_squares(self) -> NDArray[numpy.float32]:
        """[n_matrix, n_column]; ones where nothing was seen (an expert without tokens), as in llama.cpp."""
        seen = self.counts[:, None]
        means = numpy.where(seen > 0, self.sums / numpy.maximum(seen, 1), 1.0)
        return numpy.ascontiguousarray(means, dtype=numpy.float32)


@dataclass(frozen=True)
class ImportanceMatrix:
    """Entries by the name of their weights, and what they were gathered from."""

    entries: Mapping[str, Entry]
    chunks: int
    chunk_tokens: int
    datasets: Sequence[str] = ()

    def check(self, table: TensorTable, path: Path) -> None:
        """Raise ModelError that names every entry that does not fit the tensors of the GGUF at `path`."""
        wrong = []
        for name, entry in self.entries.items():
            if name not in table:
                wrong.append(f"{name} is not in the model")
            elif entry.sums.shape[1] != table[name].columns:
                wrong.append(f"{name} has rows of {table[name].columns}, the matrix has {entry.sums.shape[1]} columns")
            elif not numpy.isfinite(entry.sums).all():
                wrong.append(f"{name} has numbers that are not finite")
        if wrong:
            raise ModelError(
                f"the importance matrix does not fit {path}",
                reason="; ".join(wrong),
                hint="gather it from this very model, before quantizing",
            )

    def save(self, path: Path) -> Path:
        """Write it as llama.cpp's imatrix GGUF, moved into place whole."""
        beside = path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            writer = gguf.GGUFWriter(beside, arch="")
            writer.kv_data[0].pop("general.architecture", None)  # it is no model
            writer.add_type("imatrix")
            writer.add_array(_DATASETS, list(self.datasets) or [""])
            writer.add_uint32(_CHUNKS, self.chunks)
            writer.add_uint32(_CHUNK_SIZE, self.chunk_tokens)
            for name in sorted(self.entries):
                entry = self.entries[name]
                writer.add_tensor(name + _SUMS, entry.sums.astype(numpy.float32))
                writer.add_tensor(name + _COUNTS, entry.counts.astype(numpy.float32)[:, None])
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        return path


def load(path: Path) -> ImportanceMatrix:
    """Read an imatrix GGUF, ours or llama.cpp's. Raises ModelError."""
    check_header(path)
    try:
        reader = gguf.GGUFReader(path)
        tensors = {tensor.name: numpy.array(tensor.data, dtype=numpy.float32) for tensor in reader.tensors}
        chunks, size = (int(reader.fields[key].contents()) for key in (_CHUNKS, _CHUNK_SIZE))
        datasets = [text for text in reader.fields[_DATASETS].contents() if text]
    except (KeyError, ValueError, OSError) as error:
        raise ModelError(
            f"{path} holds no importance matrix",
            reason=str(error) or type(error).__name__,
            hint="make one with --calibration and --save-imatrix, or with llama.cpp's llama-imatrix",
        ) from error
    names = sorted(name.removesuffix(_SUMS) for name in tensors if name.endswith(_SUMS))
    if missing := [name for name in names if name + _COUNTS not in tensors]:
        raise ModelError(f"{path} is damaged", reason=f"no counts for {', '.join(missing)}", hint="make it again")
    entries = {}
    for name in names:
        counts = tensors[name + _COUNTS].reshape(-1)
        entries[name] = Entry(tensors[name + _SUMS].reshape(len(counts), -1), counts.round().astype(numpy.int64))
    return ImportanceMatrix(entries, chunks, size, datasets)
