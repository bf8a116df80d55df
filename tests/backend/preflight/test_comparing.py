"""What must be the same on all nodes, clocks, stale processes, and how much a run will write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.catalog.catalog_files import find_model
from backend.catalog.parameters import parameter_count
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.checkpoint_size import checkpoint_need, kept_versions
from backend.preflight.compare import compared
from backend.preflight.item import Finding, Item, Status, well
from backend.preflight.meeting import judge_clocks, read_clock
from backend.preflight.stale_item import stale_item
from backend.recipes.fields import Recipe

NODES = tuple(Node(f"n{number}", "h", "192.0.2.1", 8, "/ws") for number in range(8))
DRIVER = Item("driver", "", (), lambda done: well(""), same=Status.WRONG)


def findings(*values: str) -> list[Finding]:
    return [
        Finding("driver", f"n{place}", Status.OK, value, "", value=value)
        for place, value in enumerate(values)
    ]


def test_the_node_that_deviates_is_named_with_what_the_others_have() -> None:
    found = compared([DRIVER], findings("23.0.5", "23.0.5", "23.0.6", "23.0.5"))
    assert [one.status for one in found] == [Status.OK, Status.OK, Status.WRONG, Status.OK]
    assert found[2].found == "23.0.6; n[0-1,3] have 23.0.5"


def test_where_nobody_is_in_the_majority_all_are_named() -> None:
    found = compared([DRIVER], findings("a", "b"))
    assert {one.status for one in found} == {Status.WRONG}
    assert {one.status for one in compared([DRIVER], findings("a", "a"))} == {Status.OK}
    assert {one.status for one in compared([DRIVER], findings("a"))} == {Status.OK}


def test_a_clock_that_is_apart_from_the_others() -> None:
    offsets = {node.name: (100.0, 0.01) for node in NODES}
    offsets["n3"] = (102.5, 0.01)
    bad = [one for one in judge_clocks(NODES, offsets, {}) if one.status is not Status.OK]
    assert [(one.node, one.found) for one in bad] == [("n3", "+2.5 s")]
    # an answer that took long proves nothing
    offsets["n3"] = (102.5, 2.0)
    assert all(one.status is Status.OK for one in judge_clocks(NODES, offsets, {}))


def test_a_node_that_does_not_tell_its_time_is_not_left_out() -> None:
    offsets = {node.name: (100.0, 0.01) for node in NODES[1:]}
    first = judge_clocks(NODES, offsets, {"n0": "date: not found"})[0]
    assert (first.node, first.status, first.found) == ("n0", Status.UNKNOWN, "date: not found")


@pytest.mark.parametrize(
    ("said", "clock"),
    [
        ("npudeck-clock 1700000000.25", 1700000000.25),
        ("npudeck-clock 1700000000.%N", 1700000000.0),
        ("hi\nnpudeck-clock 17", 17.0),
        ("npudeck-clock soon", None),
        ("", None),
    ],
)
def test_a_clock_is_read(said: str, clock: float | None) -> None:
    assert read_clock(Completed(0, said.encode(), b"")) == clock


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("12 root 7300 python3 /x/pretrain_gpt.py --tp 8", True),
        ("12 root 10 /opt/bin/torchrun --nproc 8 a.py", True),
        ("12 root 10 /opt/bin/python3.9 /opt/bin/torchrun --nproc 8 a.py", True),
        ("12 root 10 python -m torch.distributed.launch a.py", True),
        ("12 root 10 sh scripts/llama2/0_pl_lora_70b.sh", True),
        (
            "12 root 10 python3 -u /ws/.npudeck/code/ab12/node.zip train /ws/.npudeck/runs/r7-ab/train.json",
            True,
        ),
        ("12 root 10 vim pretrain_gpt.py", False),
        ("12 root 10 grep torchrun", False),
        ("12 root 10 python3 serve.py", False),
    ],
)
def test_what_counts_as_training(line: str, found: bool) -> None:
    verdict = stale_item().judge(Completed(0, f"npudeck-ps 1 root 9 init\nnpudeck-ps {line}\n".encode(), b""))
    assert (verdict.status is Status.WRONG) is found
    if ".npudeck" in line:
        assert "r7-ab" in verdict.fix
        # a run is ended by npudeck stop alone
        assert verdict.repair is None


RECIPE = Recipe(
    model="llama2-7b", data_path="/d", hf_weights="/w", train_iterations=1000, save_interval=100, samples=1
)


@pytest.mark.parametrize(
    ("changes", "versions"),
    [({}, 11), ({"save_interval": 1000}, 1), ({"keep_last": 2}, 3), ({"keep_last": 50}, 11)],
)
def test_how_many_checkpoints_lie_there_at_once(changes: dict[str, int], versions: int) -> None:
    assert kept_versions(replace(RECIPE, **changes)) == versions


def test_how_much_a_run_writes() -> None:
    architecture = find_model("llama2-7b").architecture
    count = parameter_count(architecture)
    one = replace(RECIPE, save_interval=1000)
    assert checkpoint_need(one, architecture, "/s", "RUN").size == 14 * count + 2 * count
    need = checkpoint_need(replace(one, from_scratch=True, convert_to_hf=True), architecture, "/s", "RUN")
    assert need.size == 14 * count + 2 * count
    assert need.directory == "/s/saved_dir_for_output/llama2-7b/saved_models/pretrain/RUN"
    lora = checkpoint_need(replace(one, run_type="lora", lora_rank=16), architecture, "/s", "RUN")
    # the whole model in bf16, and little beside it
    assert 4 * count < lora.size < 4.3 * count
