"""The `npu-smi` of a demo node: answers `info`, `info -l`, `-m`, some `-t` and `-v` in the real tool's form.

Run as `python -S -E -m backend.demo.npu_simulator …` by the node's own bin/npu-smi, which sets DEMO_NPUS,
DEMO_FAULTS and DEMO_NPU_STATE; and as its bin/hccn_tool, with the word `hccn_tool` before the arguments.
Nothing but the standard library is imported: an answer takes 50 ms.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from backend.demo import marked_processes
from backend.demo.hccn_text import hccn_text
from backend.demo.npu_faults import LOST, faults_of
from backend.demo.npu_load import read_chips
from backend.demo.npu_smi_text import TOOL_VERSION, Chip, detail_text, info_text, list_text, mapping_text


def main(argv: Sequence[str]) -> int:
    """Print what is asked for; 1 and a complaint for what this simulator does not know."""
    count = int(os.environ["DEMO_NPUS"])
    if list(argv[:1]) == ["hccn_tool"]:
        return _hccn(argv[1:], count)
    there = [
        number for number in range(count) if faults_of(os.environ["DEMO_FAULTS"]).get(number) is not LOST
    ]
    if list(argv) == ["info"]:
        sys.stdout.write(info_text([chip for chip in _chips(count) if chip.npu_id in there]))
    elif list(argv) == ["info", "-l"]:
        sys.stdout.write(list_text(there))
    elif list(argv) == ["info", "-m"]:
        sys.stdout.write(mapping_text(there))
    elif list(argv) == ["-v"]:
        sys.stdout.write(f"npu-smi version: {TOOL_VERSION}\n")
    elif list(argv[:2]) == ["info", "-t"]:
        return _detail(argv[2:], count)
    else:
        sys.stderr.write(
            "this simulated npu-smi knows: info, info -l, info -m, info -t KIND -i N [-c 0], -v\n"
        )
        return 1
    return 0


def _chips(count: int) -> list[Chip]:
    return read_chips(
        os.environ.get(marked_processes.FLEET, ""),
        os.environ.get(marked_processes.NODE, ""),
        count,
        faults_of(os.environ["DEMO_FAULTS"]),
        os.environ["DEMO_NPU_STATE"],
    )


def _hccn(argv: Sequence[str], count: int) -> int:
    """`-i N -KIND -g`."""
    number = argv[1] if len(argv) == 4 and argv[0] == "-i" and argv[3] == "-g" else ""
    if not number.isdecimal() or int(number) >= count:
        sys.stdout.write("hccn_tool: invalid parameter.\n")
        return 1
    fault = faults_of(os.environ["DEMO_FAULTS"]).get(int(number))
    text = hccn_text(argv[2].lstrip("-"), int(number), link_up=fault is None or fault.link_up)
    sys.stdout.write(text or f"This device does not support querying {argv[2][1:]}.\n")
    return 0 if text else 1


def _detail(argv: Sequence[str], count: int) -> int:
    """`KIND -i N [-c 0]`. What a device does not have is said as the real tool says it, with status 0."""
    kind = argv[0] if argv else ""
    options = dict(zip(argv[1::2], argv[2::2]))  # noqa: B905
    number = options.get("-i", "")
    if not number.isdecimal() or int(number) >= count or options.get("-c", "0") != "0":
        sys.stdout.write("Invalid card id.\nError parameter of -i\n")
        return 1
    text = detail_text(kind, _chips(count)[int(number)], one_chip="-c" in options)
    sys.stdout.write(text or f"This device does not support querying {kind}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
