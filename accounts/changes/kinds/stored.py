"""What can be shown of the kind of a stored change, whether or not its code still exists."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django import forms

from accounts.changes.kinds.spec import KindSpec, Unit
from accounts.changes.states import Direction
from riskadmin.audit.wording import field_words, value_words
from riskadmin.tradovate.vocabulary import Environment

State = Mapping[str, Any]
"""A target's state in a kind's own terms: JSON values only, since it is frozen in the item and compared with what is read."""

NOT_SUPPORTED: Final = "This kind of change is no longer supported: what was recorded of it can be read, and nothing is sent."


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that a change modifies, in words; `direction` is "looser", "tighter", or "" if it is neither."""

    label: str
    before: str
    after: str
    direction: str = ""


class StoredKind(ABC):
    """The kind of a stored change as pages and files show it. Only a `kind.Kind` can also be planned, sent and read."""

    is_retired: ClassVar[bool] = False
    steps: ClassVar[tuple[str, ...]] = ("",)  # what each call for an item does, in order
    parameters_form: ClassVar[type[forms.Form] | None] = None
    uses_realised_figures: ClassVar[bool] = False  # what it would liquidate depends on realised figures

    spec: KindSpec  # its facts

    @property
    def name(self) -> str:
        """Its name, as changes and events store it."""
        return self.spec.name

    @property
    def policy_name(self) -> str:
        """The kind whose rules of policy apply: its own, unless a variant has the effect of another kind."""
        return self.name

    @property
    def verb(self) -> str:
        """What it does, before the targets, on buttons: "Lock"."""
        return self.spec.verb

    @property
    def action_label(self) -> str:
        """What it is called on the account's own page."""
        return self.spec.action_label

    @property
    def effect(self) -> str:
        """What it does, as a sentence."""
        return self.spec.effect

    @property
    def warning(self) -> str:
        """What to know about every change of this kind."""
        return self.spec.warning

    @property
    def direction(self) -> Direction:
        """Whether it protects, loosens or destroys."""
        return self.spec.direction

    @property
    def environments(self) -> frozenset[Environment]:
        """Where Tradovate takes it."""
        return self.spec.environments

    @property
    def icon(self) -> str:
        """The icon of its buttons."""
        return self.spec.icon

    @property
    def unit(self) -> Unit:
        """The type of its targets."""
        return self.spec.unit

    @property
    def capability(self) -> str:
        """The capability that a person needs to request it."""
        return self.spec.capability

    def words(self, count: int) -> str:
        """Return the button's text: "Lock 1 account"."""
        return f"{self.verb} {count:,} {self.unit.value}{'' if count == 1 else 's'}"

    def step_words(self, step: int) -> str:
        """Return what a step's call does; "" if there is only one, and for a retired kind, whose steps have no names."""
        return self.steps[step] if step < len(self.steps) else ""

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        """Return the parameters as labels and values, for display."""
        return ()

    @abstractmethod
    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        """Return in words what differs between two states. Pure."""


@dataclass(frozen=True)
class RetiredKind(StoredKind):
    """A kind that this version of riskadmin does not have. Its changes can be read, and are never sent, planned or undone.

    Everything about it is read from what was stored. It counts as destructive, the kind that pages handle most carefully.
    """

    is_retired: ClassVar[bool] = True
    spec: KindSpec

    @classmethod
    def named(cls, name: str) -> "RetiredKind":
        """Return what stands for the kind with this stored name."""
        label = f"{name.replace('_', ' ').capitalize()} (no longer supported)"
        return cls(
            KindSpec(
                name=name,
                verb=f"{label}:",
                action_label=label,
                effect=NOT_SUPPORTED,
                direction=Direction.DESTRUCTIVE,
                environments=frozenset(),
                icon="ban",
                unit=Unit.TARGET,
                permission="request a kind of change that is no longer supported",
                requested_by=frozenset(),
            )
        )

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        """Return the stored parameters, as the trail would show them."""
        return tuple((field_words(name), value_words(name, value)) for name, value in parameters.items())

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        """Return every stored field that was to change, as the trail would show it."""
        return tuple(
            Difference(label=field_words(name), before=value_words(name, before.get(name)), after=value_words(name, value))
            for name, value in after.items()
            if before.get(name) != value
        )
