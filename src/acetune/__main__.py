"""``python -m acetune`` and ``accelerate launch -m acetune``."""

from __future__ import annotations

import sys

from acetune.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
