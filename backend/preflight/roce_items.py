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

# words: how many of the chips that npu-smi lists, seconds for each of them. hccn_tool knows a chip by its
# physical number; for a 950 it has another command line, and no address for each NPU (Huawei's reference).
# All are asked at the same time, and only asked (-g)
_ASK = """
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/local/Ascend/driver/tools
command -v hccn_tool >/dev/null 2>&1 || { echo 'npudeck-roce absent'; exit 0; }
map=$(LC_ALL=C npu-smi info -m 2>&1 </dev/null | head -c 100000)
chips=$(printf '%s\\n' "$map" | awk '
    /NPU ID/ { form = /Slot ID/ ? "950" : /Phy-ID/ ? "physical" : "plain"; next }
    form != "" && $1 ~ /^[0-9]+$/ && $3 ~ /^[0-9]+$/ { print form, (form == "physical" ? $4 : $1) }
' | head -n "$1")
[ -n "$chips" ] || { printf 'npudeck-roce unlisted %s\\n' "$(printf '%s\\n' "$map" | tail -n 1)"; exit 0; }
limited=
command -v timeout >/dev/null 2>&1 && limited="timeout $2"
ask() {
    chip=$1 what=$2
    shift 2
    { $limited hccn_tool "$@" 2>&1 </dev/null || echo "exit code $?"; } | head -c 4000 |
        sed "s/^/npudeck-roce $chip $what /" &
}
printf '%s\\n' "$chips" | {
    while read -r form chip; do
        echo "npudeck-roce chip $chip $form"
        if [ "$form" = 950 ]; then
            ask "$chip" tls -g -tls -i "$chip"
        else
            ask "$chip" ip -i "$chip" -ip -g
            ask "$chip" tls -i "$chip" -tls -g
        fi
    done
    wait
}
"""
_EACH_S = 7
_LATE = "exit code 124"  # of timeout(1)
_CHIP = re.compile(r"chip (\d{1,4}) (950|physical|plain)$")
_ADDRESS = re.compile(r"(\d{1,4}) ip ipaddr:\s*([0-9a-fA-F.:]{3,45})\s*$")
_MASK = re.compile(r"(\d{1,4}) ip netmask:\s*([0-9a-fA-F.:/]{1,45})\s*$")
_NO_ADDRESS = re.compile(r"(\d{1,4}) ip .*no ip was preset")
_SWITCH = re.compile(r"(\d{1,4}) tls .*?tls switch\[(\d)\]")


def roce_items(node: Node, setting: Setting) -> tuple[Item, ...]:
    """None where one node or no NPU computes: nothing goes over this network then."""
    if len(setting.nodes) < 2 or node.device != "npu":
        return ()
    argv = script(_ASK, str(setting.npus(node)), str(_EACH_S))
    return (
        Item("roce_ip", _("an address of its own for every NPU"), argv, _judge_addresses, timeout_s=15.0),
        Item(
            "tls",
            _("on or off, the same everywhere"),
            argv,
            _judge_switches,
            timeout_s=15.0,
            same=Status.WRONG,
        ),
    )


def _judge_addresses(done: Completed) -> Verdict:
    said = lines_after(done.text(), "npudeck-roce ")
    chips = _chips(done, said)
    if isinstance(chips, Verdict):
        return chips
    if all(form == "950" for form in chips.values()):
        return Verdict(Status.SKIPPED, _("the NPUs of this generation have no address of their own"))
    found = {int(match[1]): match[2] for match in map(_ADDRESS.match, said) if match}
    bare = {int(match[1]) for match in map(_NO_ADDRESS.match, said) if match}
    if without := [npu for npu in chips if npu in bare and npu not in found]:
        words = _("NPU {npus} has no address").format(npus=_numbers(without))
        return wrong(words, _("hccn_tool -i N -ip -s address … netmask …, and -gateway, as root"))
    if silent := [npu for npu in chips if npu not in found]:
        return _silent(said, "ip", silent)
    masks = sorted({match[2] for match in map(_MASK.match, said) if match})
    addresses = [found[npu] for npu in chips]
    shown = f"{addresses[0]}…{addresses[-1]}" if len(addresses) > 1 else addresses[0]
    return Verdict(Status.OK, short(f"{shown} {' '.join(masks)}"), value=" ".join(addresses))


def _judge_switches(done: Completed) -> Verdict:
    said = lines_after(done.text(), "npudeck-roce ")
    chips = _chips(done, said)
    if isinstance(chips, Verdict):
        return chips
    found = {int(match[1]): match[2] for match in map(_SWITCH.match, said) if match}
    if silent := [npu for npu in chips if npu not in found]:
        return _silent(said, "tls", silent)
    values = sorted({found[npu] for npu in chips})
    fix = _("set it alike on every chip: hccn_tool -i N -tls -s enable 0 (or 1), as root")
    if "950" in chips.values():
        fix = _("set it alike on every chip: hccn_tool -s -tls -i N -enable 0 (or 1), as root")
    if len(values) > 1:
        off = _numbers([npu for npu in chips if found[npu] == "0"])
        return wrong(_("on for some chips, off for NPU {npus}").format(npus=off), fix)
    return Verdict(Status.OK, _("on") if values[0] == "1" else _("off"), fix, value=values[0])


def _chips(done: Completed, said: list[str]) -> dict[int, str] | Verdict:
    """By the number that hccn_tool knows a chip by, the command line that it wants."""
    if said == ["absent"]:
        return wrong(_("hccn_tool is not found"), _("install the NPU driver"))
    for line in said:
        if line.startswith("unlisted"):
            words = short(line.removeprefix("unlisted"), 100)
            return unknown(_("`npu-smi info -m` lists no NPU: {said}").format(said=words or _("no answer")))
    chips = {int(match[1]): match[2] for match in map(_CHIP.match, said) if match}
    return chips or unknown(short(done.complaint()))


def _silent(said: list[str], what: str, npus: list[int]) -> Verdict:
    """With the words of the first of them, where it has any."""
    own = [line.removeprefix(f"{npus[0]} {what} ") for line in said if line.startswith(f"{npus[0]} {what} ")]
    words = short(own[0], 80) if own else _("no answer")
    if words == _LATE:
        words = _("no answer within {seconds} s").format(seconds=_EACH_S)
    return unknown(
        _("hccn_tool says nothing of NPU {npus}: {said}").format(npus=_numbers(npus), said=words),
        _("ask as root: most of what hccn_tool knows is for root alone"),
    )


def _numbers(npus: list[int]) -> str:
    return ",".join(map(str, npus[:16])) + ("…" if len(npus) > 16 else "")


def repeated_addresses(values: dict[str, str]) -> dict[str, tuple[str, str]]:
    """By node, an address of one of its NPUs that an NPU of another node has too, and that node."""
    owner: dict[str, str] = {}
    found: dict[str, tuple[str, str]] = {}
    for name, addresses in values.items():
        for address in addresses.split():
            if owner.setdefault(address, name) != name:
                found.setdefault(name, (address, owner[address]))
    return found
