"""Finding the change that a request is about, for those who may act on it."""

from django.http import Http404, HttpRequest

from accounts.changes.kinds import for_stored
from accounts.changes.models import Change
from riskadmin.web.access import demand


def change_or_404(pk: int) -> Change:
    """Return a change, or raise Http404."""
    change = Change.objects.filter(pk=pk).first()
    if change is None:
        raise Http404(f"There is no change {pk}.")
    return change


def requestable_change(request: HttpRequest, pk: int) -> Change:
    """Return a change for anyone who may request its kind; raises Http404, and CapabilityMissing for others.

    No one may request a retired kind: then the action itself decides.
    """
    change = change_or_404(pk)
    kind = for_stored(change)
    if not kind.is_retired:
        demand(request, kind.capability)
    return change
