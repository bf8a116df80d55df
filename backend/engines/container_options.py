"""What an inventory adds to the guide's `docker run`: mounts and further options. Pure.

Options of `docker run` and which of them take a value: Docker's reference of its command line (27).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.translation import _

_MODES = frozenset({"ro", "rw", "z", "Z", "shared", "rshared", "slave", "rslave", "private", "rprivate"})
# of all options these take no value; every other one does, behind "=" or as the next word
_SWITCHES = frozenset(
    {
        "--detach",
        "--disable-content-trust",
        "--help",
        "--init",
        "--interactive",
        "--no-healthcheck",
        "--oom-kill-disable",
        "--privileged",
        "--publish-all",
        "--quiet",
        "--read-only",
        "--rm",
        "--sig-proxy",
        "--tty",
    }
)
_SHORT_SWITCHES = frozenset("diqtP")
_SAY_IT_THERE = _("say it with {key} of [container]")
_STARTS_IT_SO = _("npudeck starts every container so that it lives on and commands run in it")
# what npudeck sets itself, or what would keep it from working: why not
_OURS = {
    **dict.fromkeys(("-v", "--volume", "--mount"), _SAY_IT_THERE.format(key="mounts")),
    **dict.fromkeys(("-m", "--memory"), _SAY_IT_THERE.format(key="memory")),
    "--cpus": _SAY_IT_THERE.format(key="cpus"),
    "--shm-size": _SAY_IT_THERE.format(key="shm_size"),
    "--name": _SAY_IT_THERE.format(key="name"),
    "--device": _("npudeck names the devices of the NPUs that a run uses"),
    **dict.fromkeys(("--net", "--network"), _("the ranks meet in the host's own network")),
    **dict.fromkeys(
        ("-d", "-i", "-t", "--detach", "--interactive", "--tty", "--entrypoint", "--help"), _STARTS_IT_SO
    ),
    "--rm": _("a stopped container must be there to be started again"),
}


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory or file of the host, and its place in the container."""

    outside: str
    inside: str
    modes: tuple[str, ...] = ()

    @property
    def read_only(self) -> bool:
        return "ro" in self.modes

    @property
    def volume(self) -> str:
        """As `docker run -v` takes it."""
        return ":".join((self.outside, self.inside, ",".join(self.modes))).rstrip(":")


def parse_mount(text: str) -> Mount | None:
    """`/outside:/inside` or `/outside:/inside:ro`; None for anything else, named volumes too."""
    outside, _colon, rest = text.partition(":")
    inside, colon, modes = rest.partition(":")
    words = tuple(modes.split(",")) if colon else ()
    if not (outside.startswith("/") and inside.startswith("/") and _MODES.issuperset(words)):
        return None
    return Mount(_plain(outside), _plain(inside), words)


def _plain(path: str) -> str:
    """As Docker shows it afterwards."""
    return posixpath.normpath(path).replace("//", "/")


def refused_arguments(arguments: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Number (from 1), what is wrong and why, of each word that cannot stand in the `docker run`."""
    at = 0
    while at < len(arguments):
        word = arguments[at]
        if word in ("-", "--") or not word.startswith("-"):
            yield (
                at + 1,
                _("{word!r} is no option").format(word=word),
                _("Docker would take it for the image"),
            )
            at += 1
            continue
        names, valued = _options(word)
        for name in names:
            if name in _OURS:
                yield at + 1, _("{option} is set by npudeck").format(option=name), _OURS[name]
        if valued and at + 1 == len(arguments):
            why = _("Docker would take the image for it")
            yield at + 1, _("{option} lacks its value").format(option=word), why
        at += 1 + valued


def _options(word: str) -> tuple[list[str], bool]:
    """The options in a word (short ones may share one: -itd), and whether the next word is a value."""
    if word.startswith("--"):
        name, value, _rest = word.partition("=")
        return [name], not value and name not in _SWITCHES
    names = []
    for place, letter in enumerate(word[1:], start=1):
        names.append(f"-{letter}")
        if letter not in _SHORT_SWITCHES:
            return names, place == len(word) - 1
    return names, False
