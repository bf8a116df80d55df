"""A living demo fleet of two nodes, and the commands of a user on it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.demo.demo_layout import DemoLayout
from backend.demo.marked_processes import marked

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Fleet:
    """A demo fleet of two nodes and the commands of a user on it."""

    directory: Path
    state: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def layout(self) -> DemoLayout:
        return DemoLayout(self.directory)

    def npudeck(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-P", "-m", "backend.cli", "-i", str(self.directory / "npudeck.toml"), *words]
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=timeout, check=False, env=self.environment, cwd="/"
        )

    def recipe(self, name: str, iterations: int, **changes: object) -> str:
        text = (self.directory / "recipe.toml").read_text()
        values = {"train_iterations": iterations, "save_interval": 1000, **changes}
        lines = []
        for line in text.splitlines():
            key = line.split(" = ")[0]
            lines.append(f"{key} = {json.dumps(values.pop(key))}" if key in values else line)
        # before the first table: a table takes in every line that follows
        lines[:0] = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        path = self.directory / f"{name}.toml"
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    def launch(self, recipe: str) -> str:
        done = self.npudeck("launch", recipe, "--detach", "--json")
        assert done.returncode == 0, done.stderr
        run_id: str = json.loads(done.stdout)["run_id"]
        return run_id

    def show(self, run_id: str) -> dict[str, Any]:
        done = self.npudeck("runs", "show", run_id, "--json")
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def until(
        self, run_id: str, condition: Callable[[dict[str, Any]], bool], limit_s: float
    ) -> dict[str, Any]:
        end = time.monotonic() + limit_s
        while not condition(run := self.show(run_id)):
            assert time.monotonic() < end, (run["state"], run["reason"], run["iterations"], run["stages"])
            time.sleep(0.3)
        return run

    def ranks(self) -> dict[int, int]:
        """rank -> pid of everything that trains on the fleet."""
        found = {}
        for pid, environment in marked(str(self.layout.root)):
            if "RANK" in environment:
                found[int(environment["RANK"])] = pid
        return found

    def jobs(self) -> list[int]:
        return [pid for pid, environment in marked(str(self.layout.root)) if "NPUDECK_JOB" in environment]

    def supervisors(self) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    mine = f"XDG_STATE_HOME={self.state}".encode() in (entry / "environ").read_bytes().split(
                        b"\0"
                    )
                except OSError:
                    continue
                if b"backend.cli.supervise" in words and mine:
                    found.append(int(entry.name))
        return found

    def exactly_once(self, run: dict[str, Any], iterations: int) -> None:
        assert [item["iteration"] for item in run["iteration_log"]] == list(range(1, iterations + 1))
        assert run["log_gaps"] == []
