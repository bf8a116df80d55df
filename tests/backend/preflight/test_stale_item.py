"""Training from before: told with its figures for one node, and so that many nodes fit into one row."""

from __future__ import annotations

import pytest

from backend.cli.check_report import grouped
from backend.fleet.transport import Completed
from backend.preflight.item import Finding, Status, Verdict, finding_of
from backend.preflight.stale_item import stale_item

TORCHRUN = "/opt/bin/torchrun --nproc 8 a.py"
OF_A_RUN = "python3 -u /ws/.npudeck/code/ab12/node.zip train /ws/.npudeck/runs/r7-ab/train.json"


def judged(*rows: str) -> Verdict:
    text = "".join(f"npudeck-ps {row}\n" for row in ("1 root 9 init", *rows))
    return stale_item().judge(Completed(0, text.encode(), b""))


def on(node: str, verdict: Verdict) -> Finding:
    return finding_of(stale_item(), node, verdict)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((f"12 root 7300 {TORCHRUN}",), "process 12 of root, for 2 h 1 min: torchrun"),
        ((f"12 root 5 {TORCHRUN}",), "process 12 of root, for 5 s: torchrun"),
        (
            (f"12 root 61 {TORCHRUN}", f"13 root 90 {TORCHRUN}"),
            "processes 12,13 of root, for 1 min 30 s: torchrun",
        ),
        (
            (f"12 root 200000 {TORCHRUN}", f"13 eve 90 {TORCHRUN}"),
            "process 12 of root, for 2 d 7 h: torchrun, and 1 more",
        ),
        ((f"12 root 9 {OF_A_RUN}", f"13 root 9 {OF_A_RUN}"), "processes 12,13 of root, for 9 s: run r7-ab"),
        ((f"12 root soon {TORCHRUN}",), "process 12 of root, for ?: torchrun"),
    ],
)
def test_one_node_is_told_of_with_its_figures(rows: tuple[str, ...], words: str) -> None:
    assert judged(*rows).found == words


def test_every_process_id_is_in_the_command_that_ends_them() -> None:
    verdict = judged(*(f"{pid} root 9 {TORCHRUN}" for pid in range(100, 140)))
    assert verdict.repair is not None
    assert verdict.repair.argv == ("kill", *(str(pid) for pid in range(100, 140)))
    assert not verdict.repair.safe
    assert "115…" in verdict.found


def test_nodes_in_the_same_situation_are_one_row() -> None:
    """Process ids and seconds differ on each of them."""
    same = [on(f"n{place}", judged(f"{100 + place} root {7300 + place} {TORCHRUN}")) for place in range(64)]
    ((item, status, nodes, shown),) = grouped(same)
    assert (item, status, len(nodes)) == ("stale_processes", Status.WRONG, 64)
    assert shown.found == "a process of root, for hours: torchrun"
    assert same[3].found == "process 103 of root, for 2 h 1 min: torchrun"
    # alone it keeps its figures
    assert grouped(same[:1])[0][3].found == "process 100 of root, for 2 h 1 min: torchrun"


def test_other_situations_are_rows_of_their_own() -> None:
    rows = grouped(
        [
            on("n1", judged(f"12 root 7300 {TORCHRUN}")),
            on("n2", judged(f"12 root 30 {TORCHRUN}")),
            on("n3", judged(f"12 eve 7300 {TORCHRUN}")),
            on("n4", judged(f"12 root 7300 {TORCHRUN}", f"13 root 7300 {TORCHRUN}")),
            on("n5", judged(f"12 root 7300 {OF_A_RUN}")),
            on("n6", judged()),
        ]
    )
    assert [nodes for _item, _status, nodes, _found in rows] == [
        ("n1",), ("n2",), ("n3",), ("n4",), ("n5",), ("n6",),
    ]  # fmt: skip


def test_a_figure_of_one_node_is_not_said_of_all() -> None:
    ((*_row, shown),) = grouped([on("n1", judged()), on("n2", judged("7 root 1 sshd"))])
    assert shown.found == "none among 1 processes (n1)"
    ((*_row, shown),) = grouped([on("n1", judged()), on("n2", judged())])
    assert shown.found == "none among 1 processes"
