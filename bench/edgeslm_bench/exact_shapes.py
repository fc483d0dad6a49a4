"""The exact shapes of known models, to measure speed and memory on with random weights.

Both depend on shapes, not on trained values; nothing else may be judged on such a model. A shape is the real model's
config.json, kept in shapes/. Refuses to make the model: `edgeslm_convert.random_checkpoint` does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError

SHAPES = Path(__file__).with_name("shapes")
_DEPTH_KEYS = ("num_hidden_layers", "n_layer")


def shape_names() -> list[str]:
    """The shapes that come with this room."""
    return sorted(path.stem for path in SHAPES.glob("*.json"))


def read_shape(name: str) -> dict[str, Any]:
    """config.json of the shape `name`, or of the file of that path. Raises InputError."""
    path = SHAPES / f"{name}.json" if name in shape_names() else Path(name)
    try:
        shape: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"no such shape: {name}",
            reason=str(error),
            hint=f"name a config.json, or one of {', '.join(shape_names())}",
        ) from error
    return shape


def layers_of(shape: dict[str, Any]) -> int:
    """How many layers the shape has. Raises InputError if it does not say."""
    for key in _DEPTH_KEYS:
        if key in shape:
            return int(shape[key])
    raise InputError("the shape does not say how many layers it has", reason=f"none of {', '.join(_DEPTH_KEYS)}")


def with_layers(shape: dict[str, Any], layers: int) -> dict[str, Any]:
    """The shape with another depth: for speed and memory the same as the random model with layers taken out."""
    layers_of(shape)
    return {key: layers if key in _DEPTH_KEYS else value for key, value in shape.items()}
