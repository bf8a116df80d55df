"""Lines within a terminal's width."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

from rich.cells import cell_len

from backend.cli.word_wrap import hang, prose, table_lines

COLUMNS = ("NODE", "STATE", "REMARK")
ROWS = [
    ("n1", "held", "high bandwidth memory of the chip reports errors again and again"),
    ("n2-long-name", "free", ""),
]


def test_without_a_terminal_a_row_is_a_line() -> None:
    assert list(table_lines(COLUMNS, ROWS)) == [
        "NODE          STATE  REMARK",
        "n1            held   high bandwidth memory of the chip reports errors again and again",
        "n2-long-name  free",
    ]
    assert prose("  why: " + "word " * 40 + "end", None) == ["  why: " + "word " * 40 + "end"]


def test_the_last_column_is_wrapped_under_itself() -> None:
    assert list(table_lines(COLUMNS, ROWS, 50)) == [
        "NODE          STATE  REMARK",
        "n1            held   high bandwidth memory of the",
        "                     chip reports errors again and",
        "                     again",
        "n2-long-name  free",
    ]


def test_without_room_beside_the_others_it_stands_below() -> None:
    assert list(table_lines(COLUMNS, ROWS, 34)) == [
        "NODE          STATE",
        "    REMARK",
        "n1            held",
        "    high bandwidth memory of the",
        "    chip reports errors again and",
        "    again",
        "n2-long-name  free",
    ]


def test_many_columns_take_several_lines_and_keep_every_character() -> None:
    columns = ("NODE", "HOST", "KIND", "FINGERPRINT")
    print_ = "SHA256:" + "x" * 43
    row = ("a-node", "192.168.100.200:22022", "ssh-ed25519", print_)
    lines = list(table_lines(columns, [row], 40))
    assert lines == [
        "NODE    HOST",
        "    KIND",
        "    FINGERPRINT",
        "a-node  192.168.100.200:22022",
        "    ssh-ed25519",
        f"    {print_}",
    ]


def test_prose_hangs_below_its_start_and_keeps_commands_whole() -> None:
    text = "warning: n1\n  first: take it out of use: npudeck fleet drain n1; have it repaired or replaced"
    assert prose(text, 40) == [
        "warning: n1",
        "  first: take it out of use:",
        "    npudeck fleet drain n1; have it",
        "    repaired or replaced",
    ]
    assert prose("see `npudeck health --deep n1` for all of it", 28) == [
        "see",
        "  `npudeck health --deep n1`",
        "  for all of it",
    ]


def test_wide_characters_count_twice() -> None:
    lines = prose("训练 训练 训练 训练 训练 训练", 12)
    assert len(lines) > 1
    assert all(cell_len(line) <= 12 for line in lines)


def test_a_head_without_room_stands_alone() -> None:
    assert hang("work directory     ", "/a/very/long/path", 30, 19) == [
        "work directory     /a/very/long/path"
    ]


PROGRAM = """
from backend.cli.output import print_prose, print_table
print_table(("A", "B"), [("x", "one two three four five")])
print_prose("one two three four five six seven")
"""
REMARK = """
from backend.cli.diagnostics import say
say("one two three four five six seven")
"""


def in_terminal(columns: int, extra: dict[str, str], program: str = PROGRAM) -> list[str]:
    """What the program prints in a terminal of that many columns; a remark while stdout is a file."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"} | extra
    out, err = (subprocess.DEVNULL, theirs) if program == REMARK else (theirs, None)
    argv = [sys.executable, "-c", program]
    subprocess.run(argv, stdout=out, stderr=err, env=environment, check=True, timeout=60)
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 65536):
            said += piece
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    return said.decode().replace("\r\n", "\n").splitlines()


WRAPPED = ["A  B", "x  one two three four", "   five", "one two three four five", "  six seven"]


def test_remarks_fit_the_terminal_that_shows_them() -> None:
    assert in_terminal(24, {}, REMARK) == WRAPPED[-2:]


def test_a_terminal_is_asked_for_its_width() -> None:
    assert in_terminal(24, {}) == WRAPPED
    assert in_terminal(80, {"COLUMNS": "24"}) == WRAPPED
    whole = ["A  B", "x  one two three four five", "one two three four five six seven"]
    assert in_terminal(80, {}) == whole
    piped = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"COLUMNS": "24"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert piped.stdout.splitlines() == whole
