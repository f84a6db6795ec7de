"""The page of what others changed at Tradovate: the same change of many accounts is one row."""

from datetime import timedelta
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.outside.queries import FOLDS_AT_MOST, folds, yesterday
from riskadmin.staff.queries import person
from riskadmin.web.access import may, requires

MONTH: Final = timedelta(days=30)


@requires("accounts:view")
@require_safe
def outside_list(request: HttpRequest) -> HttpResponse:
    """The changes found in the last 30 days, or since yesterday (`?since=yesterday`), newest first."""
    is_recent = request.GET.get("since") == "yesterday"
    found = folds(yesterday() if is_recent else timezone.now() - MONTH, person(request))
    context = {
        "is_recent": is_recent,
        "folds": found[:FOLDS_AT_MOST],
        "are_more": len(found) > FOLDS_AT_MOST,
        "may_audit": may(request, "audit:view"),
    }
    return render(request, "outside/list.html", context)
