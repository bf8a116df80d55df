from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from backend.node.job_lines import JobError
from backend.node.weights import safe_load, shards

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.torch


def save(folder: Path, iteration: int, value: float = 1.0, tp: int = 1, pp: int = 1) -> None:
    model = {"decoder.final_layernorm.weight": torch.full((4,), value), "output_layer._extra_state": None}
    extra = {
        "optimizer": {"step": iteration, "groups": [{"lr": 0.1, "betas": (0.9, 0.95)}]},
        "consumed_samples": 7,
    }
    for tp_rank in range(tp):
        for pp_rank in range(pp):
            shards.save_rank(
                str(folder), iteration, tp_rank, pp_rank, tp, pp, model, extra, {"num_layers": 2}
            )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save(tmp_path, 10, 3.0)
    shards.publish(str(tmp_path), 10)
    model = shards.load_rank(str(tmp_path), 0, 0, 1, 1)
    assert list(model) == ["decoder.final_layernorm.weight"]
    assert torch.equal(model["decoder.final_layernorm.weight"], torch.full((4,), 3.0))
    content = shards.read_rank(str(tmp_path), 0, 0, 1, 1)
    assert content["iteration"] == 10
    assert content["consumed_samples"] == 7
    assert content["optimizer"]["groups"][0]["betas"] == (0.9, 0.95)
    assert (content["args"].num_layers, content["args"].tensor_model_parallel_size) == (2, 1)


def test_a_checkpoint_counts_only_after_publish(tmp_path: Path) -> None:
    assert shards.latest_iteration(str(tmp_path)) is None
    save(tmp_path, 10, 1.0)
    shards.publish(str(tmp_path), 10)
    save(tmp_path, 20, 2.0)
    assert shards.latest_iteration(str(tmp_path)) == 10
    assert shards.load_rank(str(tmp_path), 0, 0, 1, 1)["decoder.final_layernorm.weight"][0] == 1.0
    shards.publish(str(tmp_path), 20)
    assert shards.load_rank(str(tmp_path), 0, 0, 1, 1)["decoder.final_layernorm.weight"][0] == 2.0
    assert (tmp_path / shards.TRACKER).read_bytes() == b"20"


def test_names_of_the_tree(tmp_path: Path) -> None:
    save(tmp_path, 1, tp=2, pp=2)
    save(tmp_path, 2, tp=2)
    found = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("*.pt"))
    assert found == [
        "iter_0000001/mp_rank_00_000",
        "iter_0000001/mp_rank_00_001",
        "iter_0000001/mp_rank_01_000",
        "iter_0000001/mp_rank_01_001",
        "iter_0000002/mp_rank_00",
        "iter_0000002/mp_rank_01",
    ]


def test_a_release_is_read(tmp_path: Path) -> None:
    save(tmp_path, 1)
    os.rename(tmp_path / "iter_0000001", tmp_path / "release")
    (tmp_path / shards.TRACKER).write_text("release\n")
    assert shards.latest_iteration(str(tmp_path)) is None
    assert shards.load_rank(str(tmp_path), 0, 0, 1, 1)


def test_a_view_is_saved_without_its_base(tmp_path: Path) -> None:
    base = torch.zeros(1_000_000)
    shards.save_rank(
        str(tmp_path), 1, 0, 0, 1, 1, {"a": base[:10], "b": base.view(1000, 1000)[:2].t()}, {}, {}
    )
    path = tmp_path / "iter_0000001" / "mp_rank_00" / shards.RANK_FILE
    assert path.stat().st_size < 100_000


def test_another_layout_is_refused(tmp_path: Path) -> None:
    save(tmp_path, 1, tp=2)
    shards.publish(str(tmp_path), 1)
    with pytest.raises(JobError, match="no such file"):
        shards.load_rank(str(tmp_path), 0, 0, 2, 2)
    with pytest.raises(JobError, match="is not a rank file for TP 4") as caught:
        shards.load_rank(str(tmp_path), 1, 0, 4, 1)
    assert caught.value.why == "it was made for TP 2, PP 1"


def test_no_tree_is_said(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="there is no checkpoint"):
        shards.load_rank(str(tmp_path), 0, 0, 1, 1)


def test_a_legacy_tree_is_said(tmp_path: Path) -> None:
    shards.write_rank_file(
        str(tmp_path / "iter_0000001" / "mp_rank_00"),
        1,
        {"language_model": {}},
        {},
        {"tensor_model_parallel_size": 1},
    )
    shards.publish(str(tmp_path), 1)
    with pytest.raises(JobError, match="not in mcore format"):
        shards.load_rank(str(tmp_path), 0, 0, 1, 1)


def test_a_cut_off_file_is_said(tmp_path: Path) -> None:
    save(tmp_path, 1)
    shards.publish(str(tmp_path), 1)
    path = tmp_path / "iter_0000001" / "mp_rank_00" / shards.RANK_FILE
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(JobError, match="cannot read"):
        shards.load_rank(str(tmp_path), 0, 0, 1, 1)


class Attack:
    """Would make a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("load", [safe_load.load_tensors, safe_load.load_by_name])
def test_nothing_in_a_file_runs(tmp_path: Path, load: object) -> None:
    torch.save({"model": Attack(tmp_path / "hit")}, tmp_path / "bad.pt")
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        load(str(tmp_path / "bad.pt"))  # type: ignore[operator]
    assert not (tmp_path / "hit").exists()


def test_args_are_builtin_values_and_dtypes(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"args\.save"):
        shards.save_rank(str(tmp_path), 1, 0, 0, 1, 1, {}, {}, {"save": Path("/somewhere")})


def test_a_failed_save_leaves_the_last_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1, 1.0)
    shards.publish(str(tmp_path), 1)

    def full(_content: object, stream: object) -> None:
        stream.write(b"half")  # type: ignore[attr-defined]
        raise RuntimeError("[enforce fail at inline_container.cc] unexpected pos")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(JobError, match="cannot write"):
        save(tmp_path, 1, 2.0)
    monkeypatch.undo()
    assert shards.load_rank(str(tmp_path), 0, 0, 1, 1)["decoder.final_layernorm.weight"][0] == 1.0
    assert [path.name for path in tmp_path.rglob("*tmp*")] == []
