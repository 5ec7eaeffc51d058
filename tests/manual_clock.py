"""A clock that a test moves."""


class ManualClock:
    """Stands in for `time.monotonic` or `time.time`. It stands still until it is set."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
