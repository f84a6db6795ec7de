"""Acts that need a second administrator and belong to packages above this one.

`riskadmin.staff` imports none of them: a package that has such an act registers how it is done as it starts.
"""

from abc import ABC, abstractmethod
from typing import Final

from riskadmin.audit.origin import Origin, Who
from riskadmin.staff.models import Staff
from riskadmin.staff.people.models import Act, RightsRequest


class FurtherAct(ABC):
    """How one act is checked and done. `request.content` holds what it needs, `request.person` whom it is about."""

    @abstractmethod
    def refusal(self, request: RightsRequest) -> str:
        """Return why it can't be done as things are now, or "". Asked when it is requested and when it is confirmed."""

    @abstractmethod
    def do(self, request: RightsRequest, *, actor: Who, origin: Origin) -> None:
        """Do it, and write its events, which name the requester too. Called in an open transaction that has its turn."""

    def words_in_trail(self, request: RightsRequest) -> str:
        """Return what the events of the request say about it, which anyone who reads the trail may see."""
        return request.words

    def is_visible(self, request: RightsRequest, viewer: Staff) -> bool:
        """Whether a person may know of the request. To others it does not exist."""
        del request, viewer
        return True


_registered: Final[dict[str, FurtherAct]] = {}


def register(act: Act, doing: FurtherAct) -> None:
    """Register how an act is done. A package calls this once, as it starts."""
    _registered[act.value] = doing


def further_act(act: str) -> FurtherAct | None:
    """Return how an act is done, if it belongs to a package above this one."""
    return _registered.get(act)


def is_visible(request: RightsRequest, viewer: Staff) -> bool:
    """Whether a person may know of a request."""
    doing = further_act(request.act)
    return doing is None or doing.is_visible(request, viewer)
