"""Questions that need several nodes: a marker that all read, a port that all reach, clocks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import Finding, Status, lines_after, script, short
from backend.preflight.python_item import unusable_python
from backend.preflight.setting import Setting
from backend.translation import _

SHARED = "shared"
REACH = "reach"
PORT = "master_port"
CLOCK = "clock"
MOST_SKEW_S = 1.0
LISTEN_MARK = "npudeck-listen "
_CLOCK_MARK = "npudeck-clock "

# words: path, marker. The marker lies there for seconds, and whatever happens only its own name is removed
WRITE_MARKER = """
why=$({ printf %s "$2" >"$1"; } 2>&1) && why=yes || why="no $why"
printf 'npudeck-written %s\\n' "$why"
"""
READ_MARKER = """
[ -e "$1" ] || { echo 'npudeck-marker '; exit; }
printf 'npudeck-marker %s\\n' "$(head -c 100 -- "$1" 2>&1)"
"""
DROP_MARKER = 'rm -f -- "$1"'
CLOCK_ARGV = script('printf "npudeck-clock %s\\n" "$(date +%s.%N)"')

# words: marker, address, port, seconds. Answers everybody who connects with the marker; ends with its stdin
LISTEN = r"""
import os, select, socket, sys, time
word, address, port, end = sys.argv[1], sys.argv[2], int(sys.argv[3]), time.monotonic() + float(sys.argv[4])
def say(text): print("npudeck-listen " + text, flush=True)
try:
    family = socket.getaddrinfo(address, port, 0, socket.SOCK_STREAM)[0][0]
except OSError as error:
    say("unknown " + str(error)); sys.exit(1)
try:
    probe = socket.socket(family, socket.SOCK_STREAM); probe.bind((address, 0)); probe.close()
except OSError as error:
    say("foreign " + str(error)); sys.exit(1)
server = socket.socket(family, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    server.bind(("", port)); server.listen(128)
except OSError as error:
    say("taken " + str(error)); sys.exit(1)
say("open")
while time.monotonic() < end:
    ready = select.select([server, sys.stdin], [], [], max(0.0, end - time.monotonic()))[0]
    if sys.stdin in ready and not os.read(0, 4096): break
    if server in ready:
        caller = server.accept()[0]
        try: caller.sendall(word.encode() + b"\n")
        except OSError: pass
        caller.close()
"""
# words: address, port, seconds
CONNECT = r"""
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])) as link:
        link.settimeout(float(sys.argv[3]))
        print("npudeck-met " + link.recv(100).decode("ascii", "replace").strip())
except OSError as error:
    print("npudeck-failed " + str(error))
"""
_SECONDS = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)N?$")


def questions(setting: Setting) -> Iterator[tuple[str, Node, str]]:
    """Item, node and what is needed, of everything here that is asked: one node has nobody to differ from."""
    several = len(setting.nodes) > 1
    for node in setting.nodes:
        if several:
            yield CLOCK, node, _clock_needed()
            yield SHARED, node, _shared_needed(setting)
        if node is setting.first:
            yield PORT, node, _port_needed(setting)
        else:
            yield REACH, node, _reach_needed(setting.first, setting.port)


def _shared_needed(setting: Setting) -> str:
    words = _("what {first} writes in {path} can be read")
    return words.format(first=setting.first.name, path=setting.shared_directory)


def judge_written(setting: Setting, done: Completed) -> Finding:
    """The marker on rank 0's node."""
    first, needed = setting.first, _shared_needed(setting)
    said = lines_after(done.text(), "npudeck-written ")
    if not said:
        return Finding(SHARED, first.name, Status.UNKNOWN, short(done.complaint()), needed)
    written, _blank, why = said[0].partition(" ")
    if written == "yes":
        return Finding(SHARED, first.name, Status.OK, _("the marker is there"), needed)
    found = _("no file can be written there: {why}").format(why=short(why, 100))
    fix = _("see shared_directory and shared_inside; a full disk looks like this too")
    return Finding(SHARED, first.name, Status.WRONG, found, needed, fix)


def judge_marker(node: Node, setting: Setting, done: Completed, word: str) -> Finding:
    first, needed = setting.first, _shared_needed(setting)
    said = lines_after(done.text(), "npudeck-marker ")
    if not said:
        # the node says nothing of the directory: it may have gone meanwhile
        return Finding(SHARED, node.name, Status.UNKNOWN, short(done.complaint()), needed)
    if said[0] == word:
        return Finding(SHARED, node.name, Status.OK, _("the marker is there"), needed)
    found = _("what {first} writes there is not seen").format(first=first.name)
    if said[0]:
        found = _("what {first} writes there cannot be read: {why}").format(
            first=first.name, why=short(said[0], 100)
        )
    fix = _("mount the same file system on all nodes; only rank 0's node prepares data and weights")
    return Finding(SHARED, node.name, Status.WRONG, found, needed, fix)


def _port_needed(setting: Setting) -> str:
    words = _("port {port} of {address} is free on {node}")
    return words.format(port=setting.port, address=setting.meeting_address, node=setting.first.name)


def judge_listener(setting: Setting, line: str) -> Finding:
    """`line`: what the listener said first, or why nothing is heard of it."""
    first, needed = setting.first, _port_needed(setting)
    if not line.startswith(LISTEN_MARK):
        return Finding(PORT, first.name, Status.UNKNOWN, short(line) or _("no answer"), needed)
    state, _blank, why = line.removeprefix(LISTEN_MARK).partition(" ")
    if state == "open":
        return Finding(PORT, first.name, Status.OK, _("free"), needed)
    words = {
        "taken": (_("port {port} is taken"), _("end what listens there, or name another with --port")),
        "foreign": (
            _("{address} is no address of this node"),
            _("set `address` of the node in the inventory to the one that other nodes reach it at"),
        ),
        "unknown": (_("{address} has no meaning here"), _("set `address` of the node in the inventory")),
    }
    if state not in words:
        return Finding(PORT, first.name, Status.UNKNOWN, short(line), needed)
    what, fix = words[state]
    found = what.format(port=setting.port, address=setting.meeting_address)
    return Finding(PORT, first.name, Status.WRONG, short(f"{found}: {why}"), needed, fix)


def without_python(setting: Setting) -> Finding:
    """What listens is a Python program."""
    first = setting.first
    return Finding(PORT, first.name, Status.SKIPPED, unusable_python(first).found, _port_needed(setting))


def _reach_needed(first: Node, port: int) -> str:
    words = _("it reaches {address}:{port} on {first}")
    return words.format(address=first.address, port=port, first=first.name)


def judge_meeting(
    node: Node, first: Node, port: int, done: Completed, word: str, first_left: bool = False
) -> Finding:
    """`first_left`: rank 0's node had gone when it was asked again."""
    needed = _reach_needed(first, port)
    met, failed = (lines_after(done.text(), f"npudeck-{mark} ") for mark in ("met", "failed"))
    if met and met[0] == word:
        return Finding(REACH, node.name, Status.OK, _("reached"), needed)
    if met:
        found = _("somebody else answers at {address}:{port}").format(address=first.address, port=port)
        fix = _("{address} means another machine here: see /etc/hosts, and `address` in the inventory")
        return Finding(REACH, node.name, Status.WRONG, found, needed, fix.format(address=first.address))
    if not failed:
        return Finding(REACH, node.name, Status.UNKNOWN, short(done.complaint()), needed)
    if first_left:
        found = _("{first} did not answer any more").format(first=first.name)
        return Finding(REACH, node.name, Status.UNKNOWN, found, needed)
    fix = _(
        "open the ports between the nodes in their firewalls; `address` in the inventory is what they use"
    )
    return Finding(REACH, node.name, Status.WRONG, short(failed[0]), needed, fix)


def read_clock(done: Completed) -> float | None:
    """Epoch seconds on the node."""
    for line in lines_after(done.text(), _CLOCK_MARK):
        if match := _SECONDS.match(line.replace("%N", "0")):
            return float(match[1])
    return None


def _clock_needed() -> str:
    return _("at most {limit:g} s from the other nodes").format(limit=MOST_SKEW_S)


def judge_clocks(
    nodes: Sequence[Node], offsets: Mapping[str, tuple[float, float]], complaints: Mapping[str, str]
) -> list[Finding]:
    """`offsets`: by node, its clock minus the bastion's, and by how much that may be wrong.

    `complaints`: what was said instead by the nodes that have no offset.
    """
    needed = _clock_needed()
    middle = median([offset for offset, _doubt in offsets.values()]) if offsets else 0.0
    findings = []
    for node in nodes:
        if node.name not in offsets:
            said = short(complaints.get(node.name, "")) or _("no answer")
            findings.append(Finding(CLOCK, node.name, Status.UNKNOWN, said, needed))
            continue
        offset, doubt = offsets[node.name]
        skew = offset - middle
        if abs(skew) - doubt <= MOST_SKEW_S:
            found = _("within {limit:g} s").format(limit=MOST_SKEW_S)
            findings.append(Finding(CLOCK, node.name, Status.OK, found, needed))
            continue
        found = _("{skew:+.1f} s").format(skew=skew)
        fix = _("let chronyd or ntpd set it: chronyc makestep; logs of ranks cannot be compared until then")
        findings.append(Finding(CLOCK, node.name, Status.WRONG, found, needed, fix))
    return findings
