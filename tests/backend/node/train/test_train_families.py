"""Every family's logits are those of its own code, from the same folder through a real conversion."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from native_cases import free_port, rank_environment

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("safetensors")

from family_models import NATIVE, PLAIN, converted_job, write_model  # noqa: E402

pytestmark = pytest.mark.torch

IDS = torch.arange(2 * 24).reshape(2, 24) * 5 % 67
# One of each kind of attention, position and head; heads that two ranks can share.
ON_TWO_RANKS = ("llama3", "qwen2-tied", "chatglm3", "baichuan2-rotary", "baichuan2-alibi", "qwen")
DEADLINE_S = 180.0


def assert_close(found: Any, expected: Any) -> None:
    assert expected.abs().max() > 1.0
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", [*NATIVE, *PLAIN])
def test_logits_are_those_of_the_family(name: str, tmp_path: Path) -> None:
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job
    from backend.node.train.tree_weights import TreeWeights

    expected = write_model(name, tmp_path / name, IDS)
    job, grid = read_train_job(converted_job(tmp_path, name)), Grid(0, 1, 1, 1)
    weights = TreeWeights(job.load_directory, grid)
    replica = Replica(job, grid, Groups(None, None, None, None), torch.device("cpu"), weights)
    with torch.no_grad():
        assert_close(replica.stage(IDS), expected)


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Logits of two tensor parallel processes, and what they should be."""
    folder = tmp_path_factory.mktemp("families")
    expected, plan = {}, []
    for name in ON_TWO_RANKS:
        expected[name] = write_model(name, folder / name, IDS)
        plan.append({"name": name, "job": converted_job(folder, name, tp=2), "port": free_port()})
        split = {**plan[-1]["job"], "sequence_parallel": True, "seq_length": IDS.shape[1]}
        plan.append({"name": f"{name}-sequence", "job": split, "port": free_port()})
    torch.save(IDS, folder / "ids.pt")
    (folder / "plan.json").write_text(json.dumps(plan))
    worker = str(Path(__file__).with_name("logits_worker.py"))
    running = [
        subprocess.Popen(
            [sys.executable, worker, str(folder / "plan.json"), str(rank)], env=rank_environment()
        )
        for rank in range(2)
    ]
    try:
        assert [process.wait(DEADLINE_S) for process in running] == [0, 0]
    finally:
        for process in running:
            process.kill()
            process.wait()
    return folder, expected


@pytest.mark.parametrize("kind", ["", "-sequence"])
@pytest.mark.parametrize("name", ON_TWO_RANKS)
def test_two_tensor_parallel_ranks_answer_the_same(
    name: str, kind: str, two_ranks: tuple[Path, dict[str, Any]]
) -> None:
    folder, expected = two_ranks
    pieces = [torch.load(folder / f"{name}{kind}-{rank}.pt") for rank in range(2)]
    assert_close(torch.cat(pieces, -1)[..., :67], expected[name])
