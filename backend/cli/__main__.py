"""`python -m backend.cli`: the commands without the screens."""

import sys

from backend.cli.main import main

sys.exit(main())
