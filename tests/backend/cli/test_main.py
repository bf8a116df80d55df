"""A command line that cannot be understood: the usage of its command, and JSON where that is wanted."""

from __future__ import annotations

import json

import pytest

from backend.cli.main import main


@pytest.mark.parametrize(
    ("line", "command", "field", "what"),
    [
        ("data split a --parts 0 --output-dir d", "npudeck data split", "--parts", "'0' is not a whole"),
        ("data split a --parts 2 --output-dir d --zz", "npudeck data split", "", "arguments: --zz"),
        ("data verify", "npudeck data verify", "", "required: PREFIX"),
        ("data", "npudeck data", "", "required: ACTION"),
        ("runs show r1 --zz", "npudeck runs show", "", "arguments: --zz"),
        ("--zz", "npudeck", "", "arguments: --zz"),
        ("no-such-command", "npudeck", "COMMAND", "invalid choice"),
    ],
)
@pytest.mark.parametrize("wants_json", [True, False])
def test_the_usage_is_that_of_the_command(
    line: str, command: str, field: str, what: str, wants_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*line.split(), *(["--json"] if wants_json else [])])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    last = captured.err.splitlines()[-1]
    assert captured.err.startswith(f"usage: {command} ")
    assert last.startswith(f"{command}: error: ")
    assert what in last
    if not wants_json:
        assert captured.out == ""
        return
    document = json.loads(captured.out)
    (problem,) = document["problems"]
    assert (document["exit_code"], problem["field"]) == (2, field)
    assert what in problem["what"]
    assert problem["fix"] == f"{command} --help lists what it takes"
