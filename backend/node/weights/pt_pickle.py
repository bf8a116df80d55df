"""Reads the pickle of a torch file without running it: by an interpreter of our own."""

from __future__ import annotations

import mmap
import struct
from gettext import gettext as _
from typing import Any, Tuple, Union

from backend.node.weights.pt_allowed import Refused
from backend.node.weights.pt_instructions import STEPS
from backend.node.weights.pt_machine import Machine

_STOP = ord(".")


def read_pickle(data: bytes) -> Any:
    """The value that `data` describes: builtin containers and scalars, and the values of `pt_values`.

    Raises Refused for a name that is not in the list of `pt_allowed`, and for damaged data.
    """
    return read_pickle_at(data, 0)[0]


def read_pickle_at(data: Union[bytes, mmap.mmap], start: int) -> Tuple[Any, int]:
    """The same for a pickle from the byte `start`; also where it ends."""
    machine = Machine(data, start)
    try:
        return _run(machine), machine.at
    except (IndexError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise Refused(_("its pickle is damaged")) from error


def _run(machine: Machine) -> Any:
    data = machine.data
    while True:
        code = data[machine.at]
        machine.at += 1
        if code == _STOP:
            return machine.stack.pop()
        step = STEPS.get(code)
        if step is None:
            text = _("its pickle has the instruction {code}, which is not supported")
            raise Refused(text.format(code=f"0x{code:02x}"))
        step(machine)
