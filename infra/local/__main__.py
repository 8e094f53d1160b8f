"""`python -m infra.local [STACK]`: the supervisor, in the foreground."""

import asyncio
import sys

from infra.local.errors import LocalError
from infra.local.layout import layout
from infra.local.run import describe, supervise
from infra.local.stack import marketplace


def main() -> None:
    """Supervise the stack that the command line names."""
    try:
        asyncio.run(supervise(layout(sys.argv[1] if len(sys.argv) > 1 else None), marketplace()))
    except LocalError as error:
        sys.exit(describe(error))


if __name__ == "__main__":
    main()
