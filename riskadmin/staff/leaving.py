"""What people who may no longer sign in leave behind. Packages above this one say what that is to them.

`riskadmin.staff` imports none of them: a package that has work which waits for a person registers an `OpenWork` as it starts.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from riskadmin.audit.origin import Origin, Who
from riskadmin.staff.models import Staff


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Work of a person that is not done: what it is, for one and for several of it, how much, and its page."""

    one: str
    several: str
    count: int
    url: str = ""

    @property
    def words(self) -> str:
        """What it is and how much: "1 request of their own that waits for approval"."""
        return f"{self.count:,} {self.one if self.count == 1 else self.several}"


class OpenWork(ABC):
    """One package's part of what waits for people, or counts because of them."""

    @abstractmethod
    def waiting(self, person: Staff) -> Sequence[Waiting]:
        """Return what a person has open."""

    @abstractmethod
    def heirs(self) -> Iterable[Staff]:
        """Return the active people who could take over what somebody leaves."""

    @abstractmethod
    def hand_over(self, person: Staff, *, to: Staff | None, actor: Who, origin: Origin) -> Sequence[str]:
        """Settle what a person has open and may no longer do, and return that in words: "2 requests withdrawn".

        `to` is who takes it over; without, it ends. What the person may still do is left alone. Writes its own events, in
        transactions of its own; may be called again for the same person.
        """


_kinds: list[OpenWork] = []


def register(work: OpenWork) -> None:
    """Register a package's part. It calls this once, as it starts."""
    _kinds.append(work)


def waiting_of(person: Staff) -> list[Waiting]:
    """Return everything that a person has open."""
    return [each for kind in _kinds for each in kind.waiting(person) if each.count]


def heirs_of(person: Staff) -> list[Staff]:
    """Return the active people who could take over what a person leaves, by name."""
    found = {each.pk: each for kind in _kinds for each in kind.heirs() if each.pk != person.pk}
    return sorted(found.values(), key=lambda each: each.display_name.casefold())


def hand_over_all(person: Staff, *, to: Staff | None, actor: Who, origin: Origin) -> list[str]:
    """Settle everything that a person has open and may no longer do; return it in words."""
    return [words for kind in _kinds for words in kind.hand_over(person, to=to, actor=actor, origin=origin)]
