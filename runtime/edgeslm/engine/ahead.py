"""Loads a model in a thread of its own while the caller does something else first, such as opening a log.

It refuses to know what is done meanwhile. A model that nobody took is closed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from edgeslm.engine.model import Model


class LoadAhead:
    """A context manager: `load` begins on entry, and on exit has ended, whatever happened meanwhile."""

    def __init__(self, load: Callable[[], Model]) -> None:
        self._load = load
        self._model: Model | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load model")

    def _run(self) -> None:
        try:
            self._model = self._load()
        except BaseException as error:  # raised in the thread that asks for the model, and only there
            self._error = error

    def take(self) -> Model:
        """The model, now the caller's to close; waits for it. Raises what loading raised. To be called once."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        if self._model is None:
            raise RuntimeError("the model was taken before")
        model, self._model = self._model, None
        return model

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.join()
        if self._model is not None:
            self._model.close()
