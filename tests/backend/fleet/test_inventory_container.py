"""[container] of the inventory: mounts and options of its own."""

from __future__ import annotations

import pytest

from backend.fleet.inventory_parse import parse_inventory
from backend.fleet.inventory_text import inventory_to_toml
from backend.problems import InputError, Problem

HEAD = """
[fleet]
work_directory = "/data/{name}"
shared_directory = "/mnt/sfs/"
[[nodes]]
name = "n[1-2]"
[container]
name = "trainer"
image = "image:1"
"""


def problem(line: str) -> Problem:
    with pytest.raises(InputError) as raised:
        parse_inventory(HEAD + line, "npudeck.toml")
    (found,) = raised.value.problems
    return found


def test_mounts_and_arguments_are_kept_as_they_are_written() -> None:
    text = HEAD + 'mounts = ["/data/sets:/data/sets:ro"]\narguments = ["-e", "NOTE=it\'s $HOME"]\n'
    container = parse_inventory(text, "npudeck.toml").container
    assert container is not None
    assert container.mounts == ("/data/sets:/data/sets:ro",)
    assert container.arguments == ("-e", "NOTE=it's $HOME")
    again = parse_inventory(inventory_to_toml(parse_inventory(text, "npudeck.toml")), "npudeck.toml")
    assert again.container == container


@pytest.mark.parametrize(
    ("mounts", "place", "what"),
    [
        ('["data:/data"]', "mounts[1]", "'data:/data' is no mount"),
        ('["/a:/a", "/b:/a/"]', "mounts[2]", "/a of the container is mounted twice"),
        ('["/a:/mnt/sfs"]', "mounts[1]", "/mnt/sfs of the container is taken by npudeck or the image"),
        ('["/a:/data/n2"]', "mounts[1]", "/data/n2 of the container is taken by npudeck or the image"),
        ('["/a:/home/ma-user/ws"]', "mounts[1]", "/home/ma-user/ws of the container is taken"),
        ('["/a:/home/ma-user"]', "mounts[1]", "/home/ma-user of the container is taken"),
        (
            '["/a:/usr/local/dcmi"]',
            "mounts[1]",
            "/usr/local/dcmi of the container is taken",
        ),
        ('["/a:/"]', "mounts[1]", "/ of the container is taken"),
        ('"/a:/b"', "mounts", "mounts must be a list of texts"),
        ("[7]", "mounts", "mounts must be a list of texts"),
    ],
)
def test_mounts_that_cannot_be(mounts: str, place: str, what: str) -> None:
    found = problem(f"mounts = {mounts}")
    assert found.field == f"container.{place}"
    assert found.what.startswith(what)


def test_arguments_that_npudeck_sets_itself() -> None:
    found = problem('arguments = ["--init", "--device=/dev/davinci7"]')
    assert (found.field, found.what) == ("container.arguments[2]", "--device is set by npudeck")
    assert found.why == "npudeck names the devices of the NPUs that a run uses"
