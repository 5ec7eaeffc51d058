"""Lets Python sleep under libfaketime, whose `clock_nanosleep` refuses the monotonic clock that `time.sleep` uses.

Python imports this by itself where its folder is in PYTHONPATH.
"""

import select
import time


def sleep(seconds: float) -> None:
    """Wait for a time, in seconds."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        select.select((), (), (), left)


time.sleep = sleep
