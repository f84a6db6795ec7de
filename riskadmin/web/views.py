"""What a person chooses for this browser: a theme, and the columns of lists."""

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from riskadmin.web.access import public, signed_in
from riskadmin.web.htmx import HttpResponseSeeOther
from riskadmin.web.lists import columns
from riskadmin.web.theme import Theme, remember


@public
@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keep the posted theme and return to the page it was chosen on. An invalid value means the system's theme."""
    posted = request.POST.get("theme", "")
    theme = Theme(posted) if posted in set(Theme) else Theme.SYSTEM
    response = HttpResponseSeeOther(_back(request))
    remember(response, theme, secure=settings.SESSION_COOKIE_SECURE)
    return response


@signed_in
@require_POST
def choose_columns(request: HttpRequest) -> HttpResponse:
    """Keep the posted columns of a list and return to it. No columns means those that the list shows at first."""
    list_name, names = request.POST.get("list", ""), request.POST.getlist("column")
    if not all(columns.is_name(name) for name in (list_name, *names)):
        raise BadRequest("The form names no list, or a column that no list has.")
    response = HttpResponseSeeOther(_back(request))
    columns.remember(response, list_name, names, secure=settings.SESSION_COOKIE_SECURE)
    return response


def _back(request: HttpRequest) -> str:
    """Return the page that the form was on."""
    back = request.headers.get("Referer", "")
    return back if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}) else "/"
