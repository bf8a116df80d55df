"""Reports on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from backend.cli.report_output import print_report


def lines() -> Iterator[str]:
    yield "1 fault"
    yield "not sound"


def test_a_report_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    print_report({"sound": False}, lines(), json=False)
    assert capsys.readouterr().out == "1 fault\nnot sound\n"


def test_a_report_as_json_does_not_look_at_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    said = lines()
    print_report({"sound": False}, said, json=True)
    assert json.loads(capsys.readouterr().out) == {"sound": False}
    assert next(said) == "1 fault"
