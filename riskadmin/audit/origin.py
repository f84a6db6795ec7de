"""Who did something, and where the request came from: the two snapshots that every event carries."""

from dataclasses import dataclass

from django.http import HttpRequest

from riskadmin.web.client_address import client_address
from riskadmin.web.request_id import current_request_id


@dataclass(frozen=True, kw_only=True)
class Who:
    """The person an event names, as they were then. With `id` None it is the system, and `Origin.job` says which part."""

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


def origin_of(request: HttpRequest) -> Origin:
    """Return the origin of what `request` does."""
    return Origin(request_id=current_request_id(), address=client_address(request))


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The account an event is about: environment, Tradovate's id, and its name at that moment.

    Without an id the event is about a trader, and the name is the trader's.
    """

    environment: str
    account_id: int | None
    account_name: str
