"""Who did something, and where it came from: the two snapshots that every event carries."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Who:
    """The person an event names, as they were at that moment; `id` None is the system, and `Origin.job` says which part."""

    id: int | None
    name: str
    role: str


SYSTEM = Who(id=None, name="", role="")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The request or job that caused an event.

    `request_id` joins everything that one request did; `address` is the client's; `job` names a background part of riskadmin.
    """

    request_id: str = ""
    address: str | None = None
    job: str = ""


class TracedRequest(Protocol):
    """What `riskadmin.web` puts on each request."""

    request_id: str
    client_address: str | None


def origin_of(request: TracedRequest) -> Origin:
    """Return the origin of what `request` does."""
    return Origin(request_id=request.request_id, address=request.client_address)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The account an event is about: environment, Tradovate's id, and its name at that moment."""

    environment: str
    account_id: int
    account_name: str
