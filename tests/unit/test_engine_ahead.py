"""A model loaded beside something else: taken once, closed if nobody took it, its errors raised where it is wanted."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from edgeslm.engine import LoadAhead, Model
from edgeslm.errors import ModelError


class Fake:
    closed = False

    def close(self) -> None:
        self.closed = True


def ahead(load: Any) -> LoadAhead:
    return LoadAhead(cast(Any, load))


def test_loading_goes_on_while_the_caller_does_something_else() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def load() -> Model:
        begun.set()
        assert go_on.wait(10)
        return cast(Model, Fake())

    with ahead(load) as loading:
        assert begun.wait(10)
        go_on.set()
        assert not cast(Any, loading.take()).closed


def test_a_model_that_nobody_took_is_closed() -> None:
    model = Fake()
    with pytest.raises(OSError, match="no such log"), ahead(lambda: model):
        raise OSError("no such log")
    assert model.closed


def test_a_model_that_was_taken_is_its_takers() -> None:
    model = Fake()
    with ahead(lambda: model) as loading:
        assert loading.take() is cast(Any, model)
        with pytest.raises(RuntimeError, match="taken before"):
            loading.take()
    assert not model.closed


def test_what_loading_raised_is_raised_where_the_model_is_asked_for() -> None:
    def load() -> Model:
        raise ModelError("the model is damaged")

    with ahead(load):
        pass  # nobody asks: nothing is wrong
    with ahead(load) as loading, pytest.raises(ModelError, match="damaged"):
        loading.take()
