"""Runs in every state, put into a desk."""

from __future__ import annotations

import math

from fake_desk import NOW, FakeDesk, created

from backend.events import (
    CheckpointSaved,
    Event,
    IterationLogged,
    LogGapFound,
    NodeLinkChanged,
    RunStateChanged,
    RunStatus,
    StageChanged,
    StageName,
    StageProgressed,
    StageStatus,
)


def loss_at(iteration: int) -> float:
    return 2.0 + 4.9 * math.exp(-iteration / 30) + 0.06 * math.sin(iteration * 1.7)


def iteration(run_id: str, number: int, at: float, total: int = 120) -> IterationLogged:
    return IterationLogged(
        run_id, at, 1, number, total, number * 8, 480.0, 3e-3, 8, loss_at(number), 1.0, 0.9, 0, 0, None,
        533.0 + 20 * math.sin(number / 9), "train/demo-2", number * 300,
    )  # fmt: skip


def log_line(number: int, total: int = 120) -> str:
    return (
        f" [2026-11-23 12:11:{number % 60:02d}] iteration {number:8d}/{total:8d} | "
        f"consumed samples: {number * 8:12d} | "
        f"elapsed time per iteration (ms): 480.0 | learning rate: 3.000E-03 | global batch size:     8 | "
        f"lm loss: {loss_at(number):.6E} | loss scale: 1.0 | grad norm: 0.912 | "
        "number of skipped iterations:   0 | number of nan iterations:   0 |"
    )


def stages_done(
    run_id: str, at: float, upto: StageName, nodes: tuple[str, ...] = ("demo-1", "demo-2")
) -> list[Event]:
    """Stages before `upto` done, `upto` running, 7 s each; an export only of a run that gets there."""
    exports = upto is StageName.EXPORT
    events: list[Event] = (
        []
        if exports
        else [StageChanged(run_id, at, StageName.EXPORT, StageStatus.SKIPPED, "", "not asked for")]
    )
    for place, name in enumerate(StageName):
        begin = at + 7.0 * place
        events.append(StageChanged(run_id, begin, name, StageStatus.RUNNING))
        if name is upto:
            events += [StageChanged(run_id, begin, name, StageStatus.RUNNING, node) for node in nodes]
            return events
        events += [StageChanged(run_id, begin + 2, name, StageStatus.DONE, node, "2.1 s") for node in nodes]
        events.append(StageChanged(run_id, begin + 6, name, StageStatus.DONE, "", "6.0 s"))
    return events


def add_running(desk: FakeDesk, run_id: str = "r4", iterations: int = 87) -> None:
    begin = NOW - 100
    desk.apply(created(run_id, begin), RunStateChanged(run_id, begin + 28, RunStatus.RUNNING))
    desk.apply(*stages_done(run_id, begin, StageName.TRAIN))
    desk.apply(*(iteration(run_id, n, begin + 30 + n * 0.5) for n in range(1, iterations + 1)))
    desk.apply(CheckpointSaved(run_id, NOW - 20, 60, "/srv/share/saved/iter_0000060"))
    desk.logged[f"{run_id}/check/demo-1"] = ["all 2 NPUs are free"]
    desk.logged[f"{run_id}/train/demo-2"] = [
        "> initializing tensor model parallel with size 2",
        "\x1b[33mWARNING: no [bold]fused[/bold] kernels on this machine\x1b[0m",
        "[rank0] training starts",
        *(log_line(n) for n in range(1, iterations + 1)),
    ]


def add_exporting(desk: FakeDesk, run_id: str = "r6") -> None:
    """All 1,240 iterations are there; the model is being written, 61 % so far."""
    begin = NOW - 900
    desk.apply(
        created(run_id, begin, total=1240),
        RunStateChanged(run_id, begin, RunStatus.PREPARING),
        RunStateChanged(run_id, begin + 28, RunStatus.RUNNING),
        *stages_done(run_id, begin, StageName.EXPORT, ("demo-1",)),
        *(iteration(run_id, n, begin + 30 + n * 0.5, 1240) for n in range(1, 1241, 3)),
        iteration(run_id, 1240, begin + 660, 1240),
        CheckpointSaved(run_id, NOW - 240, 1240, "/srv/share/saved"),
        StageProgressed(
            run_id, NOW - 1, StageName.EXPORT, "demo-1", 8.3e9, 13.5e9, "bytes", "1.1 GB/s, 5 s left"
        ),
    )
    desk.logged[f"{run_id}/export/demo-1"] = ["the checkpoint is float32 and is written as bfloat16"]


def add_preparing(desk: FakeDesk, run_id: str = "r5") -> None:
    begin = NOW - 12
    desk.apply(created(run_id, begin), RunStateChanged(run_id, begin, RunStatus.PREPARING))
    desk.apply(*stages_done(run_id, begin, StageName.DATA))
    desk.apply(
        StageProgressed(
            run_id,
            NOW - 1,
            StageName.DATA,
            "demo-1",
            31_200_000,
            52_002_112,
            "bytes",
            "31,204 records, 2.41 M tokens/s, 9 s left",
        )
    )
    desk.logged[f"{run_id}/data/demo-1"] = [
        "left out: line 1204 of /srv/share/data/topics.jsonl, column text: it is null",
        '{"progress": {"done": 31200000, "total": 52002112, "unit": "bytes", '
        '"text": "31,204 records, 2.41 M tokens/s, 9 s left"}}',
    ]


def add_failed(desk: FakeDesk, run_id: str = "r3") -> None:
    begin = NOW - 86_400
    why = "demo-2 rank 3 ended with exit code 1: EI0002 the link to demo-1 was lost; first of 4 to fail"
    desk.apply(
        created(run_id, begin, kind="pretrain", actor="ops2@bastion"),
        *stages_done(run_id, begin, StageName.TRAIN),
    )
    desk.apply(*(iteration(run_id, n, begin + 30 + n * 0.5) for n in range(1, 42)))
    desk.apply(
        StageChanged(run_id, begin + 60, StageName.TRAIN, StageStatus.FAILED, "demo-2", "exit 1: EI0002"),
        StageChanged(run_id, begin + 60, StageName.TRAIN, StageStatus.FAILED, "", "exit 1"),
        RunStateChanged(run_id, begin + 60, RunStatus.FAILED, why),
    )
    desk.logged[f"{run_id}/train/demo-2"] = [
        *(log_line(n) for n in range(20, 42)),
        "Traceback (most recent call last):",
        '  File "/work/train.py", line 210, in main',
        "RuntimeError: HcclAllReduce: EI0002 the wait for the notify of rank 1 timed out",
    ]


def add_unknown(desk: FakeDesk, run_id: str = "r6") -> None:
    begin = NOW - 900
    desk.apply(created(run_id, begin), RunStateChanged(run_id, begin + 28, RunStatus.RUNNING))
    desk.apply(*stages_done(run_id, begin, StageName.TRAIN))
    desk.apply(*(iteration(run_id, n, begin + 30 + n * 0.5) for n in range(1, 31)))
    desk.apply(
        NodeLinkChanged(run_id, NOW - 125, "demo-2", False, "no answer within 10 s"),
        RunStateChanged(
            run_id,
            NOW - 120,
            RunStatus.UNKNOWN,
            "demo-2 has not answered since 12:11; the run may well go on",
        ),
        LogGapFound(run_id, NOW - 130, "demo-2", "4,096 bytes of out.log were cut off on the node"),
    )
    desk.logged[f"{run_id}/train/demo-2"] = [log_line(n) for n in range(1, 31)]


def add_finished(desk: FakeDesk, run_id: str = "r2", model: str = "qwen2-7b") -> None:
    begin = NOW - 2 * 86_400
    desk.apply(created(run_id, begin, model=model, kind="lora", nodes=("demo-3",), npus=2, total=2000))
    desk.apply(*stages_done(run_id, begin, StageName.TRAIN))
    desk.apply(*(iteration(run_id, n, begin + 30 + n * 0.5, 2000) for n in range(1, 2001, 10)))
    desk.apply(
        iteration(run_id, 2000, begin + 1030, 2000),
        StageChanged(run_id, begin + 1031, StageName.TRAIN, StageStatus.DONE),
        CheckpointSaved(run_id, begin + 1030, 2000, "/srv/share/saved"),
        RunStateChanged(run_id, begin + 1032, RunStatus.FINISHED),
    )


def add_stopped(desk: FakeDesk, run_id: str = "r1") -> None:
    begin = NOW - 3 * 86_400
    desk.apply(
        created(run_id, begin, model="llama2-70b", kind="sft", npus=4),
        RunStateChanged(run_id, begin + 5, RunStatus.STOPPED, "stopped by ops1"),
    )
