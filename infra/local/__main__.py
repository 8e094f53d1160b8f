"""`python -m infra.local [STACK] [--faultable]`: the supervisor, in the foreground."""

import asyncio
import sys

from infra.local.errors import LocalError
from infra.local.layout import layout
from infra.local.run import describe, supervise
from infra.local.stack import marketplace
from infra.local.start import FAULTABLE


def main() -> None:
    """Supervise the stack that the command line names."""
    try:
        names = [each for each in sys.argv[1:] if each != FAULTABLE]
        where = layout(names[0] if names else None)
        asyncio.run(supervise(where, marketplace(), faultable=FAULTABLE in sys.argv))
    except LocalError as error:
        sys.exit(describe(error))


if __name__ == "__main__":
    main()
