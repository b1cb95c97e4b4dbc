"""`python -m core`: the same program as the console script `graft`."""

import sys

from core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
