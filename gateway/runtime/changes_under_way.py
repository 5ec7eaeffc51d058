"""How many calls are under way that change something: meanwhile the gateway does not start itself again."""


class ChangesUnderWay:
    """Counts them. It is called for every request, so it costs little."""

    def __init__(self) -> None:
        self.count = 0
        """How many there are."""
