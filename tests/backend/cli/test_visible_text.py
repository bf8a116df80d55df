"""Text of files on a terminal."""

from __future__ import annotations

from backend.cli.visible_text import visible


def test_a_record_does_not_steer_the_terminal() -> None:
    assert visible("\x1b[2Jred\r\x07\x7f\x9b\u202eback\ttab\nnext") == (
        "␛[2Jred␍␇␡\\x9b\\u202eback    tab\nnext"
    )
