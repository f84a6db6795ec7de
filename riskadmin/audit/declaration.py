"""The declaration of one tag."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The fields of a tag's details, its sentence, and its look.

    `state` is the state that such an event reports, as "change:paused": the event has the look of that state. "{outcome}" in it
    stands for the field. `tone` is for events that report no state.
    """

    sentence: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    state: str = ""
    tone: str = "neutral"

    @property
    def fields(self) -> tuple[str, ...]:
        """All declared fields, in the order in which pages show them."""
        return self.required + self.optional
