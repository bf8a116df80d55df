"""The few instructions of pickles that torch files need, by their code.

Source: the comments of Python's `pickletools`.
"""

from __future__ import annotations

import struct
from gettext import gettext as _
from typing import Any, Callable, Dict

from backend.node.weights.pt_allowed import Refused, storage, symbol
from backend.node.weights.pt_machine import Machine


def _push(value: Any) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(value)


def _push_text(width: int, encoding: str = "utf-8") -> Callable[[Machine], None]:
    # Halves of surrogate pairs, which pickle lets through, could not be printed.
    return lambda machine: machine.stack.append(
        machine.take(machine.number(width)).decode(encoding, "replace")
    )


def _push_bytes(width: int) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(machine.take(machine.number(width)))


def _push_number(width: int) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(machine.number(width))


def _push_signed(machine: Machine) -> None:
    machine.stack.append(int.from_bytes(machine.take(4), "little", signed=True))


def _push_long(width: int) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        machine.stack.append(int.from_bytes(machine.take(machine.number(width)), "little", signed=True))

    return step


def _push_float(machine: Machine) -> None:
    machine.stack.append(struct.unpack(">d", machine.take(8))[0])


def _tuple_of(count: int) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        if len(machine.stack) < count:
            raise IndexError
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return step


def _tuple_since_mark(machine: Machine) -> None:
    items = tuple(machine.since_mark())
    machine.stack.append(items)


def _list_since_mark(machine: Machine) -> None:
    items = machine.since_mark()
    machine.stack.append(items)


def _set_item(machine: Machine) -> None:
    value = machine.stack.pop()
    machine.set_items([machine.stack.pop(), value])


def _put(width: int) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        machine.memo[machine.number(width)] = machine.stack[-1]

    return step


def _memoize(machine: Machine) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _get(width: int) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(machine.memo[machine.number(width)])


def _global(machine: Machine) -> None:
    module = machine.line()
    machine.stack.append(symbol(module, machine.line()))


def _persistent(machine: Machine) -> None:
    machine.stack.append(storage(machine.stack.pop()))


def _protocol(machine: Machine) -> None:
    if machine.number(1) > 5:
        raise Refused(_("its pickle is of a newer protocol"))


STEPS: Dict[int, Callable[[Machine], None]] = {
    0x80: _protocol,
    0x95: lambda machine: (machine.take(8), None)[1],  # FRAME
    ord("("): Machine.mark,
    ord("0"): lambda machine: (machine.stack.pop(), None)[1],
    ord("1"): lambda machine: (machine.since_mark(), None)[1],
    ord("N"): _push(None),
    0x88: _push(True),
    0x89: _push(False),
    ord("J"): _push_signed,
    ord("K"): _push_number(1),
    ord("M"): _push_number(2),
    0x8A: _push_long(1),
    0x8B: _push_long(4),
    ord("G"): _push_float,
    ord("X"): _push_text(4),
    0x8C: _push_text(1),
    0x8D: _push_text(8),
    # Strings of Python 2, and bytes.
    ord("T"): _push_text(4, "latin-1"),
    ord("U"): _push_text(1, "latin-1"),
    ord("B"): _push_bytes(4),
    ord("C"): _push_bytes(1),
    0x8E: _push_bytes(8),
    ord("]"): lambda machine: machine.stack.append([]),
    ord("a"): lambda machine: machine.append([machine.stack.pop()]),
    ord("e"): lambda machine: machine.append(machine.since_mark()),
    ord("l"): _list_since_mark,
    ord(")"): _push(()),
    ord("t"): _tuple_since_mark,
    0x85: _tuple_of(1),
    0x86: _tuple_of(2),
    0x87: _tuple_of(3),
    ord("}"): lambda machine: machine.stack.append({}),
    ord("s"): _set_item,
    ord("u"): lambda machine: machine.set_items(machine.since_mark()),
    ord("q"): _put(1),
    ord("r"): _put(4),
    0x94: _memoize,
    ord("h"): _get(1),
    ord("j"): _get(4),
    ord("c"): _global,
    0x93: Machine.stack_global,
    ord("R"): Machine.call,
    0x81: Machine.call,  # NEWOBJ: class and arguments
    ord("b"): Machine.build,
    ord("Q"): _persistent,
}
