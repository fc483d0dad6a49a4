"""Where the files that ship with edgeslm are: the default model and the sample log.

In a checkout models are taken from models/<name>/, in an installed package from edgeslm/data/models/<name>/.
It refuses to open them.
"""

from __future__ import annotations

from pathlib import Path

import edgeslm
from edgeslm.errors import InputError, ModelError

_SOURCE = Path(__file__).resolve().parent


def default_model() -> Path:
    """The planner that ships. Raises ModelError where the installation has none."""
    return shipped_model("planner")


def shipped_model(name: str) -> Path:
    """The GGUF of models/<name>. Raises ModelError where the installation has none."""
    places = [folder / f"{name}.gguf" for folder in _model_folders(name)]
    for path in places:
        if path.is_file():
            return path
    raise ModelError(
        f"the {name} model is not installed",
        reason=f"there is no {places[0]}",
        hint="install edgeslm again, or name a model with --model",
    )


def sample_log() -> Path:
    """A syslog of about 300 invented lines, to try edgeslm on."""
    path = _SOURCE / "data" / "sample" / "auth.log"
    if not path.is_file():
        raise InputError("the sample log is not installed", reason=f"there is no {path}", hint="install edgeslm again")
    return path


def checkout() -> Path | None:
    """The root of the checkout this package runs from, or None when it is installed."""
    root = _SOURCE.parent.parent
    return root if (root / "runtime" / "native" / "pin.toml").is_file() else None


def _model_folders(name: str) -> list[Path]:
    root = checkout()
    folders = [root / "models" / name] if root else []
    return folders + [Path(folder) / "data" / "models" / name for folder in edgeslm.__path__]
