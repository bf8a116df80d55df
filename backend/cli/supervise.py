"""`python -m backend.cli.supervise RUN`: see a run through, in this process. Not started by hand."""

from __future__ import annotations

import sys

from backend.cli import diagnostics


def main() -> int:
    def see_through() -> int:
        from backend.runs.supervisor_worker import supervise

        supervise(sys.argv[1])
        return diagnostics.OK

    return diagnostics.guard(see_through)


if __name__ == "__main__":
    sys.exit(main())
