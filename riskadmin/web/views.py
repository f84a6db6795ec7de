"""The frame's own address: choosing a theme without scripts."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from riskadmin.web.access import public
from riskadmin.web.htmx import HttpResponseSeeOther
from riskadmin.web.theme import Theme, remember


@public
@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keep the posted theme and return to the page it was chosen on. An invalid value means the system's theme."""
    posted = request.POST.get("theme", "")
    theme = Theme(posted) if posted in set(Theme) else Theme.SYSTEM
    back = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = "/"
    response = HttpResponseSeeOther(back)
    remember(response, theme, secure=settings.SESSION_COOKIE_SECURE)
    return response
