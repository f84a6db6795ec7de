"""What is approved: each type of subject registers one object, by which this package reaches it without importing it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from accounts.approvals.models import ApprovalRequest
from accounts.approvals.states import RequestState
from riskadmin.audit.actions import AuditEntry
from riskadmin.audit.origin import Origin, Who


class DecisionRefused(Exception):
    """The decision was refused; `moved` is what is no longer as it was shown, in the subject's own terms."""

    def __init__(self, message: str, *, moved: Iterable[Any] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.moved = tuple(moved)


class NotAllowed(Exception):
    """The person may not do this."""


class Step(StrEnum):
    """What happened to a request; each is told in one audit event."""

    APPROVED = "approved"
    REJECTED = "rejected"
    EDITS_REQUESTED = "edits_requested"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    COMMENTED = "commented"
    REVIEWED = "reviewed"
    ACTED_ALONE = "acted_alone"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A subject in a line of the inbox: what it is, what it would do, and where its page is."""

    title: str
    effect: str
    url: str


class Subject(ABC):
    """One type of subject. `thing` is its row, as `lock` returned it."""

    name: ClassVar[str]  # as stored in requests: it never changes
    one: ClassVar[str]  # "change", in sentences
    many: ClassVar[str]
    capability: ClassVar[str] = "changes:decide"  # who may decide; `approvals_may_decide` in PostgreSQL names the roles

    @abstractmethod
    def lock(self, request_id: int) -> Any:
        """Lock the subject's rows, in the order in which the rest of its package locks them, before its request is locked."""

    def prepare(self, request: ApprovalRequest) -> Any:
        """Do what an approval needs and what may take long, such as reading from Tradovate; nothing is locked meanwhile."""
        del request

    def obstacle(self, thing: Any) -> str:
        """Return why it can't be approved at all, though it may be rejected and withdrawn; "" if it can."""
        del thing
        return ""

    def no_longer_as_shown(self, thing: Any, prepared: Any) -> DecisionRefused | None:
        """Return why an approval would not cover what was shown. All is locked; `prepared` is what `prepare` returned."""
        del thing, prepared
        return None

    @abstractmethod
    def event(
        self, step: Step, thing: Any, *, actor: Who, origin: Origin, detail: Mapping[str, Any], refusal: DecisionRefused | None
    ) -> AuditEntry:
        """Return the event of a step; `detail` is what its kind of step always says."""

    def together_with(self, thing: Any) -> Iterable[tuple[Any, ApprovalRequest]]:
        """Return what an approval of this one approves as well, as far as the person may, each with its request; locked."""
        del thing
        return ()

    @abstractmethod
    def approved(self, thing: Any, *, actor: Who, origin: Origin) -> None:
        """Let it happen: it has the approvals that it needs."""

    @abstractmethod
    def ended(self, thing: Any, state: RequestState, *, actor: Who, origin: Origin) -> None:
        """End it without having happened: rejected, sent back to be edited, withdrawn or expired."""

    def kinds(self) -> Mapping[str, str]:
        """Return the kinds of this type that rules of the policy may name, each in words."""
        return {}

    @abstractmethod
    def lines(self, requests: Iterable[ApprovalRequest]) -> Mapping[int, Line]:
        """Return the line of each request, by its key; a fixed number of queries."""


_subjects: dict[str, Subject] = {}


def register(subject: Subject) -> None:
    """Register a type of subject. A package calls this as it starts."""
    _subjects[subject.name] = subject


def subject_of(request: ApprovalRequest) -> Subject:
    """Return the type of subject that a request is about."""
    return _subjects[request.subject]


def all_subjects() -> Mapping[str, Subject]:
    """Return every registered type by its name."""
    return _subjects


def kinds_in_words() -> dict[str, str]:
    """Return every kind that rules of the policy may name, in words."""
    return {name: words for subject in _subjects.values() for name, words in subject.kinds().items()}


def kind_in_words(name: str) -> str:
    """Return a stored kind in words, also one that no longer exists."""
    return kinds_in_words().get(name) or name.replace("_", " ").capitalize()
