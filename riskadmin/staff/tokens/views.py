"""The page of access tokens: one's own, and everybody's for administrators."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from riskadmin.audit.origin import origin_of
from riskadmin.staff.queries import person
from riskadmin.staff.tokens import actions
from riskadmin.staff.tokens.forms import TokenForm
from riskadmin.staff.tokens.models import AccessToken, Scope
from riskadmin.staff.tokens.queries import tokens_of
from riskadmin.web.access import CapabilityMissing, may, signed_in, signed_in_recently
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import UNPROCESSABLE


@signed_in_recently
@sensitive_variables("secret")
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Tokens that can be used or were; with the form that makes one. A new one's secret is shown in this answer only."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    if not form.is_bound:
        return _page(request, form)
    if not form.is_valid():
        return _page(request, form, status=UNPROCESSABLE)
    said = form.cleaned_data
    token, secret = actions.make_token(
        actor=person(request), origin=origin_of(request), name=said["name"], scope=Scope(said["scope"]), lasts=form.lasts
    )
    response = _page(request, TokenForm(), made=token, secret=secret)
    response["Cache-Control"] = "no-store"
    return response


@signed_in
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """End a token of one's own, or as an administrator any. The answer leads back to the page that its button is on."""
    token = get_object_or_404(AccessToken.objects.select_related("person"), pk=pk)
    try:
        actions.revoke_token(actor=person(request), origin=origin_of(request), token=token)
    except actions.NotAllowed as error:
        raise CapabilityMissing(actions.MANAGES_ALL) from error
    messages.success(request, f"The token {token.name} is revoked.")
    if request.POST.get("back") == "person":
        return redirect(request, "people:detail", token.person_id)
    return redirect(request, "tokens:page")


def _page(
    request: HttpRequest, form: TokenForm, *, made: AccessToken | None = None, secret: str = "", status: int = 200
) -> HttpResponse:
    sees_all = may(request, actions.MANAGES_ALL)
    context = {
        "form": form,
        "made": made,
        "secret": secret,
        "sees_all": sees_all,
        "rows": [(token, Scope(token.scope).label) for token in tokens_of(person(request), everybody=sees_all)[:200]],
    }
    return render(request, "tokens/page.html", context, status=status)
