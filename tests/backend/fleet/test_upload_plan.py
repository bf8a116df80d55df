"""Which files of this machine a push takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.fleet.upload_plan_files import plan_upload
from backend.problems import InputError


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    """Two links to one folder beside it are no circle."""
    data = tmp_path / "data"
    (data / "a").mkdir(parents=True)
    (data / "a" / "file").write_text("x")
    (data / "b").symlink_to("a")
    assert [item.name for item in plan_upload([str(data)])] == ["data/a/file", "data/b/file"]
    (data / "a" / "up").symlink_to("..")
    with pytest.raises(InputError) as caught:
        plan_upload([str(data)])
    [problem] = caught.value.problems
    assert problem.what == f"{data}/a/up is a link to a folder that it lies in"
    assert problem.fix


def test_a_dead_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("nowhere")
    with pytest.raises(InputError, match="gone"):
        plan_upload([str(tmp_path)])
