"""What `npudeck parse npu-smi` prints of an answer: JSON of the kind's own shape, or a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from backend.catalog.fault_code_files import find_fault_code
from backend.cli import output
from backend.cli.visible_text import visible
from backend.events import DeviceReading
from backend.probes.answer import Answer, Value, to_json
from backend.probes.npu_smi_info import NpuSmiInfo
from backend.probes.recognise import Document
from backend.translation import _


def print_document(document: Document, others: tuple[Answer, ...], *, as_json: bool) -> None:
    """`others`: what the same file says beside a table; in JSON they are `more`, where there are any."""
    if as_json:
        more = {"more": [answer.to_json() for answer in others]} if others else {}
        output.print_json(document_json(document) | more)
        return
    if isinstance(document, NpuSmiInfo):
        _print_info(document)
    elif isinstance(document, dict):
        _print_table(document)
    for answer in document if isinstance(document, tuple) else others:
        _print_answer(answer)


def notes_of(document: Document) -> list[str]:
    """Which of several tables was read, whether it is whole, and what npu-smi said after the last one."""
    if not isinstance(document, NpuSmiInfo):
        return []
    last = _("{count} tables of npu-smi info, the last one is read")
    short = _("{count} tables of npu-smi info, table {shown} is read: what comes after it is cut short")
    text = last if document.shown == document.tables else short
    notes = [text.format(count=document.tables, shown=document.shown)] if document.tables > 1 else []
    if document.cut:
        notes.append(_cut_words(document))
    elif document.devices and document.tool_version and not document.lists_processes:
        notes.append(_("it lists no processes: an old npu-smi prints none, or the text is cut short"))
    if document.complaint:
        notes.append(_("after its last table: {line}").format(line=visible(document.complaint)))
    return notes


def _cut_words(info: NpuSmiInfo) -> str:
    if info.lists_processes:
        return _("the table is cut short: processes may be missing")
    if not info.devices:
        return _("the table is cut short before its first card: nothing is known of any")
    last = info.devices[-1]
    words = _("the table is cut short after NPU {npu} chip {chip}: nothing is known of those behind it")
    return words.format(npu=last.npu_id, chip=last.chip_id)


def document_json(document: Document) -> dict[str, Any]:
    """`info`, `-m`, `-l` and topo have shapes of their own; the rest is an answer with its kind.

    `tables` and `shown` are there only where a file holds several tables, `cut` where it ends within one.
    """
    if isinstance(document, dict):
        return document
    if isinstance(document, tuple):
        return to_json(document)
    processes = [asdict(process) for process in document.processes]
    for process in processes:
        del process["container_pid"]
    several = {"tables": document.tables, "shown": document.shown} if document.tables > 1 else {}
    return {
        "tool_version": document.tool_version,
        "devices": [asdict(device) for device in document.devices],
        "processes": processes,
        **several,
        **({"cut": True} if document.cut else {}),
    }


def _print_info(info: NpuSmiInfo) -> None:
    version = info.tool_version or _("unknown")
    text = _("npu-smi {version}, chips: {devices}, processes: {processes}")
    text += _(", cut short") if info.cut else ""
    output.print_line(text.format(version=version, devices=len(info.devices), processes=len(info.processes)))
    if info.devices:
        columns = [_("NPU"), _("chip"), _("name"), _("health"), "W", "°C", "AICore %", _("memory MB")]
        output.print_table(columns, [_device_row(device) for device in info.devices])


def _device_row(device: DeviceReading) -> list[str]:
    # HBM where there is any; 310 has only DDR
    used, total = device.hbm_used_mb, device.hbm_total_mb
    if total is None:
        used, total = device.memory_used_mb, device.memory_total_mb
    return [
        str(device.npu_id),
        str(device.chip_id),
        visible(device.name),
        visible(device.health),
        _shown(device.power_w),
        _shown(device.temp_c),
        _shown(device.aicore_pct),
        f"{_shown(used)} / {_shown(total)}",
    ]


def _print_table(table: Mapping[str, Any]) -> None:
    """`-m` and `-l` have rows; topo has links."""
    if "links" in table:
        names = list(dict.fromkeys(name for links in table["links"].values() for name in links))
        rows = [[name, *(links.get(other, "-") for other in names)] for name, links in table["links"].items()]
        output.print_table(["", *names], rows)
        return
    entries = table.get("mapping", table.get("npus", []))
    if not entries:
        output.print_line(_("no NPU"))
        return
    columns = list(entries[0])
    output.print_table(
        columns, [[visible(_shown(entry.get(column))) for column in columns] for entry in entries]
    )


def _print_answer(answer: Answer) -> None:
    output.print_line(
        _("{kind}, NPU {npu}, chip {chip}").format(
            kind=visible(answer.kind), npu=_shown(answer.npu_id), chip=_shown(answer.chip_id)
        )
    )
    units = answer.extra.get("units", {})
    for name, value in answer.values.items():
        output.print_line(visible(f"  {name}: {_value(value)} {units.get(name, '')}".rstrip()))
        if name == "Error Code":
            _print_meanings(value)
    for name, more in answer.extra.items():
        if name == "units":
            continue
        if isinstance(more, list):
            output.print_line(visible(f"  {name}:"))
            for entry in more:
                output.print_line(visible(f"    {_entry(entry)}"))
        else:
            output.print_line(visible(f"  {name}: {_entry(more)}"))


def _print_meanings(codes: Value) -> None:
    """What is published of each code."""
    for code in codes if isinstance(codes, tuple) else ():
        entry = find_fault_code(str(code))
        if entry is not None:
            words = [entry.meaning, entry.level.value if entry.level else ""]
            output.print_line(visible(f"    {code}: {', '.join(word for word in words if word)}"))


def _entry(entry: Any) -> str:
    if isinstance(entry, Mapping):
        return ", ".join(f"{name} {_value(value)}" for name, value in entry.items())
    return _value(entry)


def _value(value: Any) -> str:
    if not isinstance(value, tuple):
        return _shown(value)
    words = [_value(part) for part in value]
    return ("; " if any(" " in word for word in words) else " ").join(words)


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
