"""Runs the supervisor in the foreground: `python -m infra.stack [STACK] [--faultable]`."""

import asyncio
import sys

from infra.stack.errors import LocalError
from infra.stack.layout import layout
from infra.stack.run import error_text, supervise
from infra.stack.stack_programs import marketplace_programs
from infra.stack.start import FAULTABLE


def main() -> None:
    """Supervise the stack named on the command line. Exits with a message if a `LocalError` is raised."""
    try:
        names = [each for each in sys.argv[1:] if each != FAULTABLE]
        where = layout(names[0] if names else None)
        asyncio.run(supervise(where, marketplace_programs(), faultable=FAULTABLE in sys.argv))
    except LocalError as error:
        sys.exit(error_text(error))


if __name__ == "__main__":
    main()
