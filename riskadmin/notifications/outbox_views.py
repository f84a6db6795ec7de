"""The outbox, the webhooks, and the demo's e-mail: pages of administrators."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from riskadmin.audit.origin import origin_of
from riskadmin.notifications import actions, queries
from riskadmin.notifications.caught_mail import newest
from riskadmin.notifications.filters import MessageFilters
from riskadmin.notifications.forms import NAME_TAKEN, WebhookForm
from riskadmin.notifications.lists import MESSAGES
from riskadmin.notifications.models import Shape
from riskadmin.notifications.topics import Topic
from riskadmin.staff.queries import person
from riskadmin.web.access import requires
from riskadmin.web.errors import conflict
from riskadmin.web.htmx import redirect
from riskadmin.web.lists.page import ListPage
from riskadmin.web.paging import keyset
from riskadmin.web.statuses import UNPROCESSABLE


@requires("notifications:manage")
@require_safe
def outbox(request: HttpRequest) -> HttpResponse:
    """What was sent, to whom, and what was not."""
    filters = MessageFilters(request.GET)
    shown = ListPage(MESSAGES, request, filters)
    context: dict[str, Any] = {"tabs": _tabs(request)}
    if shown.is_valid:
        page = keyset(filters.qs, shown.order, request.GET.get("cursor"))
        table = shown.table(page.rows, caption=f"Messages, {shown.age_order} first")
        context |= {"page": page, "table": table, "count": shown.count_words(page)}
    return shown.answer("notifications/outbox.html", "notifications/_outbox.html", context)


@requires("notifications:manage")
@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a message that failed sent again."""
    if not actions.retry(message_id=pk):
        return conflict(
            request,
            meaning="This message has not failed, or no longer: it was sent, or waits to be.",
            next_step="See its state in the outbox.",
            link_label="Outbox",
            link_url=reverse("notifications:outbox"),
        )
    messages.success(request, f"Message {pk} is sent again within a few seconds.")
    return redirect(request, "notifications:outbox")


@requires("notifications:manage", recent_proof=True)
@sensitive_post_parameters("url")
@require_http_methods(["GET", "HEAD", "POST"])
def webhooks(request: HttpRequest) -> HttpResponse:
    """The webhooks, and a form for a new one. The answer to that form is the only page that shows the secret."""
    added = None
    form = WebhookForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        entered = form.cleaned_data
        try:
            added = actions.add_webhook(
                actor=person(request),
                origin=origin_of(request),
                name=entered["name"],
                url=entered["url"],
                shape=Shape(entered["shape"]),
                topics=[Topic(name) for name in entered["topics"]],
            )
            form = WebhookForm()
        except IntegrityError:  # added by somebody else since the form was checked
            form.add_error("name", NAME_TAKEN)
    context = {"form": form, "rows": queries.webhooks(), "added": added, "tabs": _tabs(request)}
    return render(request, "notifications/webhooks.html", context, status=UNPROCESSABLE if form.errors else 200)


@requires("notifications:manage")
@require_POST
def test_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a test message posted to a webhook."""
    webhook = get_object_or_404(queries.webhooks(), pk=pk)
    actions.send_test(actor=person(request), webhook=webhook)
    messages.success(request, f"A test is sent to {webhook.name} within a few seconds. The outbox shows how that ends.")
    return redirect(request, "notifications:webhooks")


@requires("notifications:manage", recent_proof=True)
@require_POST
def remove_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop posting to a webhook."""
    webhook = get_object_or_404(queries.webhooks(), pk=pk)
    actions.remove_webhook(actor=person(request), origin=origin_of(request), webhook=webhook)
    messages.success(request, f"{webhook.name} is removed, and its address and secret are erased.")
    return redirect(request, "notifications:webhooks")


@requires("notifications:manage")
@require_safe
def caught_mail(request: HttpRequest) -> HttpResponse:
    """The e-mail of the demo, which is written to files instead of being sent."""
    folder = _mail_folder()
    if folder is None:
        raise Http404
    return render(request, "notifications/caught_mail.html", {"caught": newest(folder), "tabs": _tabs(request)})


def _mail_folder() -> Path | None:
    """Return where e-mail is written to, in the demo alone."""
    return Path(settings.EMAIL_FILE_PATH) if settings.DEMO and settings.EMAIL_FILE_PATH else None


def _tabs(request: HttpRequest) -> list[tuple[str, str, bool, None]]:
    pages = [("Messages", "notifications:outbox"), ("Webhooks", "notifications:webhooks")]
    if _mail_folder():
        pages.append(("E-mail of the demo", "notifications:caught_mail"))
    return [(label, reverse(name), request.path == reverse(name), None) for label, name in pages]
