"""What people who may no longer decide, or no longer sign in, leave behind among requests and approvals.

- What a person asked for and that still waits ends when they are switched off: no one else can be its requester. A colleague to
  whom it is handed over finds it among what came back to them, and may ask for it again, as a request of their own. Neither of
  the two decides about that.
- Approvals of what still waits lapse once one of their makers may no longer decide, all of them: everyone approves again.
  What was approved before stays approved; scheduled changes are checked once more when they are due (`unattended`).
"""

from collections.abc import Iterable, Sequence

from django.db.models import F, QuerySet
from django.urls import reverse

from accounts.approvals.actions import end_for_leaver, let_approvals_lapse
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.states import RequestState, Verdict
from riskadmin.audit.origin import Origin, Who
from riskadmin.staff.leaving import OpenWork, Waiting
from riskadmin.staff.models import Staff
from riskadmin.web.formats import counted


class Requests(OpenWork):
    """Requests that wait, and approvals of requests that still wait."""

    def waiting(self, person: Staff) -> Sequence[Waiting]:
        """Return how many requests of theirs wait, and how many they have approved that still wait; two queries."""
        url = f"{reverse('approvals:inbox')}?show=all"
        asked, approved = _asked_by(person).count(), _approved_by(person).count()
        return [
            Waiting(
                one="request of their own that waits for approval",
                several="requests of their own that wait for approval",
                count=asked,
                url=url,
            ),
            Waiting(
                one="request that they approved and that still waits",
                several="requests that they approved and that still wait",
                count=approved,
                url=url,
            ),
        ]

    def heirs(self) -> Iterable[Staff]:
        """Return the active people who may request some kind of change."""
        active = Staff.objects.filter(is_active=True).prefetch_related("groups")
        return [each for each in active if any(name.startswith("changes:request:") for name in each.capabilities)]

    def hand_over(self, person: Staff, *, to: Staff | None, actor: Who, origin: Origin) -> Sequence[str]:
        """End what a person who is off asked for, and let approvals lapse that they could no longer give."""
        done = []
        asked = [] if person.is_active else list(_asked_by(person).values_list("pk", flat=True))
        ended = sum(end_for_leaver(actor=actor, origin=origin, request_id=pk, to=to) for pk in asked)
        if ended:
            done.append(f"{counted(ended, 'request')} {f'handed over to {to.display_name}' if to else 'withdrawn'}")
        approved = list(_approved_by(person).values_list("pk", flat=True))
        lapsed = sum(let_approvals_lapse(actor=actor, origin=origin, request_id=pk) for pk in approved)
        if lapsed:
            done.append(f"{counted(lapsed, 'request')} to be approved again")
        return done


def _asked_by(person: Staff) -> QuerySet[ApprovalRequest]:
    return ApprovalRequest.objects.filter(requested_by=person, state=RequestState.WAITING).order_by("pk")


def _approved_by(person: Staff) -> QuerySet[ApprovalRequest]:
    theirs = {"approvals__staff": person, "approvals__verdict": Verdict.APPROVE, "approvals__version": F("version")}
    return ApprovalRequest.objects.filter(state=RequestState.WAITING, **theirs).order_by("pk")
