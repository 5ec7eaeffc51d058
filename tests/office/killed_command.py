"""A command that dies as by kill -9 before one of its changes to names of files: `killed_command NUMBER WORDS…`.

It counts each file that is replaced or removed. A command with fewer of them ends by itself.
"""

import os
import signal
import sys
from typing import Any

from gateway.cli.main import main

CHANGES = ("os.rename", "os.remove")
"""What Python calls them when it tells of what it does."""


def die_before(number: int) -> None:
    """Let this process die before the change with a number; the first one is 0."""
    left = iter(range(number))

    def note(event: str, _: Any) -> None:
        if event in CHANGES and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(note)


if __name__ == "__main__":
    die_before(int(sys.argv.pop(1)))
    main()
