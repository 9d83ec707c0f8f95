"""How fast it goes: tokens per second since the last look."""


class Meter:
    """Counts tokens and the seconds they took."""

    def __init__(self) -> None:
        self.tokens = 0
        self.seconds = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        """Count some more."""
        self.tokens += tokens
        self.seconds += seconds

    @property
    def rate(self) -> float:
        """Tokens per second, 0 before the first."""
        return self.tokens / self.seconds if self.seconds else 0.0
