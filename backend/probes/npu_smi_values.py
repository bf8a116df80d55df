"""The `name : value` answers of `npu-smi info -t …`: one block a chip, whose `Chip ID` opens or closes it.

Formats: Huawei npu-smi reference; npu_info_print.c of the open-source driver (hicann/driver): a tab, the name
in 30 columns (ecc: 40), ` : `, the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from backend.probes.answer import Answer, Collected, Value, pair_of
from backend.probes.answer_sections import Section

MOST_BLOCKS = 512
# these go on over several lines
_TEXTS = frozenset({"Error Information", "Fault Event Information"})
_HEADER = frozenset({"NPU ID", "Card ID", "Chip Count", "Slot ID"})
_PROCESS = re.compile(
    r"Process id\s*:\s*(\d{1,9})\s+Process name\s*:\s*(.*?)\s+Process memory\(MB\)\s*:\s*(\d{1,9})"
)
_CODE = re.compile(r"(?:0x)?([0-9A-Fa-f]{8,9})")


def _any(*parts: str) -> Callable[[set[str]], bool]:
    return lambda names: any(part in name for name in names for part in parts)


# the first that fits; the names are in lower case
_KINDS: tuple[tuple[str, Callable[[set[str]], bool]], ...] = (
    ("hccs", lambda names: any(name.startswith(("hccs ", "xlink ")) for name in names)),
    ("ecc-enable", _any("ecc-enable", "ecc enable")),
    ("ecc", _any("bit error count", "isolated page", "pending retire")),
    ("current-fault-event", _any("fault event")),
    ("health", lambda names: bool(names & {"health", "health status", "error code", "error information"})),
    ("pcie-err", _any("lcrc", "ecrc")),
    ("sio-info", lambda names: any(name.startswith(("sio ", "tx error", "rx error")) for name in names)),
    ("flash", _any("flash")),
    ("common", _any("curfreq", "memory usage rate")),
    ("usages", _any("usage rate", "npu utilization")),
    ("memory", _any("clock speed", "hbm capacity", "ddr capacity")),
    ("spod-info", _any("sdid", "super pod")),
    ("board", _any("board id", "chip version", "software version", "pcb id", "pcie bus info")),
    ("freq", _any("freq")),
    ("product", lambda names: any(name.startswith("product ") for name in names)),
    ("volt", _any("voltage")),
    ("sensors", lambda names: sum("temperature" in name or "ntc" in name for name in names) > 1),
    ("power", _any("power")),
    ("temp", _any("temperature")),
    ("proc-mem", _any("process memory")),
    ("sys-time", _any("system time")),
    ("version", lambda names: names == {"npu-smi version"}),
    ("reset", lambda names: names == {"message", "status"}),
)


class _Block(Collected):
    def __init__(self, npu_id: int | None, chip_id: int | None = None) -> None:
        super().__init__()
        self.npu_id = npu_id
        self.chip_id = chip_id
        self.texts: dict[str, list[str]] = {}


class _Blocks:
    """Where we are. `closes`: this answer names the chip after its values; None until that is known."""

    def __init__(self, section: Section) -> None:
        self.npu_id = section.device
        self.asked_chip = section.chip
        self.closes: bool | None = None
        self.done: list[_Block] = []
        self.current = _Block(self.npu_id, self.asked_chip)

    def close(self) -> None:
        if (self.current.values or self.current.texts) and len(self.done) < MOST_BLOCKS:
            self.done.append(self.current)
        self.current = _Block(self.npu_id, self.asked_chip)

    def take(self, name: str, text: str) -> None:
        if name in ("NPU ID", "Card ID"):
            if self.npu_id is not None and self._has_own():
                self.close()
            self.npu_id = self.current.npu_id = _id(text)
        elif name == "Chip ID":
            self._chip(_id(text))
        elif name == "Chip Name" and self.current.chip_id is not None and text.lower() == "mcu":
            self.close()
            self.current.chip_id = None
            self.current.add(name, text)
        else:
            if name in self.current.values and name not in _TEXTS:
                chip_id = self.current.chip_id
                self.close()
                self.current.chip_id = chip_id
            self._add(name, text)

    def _chip(self, chip_id: int | None) -> None:
        if self.closes is None:
            self.closes = self._has_own()
        if self.closes:
            self.current.chip_id = chip_id
            self.close()
        else:
            if self._has_own():
                self.close()
            self.current.chip_id = chip_id

    def _has_own(self) -> bool:
        return bool(self.current.texts) or any(name not in _HEADER for name in self.current.values)

    def _add(self, name: str, text: str) -> None:
        if name in _TEXTS:
            self.current.texts.setdefault(name, []).append(text)
        elif name == "Error Code":
            self.current.values[name] = codes_in(text)
        else:
            self.current.add(name, text)

    def go_on(self, text: str, *, new: bool) -> None:
        """A line without a name: one more entry of the last text (`: entry`), or more of its last entry."""
        if not self.current.texts or not text:
            return
        entries = list(self.current.texts.values())[-1]
        if new or not entries:
            entries.append(text)
        elif len(entries[-1]) < 4096:
            entries[-1] = f"{entries[-1]} {text}".strip()


def read_values(section: Section) -> tuple[Answer, ...]:
    """The answers of one `-t` query, a chip each, the controller last; empty when there is no pair in it."""
    blocks = _Blocks(section)
    processes = []
    for line in section.lines:
        process = _PROCESS.search(line)
        if process:
            processes.append(dict(zip(_PROCESS_NAMES, _process(process), strict=True)))
            continue
        pair = pair_of(line)
        # `event state=…` goes on with a text; a name has letters and no `=`
        if pair and pair[0] and "=" not in pair[0]:
            blocks.take(*pair)
        elif pair and not pair[0]:
            blocks.go_on(pair[1], new=True)
        elif line[:1] in " \t":
            blocks.go_on(line.strip(), new=False)
    blocks.close()
    if processes and not blocks.done:
        return (Answer("proc-mem", section.device, section.chip, {}, {"rows": processes[:MOST_BLOCKS]}),)
    names = {name for block in blocks.done for name in (*block.values, *block.texts)}
    kind = section.kind or kind_of(names) or "unknown"
    return tuple(
        Answer(kind, block.npu_id, block.chip_id, _values(block), block.extra()) for block in blocks.done
    )


_PROCESS_NAMES = ("Process id", "Process name", "Process memory(MB)")


def kind_of(names: set[str]) -> str:
    """The `-t` word that asks for these names; empty when none is known to."""
    lower = {name.lower() for name in names}
    return next((kind for kind, fits in _KINDS if lower and fits(lower)), "")


def codes_in(text: str) -> tuple[str, ...]:
    """`A4025021 8C03A000`: the codes in capitals without 0x; none for NA or a board's decimal number."""
    words = text.replace(",", " ").split()
    return tuple(match.group(1).upper() for word in words if (match := _CODE.fullmatch(word)))


def _values(block: _Block) -> dict[str, Value]:
    texts = {
        name: tuple(entry for entry in entries if entry not in ("", "NA"))
        for name, entries in block.texts.items()
    }
    return block.values | texts


def _process(match: re.Match[str]) -> tuple[int, str, int]:
    return int(match.group(1)), match.group(2).strip(), int(match.group(3))


def _id(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
