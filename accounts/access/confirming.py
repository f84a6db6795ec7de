"""What lets somebody do more, and how it is done once another administrator has confirmed it: more access, and ended marks."""

from accounts.access.actions import end_mark, write_access
from accounts.access.models import RelatedAccount
from accounts.access.queries import as_stored, limit_of, of_stored, visible_marks
from accounts.access.trail import VIEWS_MARKS
from riskadmin.audit.origin import Origin, Who
from riskadmin.staff.models import Staff
from riskadmin.staff.people.further_acts import FurtherAct
from riskadmin.staff.people.models import RightsRequest


class WiderAccess(FurtherAct):
    """More access, in place of the one that the person had when it was requested."""

    def refusal(self, request: RightsRequest) -> str:
        """Refuse it if the person's access is another one by now: "more" was said of that."""
        if as_stored(limit_of(request.person)) != request.content["before"]:
            return "Their access has changed since this was requested. It has to be requested again."
        return ""

    def do(self, request: RightsRequest, *, actor: Who, origin: Origin) -> None:
        """Write the access."""
        access = of_stored(request.content["after"])
        write_access(request.person, access, actor=actor, origin=origin, comment=request.reason, confirmed=request)


class EndOfMark(FurtherAct):
    """The end of a mark of an account."""

    def refusal(self, request: RightsRequest) -> str:
        """Refuse it if the mark has ended."""
        in_force = RelatedAccount.objects.filter(pk=request.content["mark"], ended_at=None).exists()
        return "" if in_force else "This mark has ended already."

    def do(self, request: RightsRequest, *, actor: Who, origin: Origin) -> None:
        """End the mark."""
        found = RelatedAccount.objects.select_for_update(of=("self",)).get(pk=request.content["mark"])
        end_mark(found, actor=actor, origin=origin, confirmed=request)

    def words_in_trail(self, request: RightsRequest) -> str:
        """Name the mark alone: the account is in the mark's own events, which not everybody sees."""
        return f"mark {request.content['mark']}"

    def is_visible(self, request: RightsRequest, viewer: Staff) -> bool:
        """Only to those who see the mark."""
        if not viewer.may(VIEWS_MARKS):
            return False
        marks = [*visible_marks(viewer), *visible_marks(viewer, ended=True)]
        return request.content["mark"] in {each.pk for each in marks}
