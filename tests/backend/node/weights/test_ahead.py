from __future__ import annotations

import threading

import numpy as np
import pytest

from backend.node.weights.ahead import one_ahead
from backend.node.weights.arrays import Array, Planned

TENSORS = [Planned(name, (1,), "fp32") for name in "abcd"]


def test_the_next_one_is_made_while_one_is_used() -> None:
    made: list[str] = []
    second = threading.Event()

    def produce(key: str) -> Array:
        made.append(key)
        if key == "b":
            second.set()
        return Array(np.array([ord(key)], "<f4"), "fp32")

    with one_ahead(TENSORS, produce) as take:
        assert take("a").data[0] == ord("a")
        assert second.wait(10)
        assert [int(take(key).data[0]) for key in "bcd"] == [ord(key) for key in "bcd"]
    assert made == list("abcd")


def test_an_error_comes_where_the_tensor_is_asked_for() -> None:
    def produce(key: str) -> Array:
        if key == "b":
            raise ValueError(key)
        return Array(np.zeros(1, "<f4"), "fp32")

    with one_ahead(TENSORS, produce) as take:
        take("a")
        with pytest.raises(ValueError, match="b"):
            take("b")
