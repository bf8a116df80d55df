"""No bytes make a parser raise, take long, or call a card well that is not."""

from __future__ import annotations

import json
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.events import Health
from backend.probes.answer import to_json
from backend.probes.npu_smi_info import NpuSmiInfo, parse
from backend.probes.npu_smi_layout import LONGEST_TEXT
from backend.probes.recognise import beside, read, read_answers
from tests.backend.probes.answer_texts import CASES, LIST, MAPPING_A3, TOPOLOGY

TEXTS = [text for text, _expected in CASES.values()] + [LIST, MAPPING_A3, TOPOLOGY]
PIECES = [line for text in TEXTS for line in text.splitlines()]
HEAD = (
    "| NPU   Name            | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|\n"
    "| Chip                  | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |\n"
)


def is_sound(text: str) -> None:
    """It is read, and what comes out can be written as JSON."""
    document = read(text)
    if isinstance(document, dict):
        json.dumps(document, allow_nan=False)
    elif not isinstance(document, NpuSmiInfo):
        json.dumps(to_json(document), allow_nan=False)
    assert read_answers(text)
    json.dumps([answer.to_json() for answer in beside(text)], allow_nan=False)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    is_sound(data.decode("utf-8", "replace"))
    is_sound(data.decode("latin-1"))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=40), max_size=25))
def test_lines_of_all_kinds_in_any_order(lines: list[str]) -> None:
    is_sound("\n".join(lines))


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_an_answer_cut_or_damaged_anywhere(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    is_sound(text[:start] + data.draw(st.text(max_size=20)) + text[end:])


BAD_WORDS = [
    "Warning",
    "Alarm",
    "Critical",
    "UNKNOWN",
    "NOK",
    "ok",
    "OKAY",
    "",
    "NA",
    "-",
    "0xFFFFFFFF",
    "O K",
]


@settings(deadline=None)
@given(
    st.sampled_from(BAD_WORDS),
    st.integers(0, 999),
    st.integers(0, 120),
    st.integers(0, 65536),
    st.sampled_from(["", "\x1b[31m", "2026-01-01 00:00:01 "]),
)
def test_another_word_than_ok_never_becomes_ok(
    word: str, watts: int, temp: int, used: int, prefix: str
) -> None:
    row = f"{prefix}| 0     910B3 | {word} | {watts}.0 {temp} 0 / 0 |\n"
    usage = f"{prefix}| 0           | 0000:C1:00.0 | 0 0 / 0 {used} / 65536 |\n"
    for device in parse(HEAD + row + usage).devices:
        assert device.health != Health.OK


@settings(deadline=None)
@given(st.sampled_from(["910B3", "", "xxx"]), st.sampled_from(["0.0", "0", "NA", "-"]), st.integers(0, 9))
def test_a_row_of_zeros_is_never_ok(name: str, watts: str, npu: int) -> None:
    row = f"| {npu}  {name} | OK | {watts} 0 0 / 0 |\n| 0 | NA | 0 0 / 0 0 / 0 |\n"
    [device] = parse(HEAD + row).devices
    assert device.health == Health.UNKNOWN


HOSTILE = {
    "one line of 10 MB": "x" * 10_000_000,
    "10 MB of newlines": "\n" * 10_000_000,
    "10 MB of bars": "|" * 10_000_000,
    "zeros": "\0" * 10_000_000,
    "colours without end": "\x1b[31m" * 2_000_000,
    "rows without end": ("| 0 910B3 | OK | 1.0 1 0 / 0 |\n| 0 | 0000:C1:00.0 | 1 0 / 0 1 / 2 |\n" * 150_000),
    "chips without end": "Chip ID : 1\nx : 2\n" * 500_000,
    "names without end": "".join(f"n{number} : {number}\n" for number in range(500_000)),
    "sections without end": "Chassis ID TLV\n" * 700_000,
    "changes without end": "current time : x\n" + "Tue Jun  6 16:32:12 2023    LINK UP\n" * 200_000,
    "a text without end": "Error Information : x\n" + " y\n" * 2_000_000,
    "a topology of itself": "NPU0 NPU1\n" + "NPU0 X X\n" * 900_000,
    "prompts": ("# " * 150 + "npu-smi\n") * 30_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_costs_little_time_and_memory(name: str) -> None:
    text = HOSTILE[name]
    began = time.process_time()
    document = read(text)
    # about 2 s for 4 MiB of the dearest text on a slow core; a node's frame is 16 times smaller
    assert time.process_time() - began < 20
    shown = document if isinstance(document, dict) else repr(document)
    assert len(str(shown)) < 4 * LONGEST_TEXT


def test_hostile_text_is_not_copied_many_times() -> None:
    text = HOSTILE["chips without end"]
    tracemalloc.start()
    read(text)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * LONGEST_TEXT


@pytest.mark.parametrize(
    "mark", ["[red]", "[/]", "<b>", "{0}", "%s", "$(reboot)", "`reboot`", "\u202e", "[link=x]"]
)
def test_markup_in_names_is_text(mark: str) -> None:
    row = f"| 3 a{mark}b | OK | 90.0 41 0 / 0 |\n| 0 | 0000:C1:00.0 | 0 0 / 0 3000 / 65536 |\n"
    [device] = parse(HEAD + row).devices
    assert device.name == f"a{mark}b"
