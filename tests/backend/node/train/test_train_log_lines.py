"""The lines have Megatron's exact form."""

from __future__ import annotations

import re

from backend.node.train.log_lines import (
    IterationReport,
    argument_lines,
    date_line,
    iteration_line,
    nan_line,
    saved_line,
    saving_line,
    stopped_line,
    training_done_line,
    validation_lines,
)


def test_iteration_line() -> None:
    report = IterationReport(
        iteration=20,
        train_iterations=2000,
        consumed_samples=1280,
        elapsed_ms=14287.456,
        lr=2.5e-5,
        global_batch_size=64,
        lm_loss=5.25,
        grad_norm=1.23456,
    )
    line = iteration_line(report, 1.7e9)
    stamp = re.match(r" \[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]", line)
    assert stamp
    assert line[stamp.end() :] == (
        " iteration       20/    2000 | consumed samples:         1280 |"
        " elapsed time per iteration (ms): 14287.5 | learning rate: 2.500000E-05 |"
        " global batch size:    64 | lm loss: 5.250000E+00 | loss scale: 1.0 | grad norm: 1.235 |"
        " number of skipped iterations:   0 | number of nan iterations:   0 |"
    )


def test_other_lines() -> None:
    assert saving_line(100, "/s") == "saving checkpoint at iteration     100 to /s"
    assert saved_line(100, "/s") == "  successfully saved checkpoint at iteration     100 to /s"
    assert re.fullmatch(
        r"\[after training is done\] datetime: [-0-9]{10} [:0-9]{8} ", training_done_line(1.7e9)
    )
    assert re.fullmatch(
        r"\[exiting program after receiving SIGTERM\.\] datetime: [-0-9]{10} [:0-9]{8} ", stopped_line(1.7e9)
    )
    assert date_line("after dataloaders are built", 1.7e9).startswith(
        "[after dataloaders are built] datetime: "
    )
    assert nan_line(3, "1", "node-7") == (
        "Rank 3: found NaN in local forward loss calculation. Device: 1, node: node-7"
    )


def test_validation_frame() -> None:
    frame = validation_lines(300, 10.97285)
    line = " validation loss at iteration 300 | lm loss value: 1.097285E+01 | lm loss PPL: 5.827043E+04 | "
    assert frame == ["-" * (len(line) + 1), line, "-" * (len(line) + 1)]
    assert "PPL: 4.851652E+08 |" in validation_lines(1, 25.0)[1]


def test_arguments_are_sorted_by_name_without_regard_to_case() -> None:
    lines = argument_lines({"lr": 0.1, "Adam": 1, "bf16": True})
    assert lines == [
        "------------------------ arguments ------------------------",
        "  Adam ............................................ 1",
        "  bf16 ............................................ True",
        "  lr .............................................. 0.1",
        "-------------------- end of arguments ---------------------",
    ]
