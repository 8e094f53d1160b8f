"""Runs the command line as `python -m infra.cli`, which the launcher script calls."""

import sys

from infra.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
