"""Launchers that end with the test that has started them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from launched import Launched
from native_cases import whole_weights, write_data, write_weights

Launch = Callable[..., Launched]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    started: list[Launched] = []

    def start(job: dict[str, Any], weights: bool = True, **environment: object) -> Launched:
        write_data(tmp_path)
        if weights:
            write_weights(tmp_path, job, whole_weights(job["architecture"]))
        job_file = tmp_path / "job.json"
        job_file.write_text(json.dumps(job))
        started.append(Launched(job_file, **environment))
        return started[-1]

    yield start
    for launched in started:
        launched.kill()
