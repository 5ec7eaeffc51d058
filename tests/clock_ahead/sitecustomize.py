"""Lets Python sleep under libfaketime, whose `clock_nanosleep` refuses the monotonic clock that `time.sleep` uses.

Python imports this by itself where its folder is in PYTHONPATH.
"""

import select
import time
from typing import SupportsIndex


def sleep(seconds: float | SupportsIndex, /) -> None:
    """Wait for a time, in seconds."""
    end = time.monotonic() + float(seconds)
    while (left := end - time.monotonic()) > 0:
        select.select((), (), (), left)


time.sleep = sleep
