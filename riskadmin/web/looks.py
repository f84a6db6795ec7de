"""How a state or an outcome looks and what it means. Each enum of states has one table of looks, which every page uses."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Look:
    """A state's tone and icon (those of `face.state`), and one short sentence that explains the state."""

    tone: str
    icon: str
    explanation: str
