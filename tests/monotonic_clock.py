"""A monotonic clock that a test moves."""


class MonotonicClock:
    """Stands in for `time.monotonic`."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
