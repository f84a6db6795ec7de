"""A person's own notifications, and how they want to get them."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from riskadmin.audit.origin import origin_of
from riskadmin.notifications import actions, queries
from riskadmin.notifications.forms import PreferencesForm
from riskadmin.staff.queries import person
from riskadmin.web.access import signed_in
from riskadmin.web.htmx import redirect
from riskadmin.web.paging import keyset
from riskadmin.web.statuses import UNPROCESSABLE


@signed_in
@require_safe
def message_list(request: HttpRequest) -> HttpResponse:
    """The person's messages, newest first."""
    page = keyset(queries.messages_of(person(request)), ("-pk",), request.GET.get("cursor"))
    context = {"page": page, "unread": queries.unread_words(person(request))}
    return render(request, "notifications/list.html", context)


@signed_in
@require_POST
def read(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark one of the person's messages as read. Somebody else's does not exist for them."""
    if not queries.messages_of(person(request)).filter(pk=pk).exists():
        raise Http404
    actions.mark_read(actor=person(request), message_id=pk)
    return redirect(request, "notifications:list")


@signed_in
@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark all of the person's messages as read."""
    actions.mark_read(actor=person(request))
    return redirect(request, "notifications:list")


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """Over which channels the person gets each topic."""
    viewer = person(request)
    posted = request.POST if request.method == "POST" else None
    form = PreferencesForm(posted, chosen=queries.preferences_of(viewer))
    if posted is not None and form.is_valid():
        actions.save_preferences(
            actor=viewer,
            origin=origin_of(request),
            channels=form.channels,
            mail_digest=form.cleaned_data["mail_digest"],
        )
        messages.success(request, "Your notification settings are saved.")
        return redirect(request, "notifications:settings")
    context = {
        "form": form,
        "email": viewer.email,
        "email_is_on": settings.EMAIL_IS_ON,
        "crumbs": [("Notifications", reverse("notifications:list"))],
    }
    return render(request, "notifications/settings.html", context, status=UNPROCESSABLE if form.errors else 200)
