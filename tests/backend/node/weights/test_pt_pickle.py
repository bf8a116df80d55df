from __future__ import annotations

import argparse
import collections
import contextlib
import os
import pickle
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.weights.pt_allowed import Refused, Symbol
from backend.node.weights.pt_pickle import read_pickle
from backend.node.weights.pt_pickle_writer import write_pickle
from backend.node.weights.pt_structure import structure_of
from backend.node.weights.pt_values import EnumValue, Fields, Opaque, StorageRef, TensorRef, TorchDtype

SCALARS = st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats(allow_nan=False)
PLAIN = st.recursive(
    SCALARS | st.text(),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=20,
)


class Calls:
    """A pickle that calls `function` when a plain unpickler opens it."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


@given(PLAIN, st.sampled_from([2, 3, 4, 5]))
def test_plain_values_come_back_from_every_protocol(value: Any, protocol: int) -> None:
    assert read_pickle(pickle.dumps(value, protocol)) == value


@given(PLAIN)
def test_what_is_written_is_what_python_reads_and_what_is_read_here(value: Any) -> None:
    pickled, leaves = write_pickle(value)
    assert pickle.loads(pickled) == value
    assert read_pickle(pickled) == value
    assert leaves == []


def test_a_namespace_is_its_attributes_and_dicts_of_all_kinds_are_dicts() -> None:
    made: Any = collections.defaultdict(dict, b=1)
    content = {"args": argparse.Namespace(x=[1, "y"]), "o": collections.OrderedDict(a=1), "d": made}
    for protocol in (2, 4):
        found = read_pickle(pickle.dumps(content, protocol))
        assert isinstance(found["args"], Fields)
        assert found == {"args": {"x": [1, "y"]}, "o": {"a": 1}, "d": {"b": 1}}


def test_an_enum_of_megatron_and_a_dtype_stay_names() -> None:
    pickled = b"\x80\x02(cmegatron.core.enums\nModelType\nK\x01\x85Rctorch\nbfloat16\nt."
    assert read_pickle(pickled) == (EnumValue("megatron.core.enums.ModelType", 1), TorchDtype("bf16"))


def test_random_states_of_numpy_are_opaque() -> None:
    np = pytest.importorskip("numpy")
    state = {"np_rng_state": np.random.RandomState(0).get_state(), "scalar": np.float64(3)}
    for protocol in (2, 4):
        found = structure_of(read_pickle(pickle.dumps(state, protocol))).rest
        name, array, place = found["np_rng_state"][:3]
        assert (name, place) == ("MT19937", 624)
        assert isinstance(array, Opaque)
        assert isinstance(found["scalar"], Opaque)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Calls(os.system, "false"), f"{os.system.__module__}.system"),
        (Calls(subprocess.Popen, ["false"]), ".Popen"),
        (Calls(eval, "1"), "eval"),
        (Calls(getattr, [], "append"), "getattr"),
        (Calls(print, 1), "print"),
        (Calls(__import__, "os"), "__import__"),
        (Calls(open, "x"), "open"),
        ({"deep": [Calls(os.remove, "x")]}, "remove"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_any_other_name_is_refused_by_its_name(value: Any, name: str, protocol: int) -> None:
    with pytest.raises(Refused) as caught:
        read_pickle(pickle.dumps(value, protocol))
    # Protocol 0 has instructions that no file of torch uses.
    assert name in str(caught.value) or (protocol == 0 and "instruction" in str(caught.value))


@pytest.mark.parametrize(
    "body",
    [
        b"ctorch\nload\n)R",
        b"ctorch._utils\n_rebuild_tensor_v3\n)R",
        b"ctorch.bfloat16.__class__\n__init__\n",
        b"cmegatron.core.enums.ModelType\n__init__\n",
        b"cmegatron.enums\nos.system\n)R",
        b"ctorch\nHalfStorage\n)R",
        b"cnumpy\nndarray\n)R",
        b"ccollections\nOrderedDict\n(]tR",
        b"X\x01\x00\x00\x00a)R",
        b"cargparse\nNamespace\n}X\x08\x00\x00\x00__init__K\x01sb",
        b"cargparse\nNamespace\n)\x81]b",
        b"cargparse\nNamespace\n)\x81}K\x01K\x01sb",
        b"]}b",
        b"X\x01\x00\x00\x00aQ",
        b"(X\x07\x00\x00\x00storagectorch\nHalfStorage\nK\x01K\x01J\xff\xff\xff\xfftQ",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R",
        b"ctorch._utils\n_rebuild_parameter\n(K\x01tR",
        b"ios\nsystem\n",
        b"\x82\x01",
        b"}]K\x01s",
        b"}))s",
        b"K",
        b"h\x05",
        b"e",
        b"t",
        b"\x87",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x8b\xff\xff\xff\xff",
        b"\x80\x09",
        b"",
    ],
)
def test_hostile_and_damaged_pickles_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        read_pickle(b"\x80\x02" + body + b".")


def test_nothing_can_be_set_on_a_name() -> None:
    with pytest.raises(Refused, match="argparse"):
        Symbol("argparse.Namespace").name = "x"


def test_a_large_memo_number_takes_no_memory() -> None:
    assert read_pickle(b"\x80\x02Nr\xff\xff\xff\xff.") is None


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_value_or_a_refusal(data: bytes) -> None:
    with contextlib.suppress(Refused):
        structure_of(read_pickle(b"\x80\x02" + data))


@given(st.data())
def test_a_changed_byte_ends_in_a_value_or_a_refusal(data: st.DataObject) -> None:
    content = bytearray(pickle.dumps({"a": argparse.Namespace(b=[1, 2.0, "c"]), "d": {1: (None,)}}, 2))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Refused):
        structure_of(read_pickle(bytes(content)))


def test_what_contains_itself_or_is_nested_without_end_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    doubled: list[Any] = []
    for _level in range(60):
        doubled = [doubled, doubled]
    for value in (loop, doubled):
        with pytest.raises(Refused, match="contains itself"):
            structure_of(read_pickle(pickle.dumps(value, 2)))
    with pytest.raises(Refused, match="contains itself"):
        structure_of(read_pickle(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."))


def test_tensors_are_apart_from_everything_else() -> None:
    tensor = TensorRef(StorageRef("0", "fp32", 6), 0, (2, 3), (3, 1))
    parts = structure_of({"a": {"b": tensor, "c": None}, "l": [tensor, 1], "t": (1,)})
    assert parts.tensors == {"a/b": tensor, "l/0": tensor}
    assert parts.nested["a"]["b"] == ((2, 3), "fp32")
    assert parts.rest == {"a": {"c": None}, "l": [None, 1], "t": (1,)}
    with pytest.raises(Refused, match="two tensors are called a/b"):
        structure_of({"a": {"b": tensor}, "a/b": tensor})
