"""The shape of a checkpoint from its config.json alone: tensors, parameters, bytes, operations, and what is impossible.

No weight is read here and neither torch nor transformers is imported, so a plan costs nothing. Tensors bear the names
that llama.cpp gives them, because its files are what comes out. `expressible` names every offender at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from pathlib import Path

from edgeslm_convert import shape_config
from edgeslm_convert.tensor_types import block_size, tensor_bytes, tensor_type

GROUPS = ("embedding", "attention", "ffn", "norms", "head")
ENCODERS = ("bert", "distilbert")
ARCHITECTURES = shape_config.ARCHITECTURES
# Classes with queries and attention output exactly as wide as the model, in llama.cpp's loader.
_SQUARE_ATTENTION = ("gpt_bigcode", "phi", "bert", "distilbert")
_LAYER_NORM = ("gpt_bigcode", "phi", "bert", "distilbert")  # norms with a bias
# Classes with widths layer by layer; Llama and Mistral become `deci` for that, which our pruning fills with FFNs only.
_PER_LAYER = ("openelm", "llama", "mistral")
_GATED = ("llama", "mistral", "gemma", "granite", "openelm")
_ACTIVATIONS = {
    "llama": ("silu",),
    "mistral": ("silu",),
    "granite": ("silu",),
    "openelm": ("silu", "swish"),
    "gemma": ("gelu", "gelu_pytorch_tanh"),
    "gpt_bigcode": ("gelu", "gelu_pytorch_tanh", "gelu_new"),
    "phi": ("gelu", "gelu_pytorch_tanh", "gelu_new"),
    "bert": ("gelu",),
    "distilbert": ("gelu",),
}


@dataclass(frozen=True)
class TensorShape:
    """One tensor. `shape` is as torch has it, so that the last number is the length of a row."""

    name: str
    group: str
    shape: tuple[int, ...]
    layer: int | None = None

    @property
    def parameters(self) -> int:
        return prod(self.shape)

    @property
    def kind(self) -> str:
        """The name without its layer: ffn_down.weight."""
        return self.name.split(".", 2)[2] if self.layer is not None else self.name


@dataclass(frozen=True)
class ModelShape:
    """What a config.json says of a model's size. Change it with `dataclasses.replace` to plan another one."""

    architecture: str
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    head_dim: int
    n_ff: int
    n_vocab: int
    n_ctx: int
    tied: bool  # the head is the embedding
    attention_bias: bool = False
    mlp_bias: bool = False
    activation: str = ""
    n_token_types: int = 0
    sliding_window: int | None = None
    qk_norm: bool = False
    multi_query: bool = True  # gpt_bigcode only
    per_layer: tuple[tuple[int, int, int], ...] = ()  # (n_head, n_head_kv, n_ff) where layers differ, as in OpenELM

    @classmethod
    def from_config(cls, path: Path) -> ModelShape:
        """The shape in a config.json, or in a folder that holds one. Raises ModelError that names all it lacks."""
        return cls(**shape_config.read(path))

    @property
    def is_encoder(self) -> bool:
        return self.architecture in ENCODERS

    def layer(self, index: int) -> tuple[int, int, int]:
        """(n_head, n_head_kv, n_ff) of one layer."""
        return self.per_layer[index] if self.per_layer else (self.n_head, self.n_head_kv, self.n_ff)

    def tensors(self) -> list[TensorShape]:
        """Every tensor of the forward pass. A BERT's pooler is none of it: llama.cpp leaves it out."""
        found = self._embeddings()
        for index in range(self.n_layer):
            found += self._layer(index)
        return found + self._head()

    def parameters(self, group: str = "") -> int:
        """How many weights there are, in all or in one of GROUPS."""
        return sum(tensor.parameters for tensor in self.tensors() if not group or tensor.group == group)

    def groups(self) -> dict[str, int]:
        """Parameters by tensor group; those in no tensor are left out."""
        return {group: count for group in GROUPS if (count := self.parameters(group))}

    def bytes(self, kind: str, *, imatrix: bool = False) -> int:
        """Bytes of the tensors in a GGUF of type `kind`, by llama.cpp's own mixtures; metadata is not counted."""
        gqa = self.n_head // self.n_head_kv
        return sum(
            tensor_bytes(
                tensor.shape,
                tensor_type(
                    tensor.name, tensor.shape, kind, n_layer=self.n_layer, gqa=gqa, tied=self.tied, imatrix=imatrix
                ),
            )
            for tensor in self.tensors()
        )

    def flops_per_token(self, context: int = 0) -> int:
        """Multiplications and additions to decode one token with `context` tokens before it.

        Two for every weight that is multiplied (of embeddings only the head is), four for each query element and
        token in the cache. For an encoder: per token of a text `context` long.
        """
        weights = sum(t.parameters for t in self.tensors() if t.group in ("attention", "ffn", "head"))
        if self.tied and not self.is_encoder:
            weights += self.n_vocab * self.n_embd
        attention = sum(self.layer(index)[0] for index in range(self.n_layer)) * self.head_dim * (context + 1)
        return 2 * weights + 4 * attention

    def kv_bytes(self, context: int, bytes_per_value: float = 2) -> int:
        """Bytes of the KV cache for `context` tokens (f16 unless said otherwise); none for an encoder."""
        if self.is_encoder:
            return 0
        heads = sum(self.layer(index)[1] for index in range(self.n_layer))
        return int(2 * heads * self.head_dim * context * bytes_per_value)

    def expressible(self, types: Sequence[str] = ()) -> list[str]:
        """Why llama.cpp or its converter cannot hold this shape, or an output type not its rows; [] if they can."""
        return [*self._impossible(), *self._unwritable(), *(line for kind in types for line in self._misfits(kind))]

    def _embeddings(self) -> list[TensorShape]:
        found = [TensorShape("token_embd.weight", "embedding", (self.n_vocab, self.n_embd))]
        if self.architecture in ("gpt_bigcode", *ENCODERS):
            found.append(TensorShape("position_embd.weight", "embedding", (self.n_ctx, self.n_embd)))
        if self.n_token_types:
            found.append(TensorShape("token_types.weight", "embedding", (self.n_token_types, self.n_embd)))
        return found + (self._norm("token_embd_norm", None) if self.is_encoder else [])

    def _head(self) -> list[TensorShape]:
        if self.is_encoder:
            return []
        found = self._norm("output_norm", None)
        if not self.tied:
            found.append(TensorShape("output.weight", "head", (self.n_vocab, self.n_embd)))
            if self.architecture == "phi":
                found.append(TensorShape("output.bias", "head", (self.n_vocab,)))
        return found

    def _norm(self, name: str, layer: int | None, width: int = 0) -> list[TensorShape]:
        name = name if layer is None else f"blk.{layer}.{name}"
        found = [TensorShape(f"{name}.weight", "norms", (width or self.n_embd,), layer)]
        if self.architecture in _LAYER_NORM:
            found.append(TensorShape(f"{name}.bias", "norms", (width or self.n_embd,), layer))
        return found

    def _layer(self, index: int) -> list[TensorShape]:
        n_head, n_head_kv, n_ff = self.layer(index)
        queries, keys = n_head * self.head_dim, n_head_kv * self.head_dim
        found = []

        def linear(name: str, group: str, rows: int, width: int, bias: bool) -> None:
            found.append(TensorShape(f"blk.{index}.{name}.weight", group, (rows, width), index))
            if bias:
                found.append(TensorShape(f"blk.{index}.{name}.bias", group, (rows,), index))

        fused = self.architecture in ("gpt_bigcode", "openelm")
        for name, rows in [("attn_qkv", queries + 2 * keys)] if fused else [
            ("attn_q", queries), ("attn_k", keys), ("attn_v", keys),
        ]:  # fmt: skip
            linear(name, "attention", rows, self.n_embd, self.attention_bias)
        linear("attn_output", "attention", self.n_embd, queries, self.attention_bias)
        if self.architecture in _GATED:
            linear("ffn_gate", "ffn", n_ff, self.n_embd, self.mlp_bias)
        linear("ffn_up", "ffn", n_ff, self.n_embd, self.mlp_bias)
        linear("ffn_down", "ffn", self.n_embd, n_ff, self.mlp_bias)
        for name in shape_config.norms(self.architecture):
            found += self._norm(name, index)
        if self.architecture == "openelm" and self.qk_norm:
            found += self._norm("attn_q_norm", index, self.head_dim) + self._norm("attn_k_norm", index, self.head_dim)
        return found

    def _impossible(self) -> list[str]:
        """Numbers that no model can have."""
        wrong = [
            f"{name} = {value} is less than 1"
            for name, value in (
                ("n_layer", self.n_layer), ("n_embd", self.n_embd), ("n_head", self.n_head), ("n_ff", self.n_ff),
                ("n_head_kv", self.n_head_kv), ("head_dim", self.head_dim), ("n_vocab", self.n_vocab),
            )
            if value < 1
        ]  # fmt: skip
        if self.per_layer and len(self.per_layer) != self.n_layer:
            wrong.append(f"{len(self.per_layer)} layers have widths of their own, there are {self.n_layer}")
        heads = self.per_layer or [(self.n_head, self.n_head_kv, self.n_ff)]
        for n_head, n_head_kv in sorted({(n_head, n_head_kv) for n_head, n_head_kv, _ in heads}):
            if n_head_kv < 1 or n_head % n_head_kv:
                wrong.append(f"{n_head} heads cannot share {n_head_kv} KV heads evenly")
        return wrong

    def _unwritable(self) -> list[str]:
        """What llama.cpp's loader or its converter cannot express of this architecture."""
        wrong = []
        if self.architecture in _SQUARE_ATTENTION and self.n_head * self.head_dim != self.n_embd:
            wrong.append(
                f"{self.architecture}: {self.n_head} heads of {self.head_dim} are not the width {self.n_embd}, "
                "which its loader requires"
            )
        if self.architecture == "phi" and self.n_head_kv != self.n_head:
            wrong.append(
                f"phi: {self.n_head_kv} KV heads for {self.n_head} heads; the converter writes the same number"
            )
        if self.architecture == "phi" and self.qk_norm:
            wrong.append("phi: norms of queries and keys (qk_layernorm) are not in llama.cpp")
        if self.architecture == "gpt_bigcode" and not self.multi_query:
            wrong.append("gpt_bigcode: multi_query = false; the converter writes one KV head")
        differing = len({(n_head, n_head_kv) for n_head, n_head_kv, _ in self.per_layer}) > 1
        if self.per_layer and (self.architecture not in _PER_LAYER or (differing and self.architecture != "openelm")):
            wrong.append(f"{self.architecture}: its loader gives every layer the same heads and the same n_ff")
        if self.activation and self.activation not in _ACTIVATIONS[self.architecture]:
            wrong.append(f"{self.architecture}: the activation {self.activation} would be loaded as another one")
        if self.sliding_window is not None and self.sliding_window < self.n_ctx:
            wrong.append(
                f"{self.architecture}: a sliding window of {self.sliding_window} in a context of {self.n_ctx} "
                "is not written; set sliding_window = null or a context within it"
            )
        return wrong

    def _misfits(self, kind: str) -> list[str]:
        """Tensors whose rows are no multiple of the block of `kind`; the same tensor of several layers is one line."""
        block = block_size(kind)
        weights = [t for t in self.tensors() if t.layer is not None and len(t.shape) == 2 and t.shape[-1] % block]
        lines = []
        for (name, row), group in groupby(sorted(weights, key=_kind_and_row), key=_kind_and_row):
            layers = [tensor.layer for tensor in group]
            where = f"blk.{layers[0]}" if len(layers) == 1 else f"blk.{layers[0]} to blk.{layers[-1]}"
            lines.append(f"{where} {name}: rows of {row} do not fit the blocks of {block} of {kind}")
        return lines


def _kind_and_row(tensor: TensorShape) -> tuple[str, int]:
    return tensor.kind, tensor.shape[-1]
