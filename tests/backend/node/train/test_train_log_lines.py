"""The lines have Megatron's exact form."""

from __future__ import annotations

import re

from backend.node.train.log_lines import (
    IterationReport,
    iteration_line,
    saved_line,
    saving_line,
    training_done_line,
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
