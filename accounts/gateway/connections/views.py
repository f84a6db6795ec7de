"""The page of connections to Tradovate, for administrators."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.gateway import credentials
from accounts.gateway.connection import NotConnected, connected_environments
from accounts.gateway.connections import actions, queries
from accounts.gateway.connections.forms import CredentialsForm
from riskadmin.audit.origin import origin_of
from riskadmin.staff.queries import person
from riskadmin.tradovate.tokens import Credentials
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.access import requires
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import UNPROCESSABLE


@requires("connections:manage")
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Each environment: what we log in with, our sessions, what was found about its answers, and what stops calls."""
    context = {"connections": queries.connections(), "stops": queries.stops(), "now": timezone.now()}
    return render(request, "connections/page.html", context)


@requires("connections:manage", recent_proof=True)
@require_POST
def test(request: HttpRequest, environment: str) -> HttpResponse:
    """Make one call with what is in use, and say how it was answered."""
    chosen = _environment(environment)
    try:
        found = actions.try_connection(actor=person(request), origin=origin_of(request), environment=chosen)
    except (actions.NotAccepted, NotConnected) as error:
        messages.error(request, f"{chosen.value.capitalize()}: {error}")
    else:
        took = f"within {found.seconds:.1f} s, with {found.categories:,} risk categories"
        messages.success(request, f"{chosen.value.capitalize()} answered {took}.")
    return redirect(request, "connections:page")


@requires("connections:manage", recent_proof=True)
@sensitive_post_parameters("password", "sec")
@require_http_methods(["GET", "HEAD", "POST"])
def replace(request: HttpRequest, environment: str) -> HttpResponse:
    """Log in with other credentials, and store them if Tradovate accepts them."""
    chosen = _environment(environment)
    if request.method != "POST":
        return _form(request, chosen, CredentialsForm(in_use=_in_use(chosen)))
    form = CredentialsForm(request.POST)
    if not form.is_valid():
        return _form(request, chosen, form, status=UNPROCESSABLE)
    try:
        actions.replace_credentials(
            actor=person(request), origin=origin_of(request), environment=chosen, wanted=form.credentials
        )
    except (actions.NotAccepted, NotConnected) as error:
        form.add_error(None, f"{error}. Nothing was stored: what was in use stays in use.")
        return _form(request, chosen, form, status=UNPROCESSABLE)
    messages.success(request, f"Tradovate accepted the new credentials of {chosen.value}, and they are in use.")
    return redirect(request, "connections:page")


def _form(request: HttpRequest, environment: Environment, form: CredentialsForm, *, status: int = 200) -> HttpResponse:
    context = {"form": form, "chosen": environment, "environment": environment.value}
    return render(request, "connections/replace.html", context, status=status)


def _in_use(environment: Environment) -> Credentials | None:
    try:
        return credentials.credentials(environment)
    except credentials.CannotOpen:
        return None


def _environment(name: str) -> Environment:
    """Return a connected environment by its name."""
    if name not in {each.value for each in connected_environments()}:
        raise Http404("This environment is not connected.")
    return Environment(name)
