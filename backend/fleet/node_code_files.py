"""Read the code that runs on the nodes out of the installed package."""

from __future__ import annotations

from pathlib import Path

from backend.fleet.staging import NodeCode, build_node_code

_NODE = Path(__file__).resolve().parent.parent / "node"
AGENTS = ("job.sh", "follow.py", "probe.sh")


def load_node_code() -> NodeCode:
    """Everything that is staged on a node. The same sources give the same version on every machine."""
    sources = {
        f"backend/node/{path.relative_to(_NODE).as_posix()}": path.read_bytes()
        for path in sorted(_NODE.rglob("*.py"))
        if "__pycache__" not in path.parts
    }
    return build_node_code(sources, {name: read_agent(name).encode() for name in AGENTS})


def read_agent(name: str) -> str:
    """The text of one agent: "job.sh", "follow.py" or "probe.sh"."""
    return (_NODE / "agents" / name).read_text(encoding="utf-8")
