"""Errors of the node code as the command line says them."""

from __future__ import annotations

import errno

import pytest

from backend.cli.job_problems import told_as
from backend.node.job_lines import BusyError, JobError, StorageError
from backend.problems import ConflictError, InputError, LocalError, NpudeckError


def told(error: BaseException) -> NpudeckError:
    with pytest.raises(NpudeckError) as caught, told_as({"seq_length": "--seq-length"}):
        raise error
    return caught.value


def test_a_job_error_is_about_the_flag() -> None:
    error = told(JobError("seq_length", "too short", "the longest has 9", "give 10"))
    assert isinstance(error, InputError)
    problem = error.problems[0]
    assert (problem.field, problem.what, problem.why, problem.fix) == (
        "--seq-length",
        "too short",
        "the longest has 9",
        "give 10",
    )


def test_another_process_is_a_conflict() -> None:
    error = told(BusyError("seq_length", "busy", "it holds x.lock", "wait"))
    assert isinstance(error, ConflictError)
    assert error.problems[0].field == "--seq-length"


def test_machine_errors_name_the_path_and_what_to_do() -> None:
    for number in (errno.ENOSPC, errno.EACCES, errno.EIO):
        problem = told(OSError(number, "No", "/d/x.bin")).problems[0]
        assert "/d/x.bin" in problem.what
        assert problem.why == "No"
        assert problem.fix
    assert told(OSError(errno.EIO, "Input/output error")).problems[0].what == "Input/output error"


def test_a_key_without_flag_keeps_its_name() -> None:
    assert told(JobError("other", "wrong")).problems[0].field == "other"


@pytest.mark.parametrize(
    "error",
    [
        StorageError("output_prefix", "no space is left"),
        OSError(errno.ENOSPC, "No space left on device", "/d/x.bin"),
        ModuleNotFoundError("No module named 'numpy'", name="numpy"),
        ImportError("libarrow.so: cannot open", name="pyarrow.lib"),
    ],
)
def test_this_machine_is_exit_code_5(error: BaseException) -> None:
    assert isinstance(told(error), LocalError)


def test_a_missing_library_says_what_to_install() -> None:
    problem = told(ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow.parquet")).problems[0]
    assert problem.what == "the Python library pyarrow cannot be loaded"
    assert problem.fix == "install npudeck[train]"


@pytest.mark.parametrize(
    "error",
    [
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        KeyboardInterrupt(),
        ModuleNotFoundError("No module named 'backend.nix'", name="backend.nix"),
        ImportError("cannot import name"),
    ],
)
def test_what_is_not_for_people_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, told_as({}):
        raise error
    assert caught.value is error
