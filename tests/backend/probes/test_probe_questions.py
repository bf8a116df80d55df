"""probe.sh's slower questions: only such as read, each within its time, under every shell that is here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from backend.probes.probe_plan import CODES, FrameHeader, parse_frames, probe_argv
from backend.state.question_times import DETAILS

PROBE_SH = Path(__file__).resolve().parents[3] / "backend" / "node" / "agents" / "probe.sh"
SHELLS = [
    shell
    for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"], ["sh"])
    if shutil.which(shell[0]) is not None
]
NPU_SMI = """\
echo "$0 $*" >>"$ASKED"
case "$*" in
info) echo table ;;
"info -m")
    printf '\\tNPU ID   Chip ID   Chip Logic ID  Chip Name\\n'
    printf '\\t0   0   0   Ascend 910B3\\n\\t0   1   -   Mcu\\n\\t5  0  1  Ascend 910B3\\n'
    ;;
*) echo "asked $*" ;;
esac
"""


@pytest.fixture
def node(tmp_path: Path) -> dict[str, str]:
    """A node's PATH and environment; every command line that its tools get is written down."""
    install(tmp_path, "npu-smi", NPU_SMI)
    install(tmp_path, "hccn_tool", 'echo "$0 $*" >>"$ASKED"; echo "hccn $*"')
    return {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "ASKED": str(tmp_path / "asked"),
        "ASCEND_ROOT": str(tmp_path / "Ascend"),
    }


def install(folder: Path, name: str, script: str) -> None:
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def ask(
    node: dict[str, str], *arguments: str, shell: list[str] | None = None
) -> list[tuple[FrameHeader, str]]:
    argv = [*(shell or ["sh"]), str(PROBE_SH), *arguments]
    done = subprocess.run(
        argv, env=node, capture_output=True, timeout=60, check=True, stdin=subprocess.DEVNULL
    )
    frames = list(parse_frames(done.stdout))
    assert sum(header.size for header, _said in frames) + done.stdout.count(b"\nnpudeck-probe") > 0
    return frames


def asked(node: dict[str, str]) -> list[str]:
    return [line.rpartition("/")[2] for line in Path(node["ASKED"]).read_text().splitlines()]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_kind_for_every_chip(node: dict[str, str], shell: list[str]) -> None:
    frames = ask(node, "0", "1", "health=1", "link_stat=1", "pcie-err=1", shell=shell)
    assert [(header.kind, header.npu_id, header.chip_id, header.phy_id) for header, _ in frames] == [
        ("info", None, None, None),
        ("health", 0, 0, 0),
        ("health", 5, 0, 5),
        ("link_stat", 0, 0, 0),
        ("link_stat", 5, 0, 5),
        ("pcie-err", 0, 0, 0),
        ("pcie-err", 5, 0, 5),
    ]
    assert frames[2][1] == "asked info -t health -i 5 -c 0\n"
    assert frames[4][1] == "hccn -i 5 -link_stat -g\n"


def test_the_physical_id_of_an_a3_and_the_other_tool_of_a_950(node: dict[str, str], tmp_path: Path) -> None:
    a3 = "NPU ID Chip ID Chip Logic ID Chip Phy-ID Chip Name\\n3 1 7 15 Ascend910\\n"
    install(tmp_path, "npu-smi", f'if [ "$2" = -m ]; then printf "{a3}"; else echo table; fi')
    [_info, (header, said)] = ask(node, "0", "1", "link=1")
    assert (header.npu_id, header.chip_id, header.phy_id, said) == (3, 1, 15, "hccn -i 15 -link -g\n")
    new = "NPU ID Slot ID Chip ID Chip Phy-ID Chip Name\\n2 0 0 6 x\\n"
    install(tmp_path, "npu-smi", f'if [ "$2" = -m ]; then printf "{new}"; else echo "table $*"; fi')
    [_info, health, events, link] = ask(node, "0", "1", "health=1", "link=1", "fec=1")
    assert (health[0].npu_id, health[0].chip_id, health[1]) == (2, None, "table info -t health -i 2\n")
    assert (events[0].kind, events[1]) == ("current-fault-event", "table info -t current-fault-event -i 2\n")
    # this generation's tool takes the NPU's id as well, not the chip's physical one
    assert link[1] == "hccn -g -ub_connect -i 2\n"


ALLOWED = re.compile(
    r"npu-smi info|npu-smi info -m|npu-smi info -t [a-z-]+ -i \d+( -c \d+)?"
    r"|hccn_tool -i \d+ -[a-z_]+ -g|hccn_tool -g -ub_connect -i \d+"
)


def test_nothing_but_reading_forms_is_ever_run(node: dict[str, str]) -> None:
    frames = ask(node, "0", "1", *probe_argv("", 0, 1, DETAILS)[6:])
    assert {header.kind for header, _said in frames} == {"info", *DETAILS}
    lines = asked(node)
    # two chips, and two kinds that are about the host; the table and the mapping
    assert len(lines) == 2 * (len(DETAILS) - 2) + 2
    assert [line for line in lines if not ALLOWED.fullmatch(line)] == []


def test_the_script_has_no_other_call_of_the_tools() -> None:
    """By its text: each line that runs one of the tools has a reading form."""
    code = [line.split("#")[0] for line in PROBE_SH.read_text().splitlines()]
    calls = {line.strip() for line in code if re.search(r"\brun \d+ (npu-smi|hccn_tool)\b", line)}
    assert len(calls) == 7
    for call in calls:
        assert re.fullmatch(r"run \d+ (npu-smi info( .*)?|hccn_tool (-g .*|.* -g))", call), call
    others = [line for line in code if re.search(r"npu-smi|hccn_tool", line) and line.strip() not in calls]
    assert [line.strip() for line in others] == ["command -v hccn_tool >/dev/null || continue"]
    words = " ".join(code)
    for word in (" -s ", "reset", " set ", "clear", "recovery", "upgrade", "-cfg"):
        assert word not in words.replace("set -- ", "").replace("set -u", "")


@pytest.mark.parametrize(
    "word", ["reset=1", "health;reboot=1", "$(reboot)=1", "set=1", "../x=1", "health=x", "=1"]
)
def test_other_words_ask_nothing(node: dict[str, str], word: str) -> None:
    frames = ask(node, "0", "1", word)
    assert [header.kind for header, _said in frames if header.kind not in ("health",)] == ["info"]
    assert [line for line in asked(node) if not ALLOWED.fullmatch(line)] == []


def test_the_plans_ask_for_kinds_that_the_script_knows(node: dict[str, str]) -> None:
    text = PROBE_SH.read_text()
    for kind in {*DETAILS, *CODES}:
        assert re.search(rf"(^|[| ]){re.escape(kind)}( \||\))", text, re.MULTILINE), kind


@pytest.mark.parametrize("without_timeout", [False, True])
def test_a_question_that_hangs_is_given_up(
    node: dict[str, str], tmp_path: Path, without_timeout: bool
) -> None:
    install(tmp_path, "hccn_tool", "sleep 60")
    if without_timeout:
        folder = tmp_path / "few"
        folder.mkdir()
        for name in ("sh", "sleep", "head", "tail", "wc", "date", "tr", "cat", "setsid"):
            (folder / name).symlink_to(shutil.which(name) or name)
        node["PATH"] = f"{tmp_path}:{folder}"
    install(tmp_path, "npu-smi", NPU_SMI.replace("\\t5  0  1  Ascend 910B3\\n", ""))
    began = time.monotonic()
    frames = ask(node, "0", "1", "link=1", shell=[shutil.which("sh") or "sh"])
    assert time.monotonic() - began < 30
    assert [(header.kind, header.exit_code) for header, _said in frames] == [("info", 0), ("link", 124)]


def test_endless_output_is_cut(node: dict[str, str], tmp_path: Path) -> None:
    install(tmp_path, "npu-smi", f'[ "$2" = -t ] && exec yes; {NPU_SMI}')
    frames = ask(node, "0", "1", "ecc=1")
    assert [(header.exit_code, header.size <= 262145) for header, _said in frames[1:]] == [(141, True)] * 2


def test_binary_output_keeps_the_frames_apart(node: dict[str, str], tmp_path: Path) -> None:
    odd = "[ \"$2\" = -t ] && printf '\\377\\376 rc=7 \\303\\n\\n\\n' && exit 3"
    install(tmp_path, "npu-smi", f"{odd}\n{NPU_SMI}")
    frames = ask(node, "0", "1", "ecc=1", "health=1")
    assert [(header.kind, header.exit_code, said) for header, said in frames[1:]] == [
        ("ecc", 3, "\ufffd\ufffd rc=7 \ufffd\n"),
        ("ecc", 3, "\ufffd\ufffd rc=7 \ufffd\n"),
        ("health", 3, "\ufffd\ufffd rc=7 \ufffd\n"),
        ("health", 3, "\ufffd\ufffd rc=7 \ufffd\n"),
    ]


def test_versions_and_host_are_read_here(node: dict[str, str], tmp_path: Path) -> None:
    driver = tmp_path / "Ascend" / "driver"
    driver.mkdir(parents=True)
    (driver / "version.info").write_text("Version=24.1.0\nascendhal_version=1\n")
    frames = ask(node, "0", "1", "host=1", "versions=1")
    assert [header.kind for header, _said in frames] == ["info", "host", "versions"]
    assert "[driver]\nVersion=24.1.0\n" in frames[2][1]
    assert "[meminfo]\nMemTotal:" in frames[1][1]


def test_the_table_comes_at_its_own_pace(node: dict[str, str], tmp_path: Path) -> None:
    """Eight chips and kinds that are always due: a table of all cards still comes every second or two."""
    rows = "".join(f"{npu} 0 {npu} Ascend\\n" for npu in range(8))
    install(
        tmp_path,
        "npu-smi",
        f'case "$2" in -m) printf "NPU ID Chip ID Chip Logic ID Chip Name\\n{rows}" ;;\n'
        "-t) sleep 0.3 ;; esac\n"
        "echo table",
    )
    probe = subprocess.Popen(
        ["sh", str(PROBE_SH), "1", "0", "health=0", "ecc=0"],
        env=node,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert probe.stdin is not None
    time.sleep(8)
    probe.stdin.close()
    assert probe.stdout is not None
    frames = list(parse_frames(probe.stdout.read()))
    probe.stdout.close()
    probe.wait(timeout=30)
    kinds = [header.kind for header, _said in frames]
    assert kinds.count("info") >= 3
    assert kinds.count("pause") >= 3
    # nobody is left out: the next pause goes on where the last one ended
    asked_for = [header.npu_id for header, _said in frames if header.kind == "health"]
    assert asked_for == [npu % 8 for npu in range(len(asked_for))]
    assert len(asked_for) >= 4


def test_a_node_without_cards_is_not_asked_again_and_again(node: dict[str, str], tmp_path: Path) -> None:
    install(tmp_path, "npu-smi", NPU_SMI.replace("\\t0   0   0", "x").replace("\\t5  0  1", "x"))
    frames = ask(node, "0", "1", *probe_argv("", 0, 1, DETAILS)[6:])
    assert {header.kind for header, _said in frames} == {"info", "host", "versions"}
    assert asked(node).count("npu-smi info -m") == 1
