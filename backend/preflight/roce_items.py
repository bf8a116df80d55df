"""The NPUs' own network: every chip has an address, and TLS is on for all or for none. Pure.

HCCL cannot connect chips whose TLS switches differ.
"""

from __future__ import annotations

import re

from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import Item, Status, Verdict, lines_after, script, short, unknown, wrong
from backend.preflight.setting import Setting
from backend.translation import _

# word: how many chips; all are asked at the same time, and only asked (-g)
_ASK = """
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/local/Ascend/driver/tools
command -v hccn_tool >/dev/null 2>&1 || { echo 'npudeck-roce absent'; exit 0; }
chip=0
while [ "$chip" -lt "$1" ]; do
    for what in ip tls; do
        hccn_tool -i "$chip" -$what -g 2>&1 </dev/null | head -c 4000 | sed "s/^/npudeck-roce $chip $what /" &
    done
    chip=$((chip + 1))
done
wait
"""
_ADDRESS = re.compile(r"(\d{1,4}) ip ipaddr:\s*([0-9a-fA-F.:]{3,45})\s*$")
_MASK = re.compile(r"(\d{1,4}) ip netmask:\s*([0-9a-fA-F.:/]{1,45})\s*$")
_SWITCH = re.compile(r"(\d{1,4}) tls .*?tls switch\[(\d)\]")


def roce_items(node: Node, setting: Setting) -> tuple[Item, ...]:
    """None where one node or no NPU computes: nothing goes over this network then."""
    if len(setting.nodes) < 2 or node.device != "npu":
        return ()
    npus = setting.npus(node)
    argv = script(_ASK, str(npus))

    def addresses(done: Completed) -> Verdict:
        said = lines_after(done.text(), "npudeck-roce ")
        if (refused := _absent(done, said)) is not None:
            return refused
        found = {int(match[1]): match[2] for match in map(_ADDRESS.match, said) if match}
        bare = [str(npu) for npu in range(npus) if npu not in found]
        if bare:
            words = _("NPU {npus} has no address").format(npus=",".join(bare[:16]))
            return wrong(words, _("hccn_tool -i N -ip -s address … netmask …, and -gateway, as root"))
        masks = sorted({match[2] for match in map(_MASK.match, said) if match})
        shown = f"{found[0]}…{found[npus - 1]}" if npus > 1 else found[0]
        return Verdict(
            Status.OK, short(f"{shown} {' '.join(masks)}"), value=" ".join(found[npu] for npu in range(npus))
        )

    def switches(done: Completed) -> Verdict:
        said = lines_after(done.text(), "npudeck-roce ")
        if (refused := _absent(done, said)) is not None:
            return refused
        found = {int(match[1]): match[2] for match in map(_SWITCH.match, said) if match}
        if any(npu not in found for npu in range(npus)):
            return unknown(_("hccn_tool says nothing of some switches"))
        values = sorted(set(found.values()))
        fix = _("set it alike on every chip: hccn_tool -i N -tls -s enable 0 (or 1), as root")
        if len(values) > 1:
            off = ",".join(str(npu) for npu in sorted(found) if found[npu] == "0")
            return wrong(_("on for some chips, off for NPU {npus}").format(npus=off), fix)
        return Verdict(Status.OK, _("on") if values[0] == "1" else _("off"), fix, value=values[0])

    return (
        Item("roce_ip", _("an address of its own for every NPU"), argv, addresses),
        Item("tls", _("on or off, the same everywhere"), argv, switches, same=Status.WRONG),
    )


def _absent(done: Completed, said: list[str]) -> Verdict | None:
    if said == ["absent"]:
        return wrong(_("hccn_tool is not found"), _("install the NPU driver"))
    return None if said else unknown(short(done.complaint()))


def repeated_addresses(values: dict[str, str]) -> dict[str, tuple[str, str]]:
    """By node, an address of one of its NPUs that an NPU of another node has too, and that node."""
    owner: dict[str, str] = {}
    found: dict[str, tuple[str, str]] = {}
    for name, addresses in values.items():
        for address in addresses.split():
            if owner.setdefault(address, name) != name:
                found.setdefault(name, (address, owner[address]))
    return found
