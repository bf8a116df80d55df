"""LeetcodePythonInstructionHandler: a problem, its solution and the explanation of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, List

from backend.node.data.handlers.fields import Wrong, usable
from backend.node.data.handlers.instruction import InstructionHandler
from backend.node.data.handlers.instruction_prompt import user_message
from backend.node.data.handlers.prompt_mask import Exchange

if TYPE_CHECKING:
    from backend.node.data.rows import Rows

_CODE = "```"


class LeetcodePythonInstructionHandler(InstructionHandler):
    """The problem is asked up to its first block of code."""

    columns = ("code_with_problem", "code_only", "explanation_only")

    def exchanges(self, rows: Rows, wrong: Wrong) -> List[Exchange]:
        columns = [usable(rows, name, wrong) for name in self.columns]
        return [
            (user_message(problem.partition(_CODE)[0].strip()), f"{code}\n{explanation}")
            for problem, code, explanation in zip(*columns)
        ]
