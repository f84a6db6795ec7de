"""Why a message could not be delivered."""


class NotDelivered(Exception):
    """One try failed. The text is shown to administrators; it contains no secret."""

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        """`is_final`: no further try would help."""
        super().__init__(why)
        self.why = why
        self.is_final = is_final
