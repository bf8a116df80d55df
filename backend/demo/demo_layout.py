"""Where a demo fleet keeps what: one directory, every path of it named here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from backend.problems import InputError, Problem, Severity
from backend.translation import _

NODE_COUNT = 4
FEWEST_NODES = 2  # the recipe trains on two
MOST_NODES = 16
NPUS_PER_NODE = 2
USER = "demo"
# the format of what is built below the directory; another number there means: build it anew
WORKSPACE_FORMAT = "1"


@dataclass(frozen=True, slots=True)
class DemoLayout:
    """The paths of one demo fleet. `root` is absolute."""

    root: Path

    @property
    def marker(self) -> Path:
        """Makes this directory ours to write in; holds WORKSPACE_FORMAT when the workspace is built."""
        return self.root / ".npudeck-demo"

    @property
    def inventory(self) -> Path:
        return self.root / "npudeck.toml"

    @property
    def recipe(self) -> Path:
        return self.root / "recipe.toml"

    @property
    def shared(self) -> Path:
        return self.root / "shared"

    @property
    def data(self) -> Path:
        return self.shared / "training_data" / "python_topics.jsonl"

    @property
    def model(self) -> Path:
        return self.shared / "models" / "demo-llama"

    @property
    def ssh(self) -> Path:
        """host_key, client_key, client_key.pub, known_hosts."""
        return self.root / "ssh"

    @property
    def known_hosts(self) -> Path:
        return self.ssh / "known_hosts"

    @property
    def client_key(self) -> Path:
        return self.ssh / "client_key"

    @property
    def record(self) -> Path:
        """JSON of the living hosts: pid, started, control, ports."""
        return self.root / "hosts.json"

    @property
    def lock(self) -> Path:
        """Locked by the hosts as long as they live."""
        return self.root / "hosts.lock"

    @property
    def workspace_lock(self) -> Path:
        """Locked while somebody builds the workspace."""
        return self.root / "workspace.lock"

    @property
    def log(self) -> Path:
        return self.root / "hosts.log"

    def node(self, name: str) -> Path:
        """The node's own disk: home, tmp, bin, work."""
        return self.root / "nodes" / name

    def work(self, name: str) -> Path:
        return self.node(name) / "work"


def node_names(count: int) -> tuple[str, ...]:
    """`demo-1` … `demo-<count>`."""
    return tuple(f"demo-{number}" for number in range(1, count + 1))


def default_root() -> Path:
    """Where plain `npudeck demo` lives: `$XDG_STATE_HOME/npudeck/demo`, by default below ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return base / "npudeck" / "demo"


def claim(root: Path) -> DemoLayout:
    """Make the directory, or take one that is ours. Raises `InputError` for a directory of somebody else."""
    layout = DemoLayout(root.resolve())
    try:
        layout.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not layout.marker.exists():
            if any(layout.root.iterdir()):
                raise InputError(_not_ours(layout.root))
            layout.marker.write_text("")
        layout.ssh.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(
            Problem(
                "--dir",
                Severity.ERROR,
                _("cannot write in {path}").format(path=layout.root),
                error.strerror or str(error),
                _("name a directory that you may write in"),
            )
        ) from error
    return layout


def _not_ours(root: Path) -> Problem:
    return Problem(
        "--dir",
        Severity.ERROR,
        _("{path} is not empty and holds no demo fleet").format(path=root),
        _("the demo writes an inventory, a recipe and data there and must not overwrite yours"),
        _("name a new or an empty directory"),
    )
