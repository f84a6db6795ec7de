"""What is approved: each type of subject registers one object, by which this package reaches it without importing it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from django.db.models import Q

from accounts.approvals.models import ApprovalRequest
from accounts.approvals.states import RequestState
from riskadmin.audit.actions import AuditEntry
from riskadmin.audit.origin import Origin, Who
from riskadmin.staff.models import Staff


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
    LAPSED = "lapsed"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A subject in a line of the inbox: what it is, what it would do, and where its page is.

    `edit_url` is where its requester asks for it again, with what was asked for filled in; "" if there is no such page.
    """

    title: str
    effect: str
    url: str
    edit_url: str = ""


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What a large effect is confirmed by: its number, typed; `verb` says what it does, as in "liquidate 8"."""

    number: int
    verb: str

    @property
    def words(self) -> str:
        """What an approval does, after "Approve and"."""
        return f"{self.verb} {self.number:,}"

    @property
    def pattern(self) -> str:
        """What a browser accepts in the field: the number, with its commas or without."""
        return f"{self.number:,}".replace(",", ",?")

    @property
    def error(self) -> str:
        """What to write instead of another number."""
        return f"Type {self.number:,} to confirm that an approval would {self.words}."


@dataclass(frozen=True, kw_only=True)
class NewContent:
    """The content of something without some of its items: its digest, and what it leaves out, in the subject's own terms."""

    digest: str
    left_out: tuple[Any, ...]


class Subject(ABC):
    """One type of subject. `thing` is its row, as `lock` returned it."""

    name: ClassVar[str]  # as stored in requests: it never changes
    one: ClassVar[str]  # "change", in sentences
    many: ClassVar[str]
    capability: ClassVar[str] = "changes:decide"  # who may decide; `approvals_may_decide` in PostgreSQL names the roles
    view_capability: ClassVar[str] = "changes:view"  # who may see it, and comment on it
    may_act_alone: ClassVar[bool] = True  # whether its requester may let it happen because of an incident
    # The dotted name of the function that shows it to somebody whose decision was refused: `page(request, asked, *, form,
    # refusal, status)` (`views.decide`). Without one, the refusal has a page of its own, with a link.
    page: ClassVar[str] = ""

    @abstractmethod
    def lock(self, request_id: int) -> Any:
        """Lock the subject's rows, in the order in which the rest of its package locks them, before its request is locked."""

    def prepare(self, request: ApprovalRequest, excluded: Sequence[str] = ()) -> Any:
        """Do what an approval needs and what may take long, such as reading from Tradovate; nothing is locked meanwhile."""
        del request, excluded

    def shown(self, request: ApprovalRequest, viewer: Staff, sealed: str, excluded: Sequence[str]) -> Mapping[str, Any] | None:
        """Return the effects that a page carried as they were shown, without what it excluded; None if it showed none.

        Raises DecisionRefused.
        """
        del request, viewer, sealed, excluded
        return None

    def to_confirm(self, request: ApprovalRequest, shown: Mapping[str, Any] | None) -> Confirmation | None:
        """Return what an approval of what was shown has to confirm by its number; None if nothing."""
        del request, shown
        return None

    def content_without(self, thing: Any, keys: Sequence[str], *, by: Who) -> NewContent:
        """Return its content without the items that the keys of its page name. Raises DecisionRefused; nothing is written."""
        del thing, keys, by
        raise DecisionRefused(f"Nothing can be excluded from a {self.one}. Ask for edits instead.")

    def exclude(self, thing: Any, new: NewContent, *, actor: Who, origin: Origin) -> tuple[str, ...]:
        """Leave items out for good, with their events, and return their names. Its request has the new digest already."""
        raise NotImplementedError

    def obstacle(self, thing: Any) -> str:
        """Return why it can't be approved at all, though it may be rejected and withdrawn; "" if it can."""
        del thing
        return ""

    def no_longer_as_shown(self, thing: Any, prepared: Any, shown: Mapping[str, Any] | None) -> DecisionRefused | None:
        """Return why an approval would not cover what was shown.

        All is locked, and what is excluded is left out already; `prepared` is what `prepare` returned, `shown` the effects that
        the person was shown, None if none were.
        """
        del thing, prepared, shown
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

    def visible(self, person: Staff) -> Q | None:
        """Return the condition on the requests of this type that a person may see; None for all."""
        del person
        return None

    def conflicting(self, person: Staff) -> Q | None:
        """Return the condition on the requests that a person may see, but not decide, since they are about what is theirs."""
        del person
        return None

    def barred(self, requests: Sequence[ApprovalRequest], person: Staff | None = None) -> Mapping[tuple[int, int], str]:
        """Return who may not act on which of some requests, whatever their role, by request and person, with the reason.

        Of one person, or of everybody.
        """
        del requests, person
        return {}

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
