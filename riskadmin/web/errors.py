"""Error pages: what happened, what it means, what to do next, and the request id.

htmx gets the same content as a fragment, which the page swaps in for 400, 403, 409 and 422 (`templates/base.html`). What
`refuse_alone` answers is swapped in nowhere, so that a form keeps what was typed; the page says it in a notice (`app.js`).
Programs (`PROGRAMS`) get the same words as JSON.
"""

import logging
import sys
from dataclasses import dataclass
from typing import Final

from django.core.exceptions import BadRequest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django_htmx.http import reswap, trigger_client_event

from riskadmin.web.access import CapabilityMissing
from riskadmin.web.htmx import is_fragment
from riskadmin.web.statuses import CONFLICT
from riskadmin.web.theme import theme_of

logger = logging.getLogger(__name__)

PROGRAMS: Final = "/api/"
"""The addresses that programs use, with a token."""


@dataclass(frozen=True)
class Problem:
    """One refusal or error in words. `meaning` says what happened and that nothing else did, `next_step` what to do."""

    status: int
    title: str
    meaning: str
    next_step: str
    link_label: str = "Go to the home page"
    link_url: str = "/"


def respond(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Answer with the problem as a page, as a fragment for htmx, or as JSON for a program."""
    if _is_for_program(request):
        return _as_json(request, problem)
    template = "errors/_problem.html" if is_fragment(request) else "errors/page.html"
    return render(request, template, _context(request, problem), status=problem.status)


def conflict(request: HttpRequest, *, meaning: str, next_step: str, link_label: str, link_url: str) -> HttpResponse:
    """Answer 409: what the person acted on has changed since it was shown to them, and nothing was done."""
    problem = Problem(CONFLICT, "This has changed since you opened it", meaning, next_step, link_label, link_url)
    return respond(request, problem)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400`. It quotes only this project's own refusals, and reveals nothing about a forged request.

    It is self-contained: the request may be one for which no page can be rendered, such as one for a host that isn't ours.
    """
    own = isinstance(exception, BadRequest) and str(exception)
    problem = Problem(
        status=400,
        title="This request can't be understood",
        meaning=str(exception) if own else "The address or the form that was sent is damaged. Nothing was done.",
        next_step="Go back, reload the page, and try again from there.",
    )
    return respond(request, problem) if own else _alone(request, problem)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler403`. Says in words what the person may not do."""
    missing = exception.in_words if isinstance(exception, CapabilityMissing) else ()
    problem = Problem(
        status=403,
        title="Your role doesn't allow this",
        meaning=f"It needs the permission to {' or to '.join(missing)}. Nothing was done."
        if missing
        else "Your role does not allow this page. Nothing was done.",
        next_step="Ask somebody who has it, or an administrator to change your roles.",
    )
    return respond(request, problem)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001  (Django passes it)
    """`handler404`. Doesn't reveal whether the thing never existed, or is hidden from this person."""
    problem = Problem(
        status=404,
        title="There is no such page",
        meaning="The address is wrong, or what it showed is not open to you.",
        next_step="Check the address, or search for the account by its number or name.",
    )
    return respond(request, problem)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """`CSRF_FAILURE_VIEW`: the form is from before the sign-in, from another tab's session, or forged."""
    logger.warning("Form refused: %s", reason)
    problem = Problem(
        status=403,
        title="This form has expired",
        meaning="You signed in or out since it was opened, or the browser sent no cookie. Nothing was done.",
        next_step="Reload the page and fill it in again. Copy what you typed first.",
    )
    return respond(request, problem)


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`. Self-contained, since the error may affect the frame too. An unavailable database is answered with 503."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return unavailable(request)
    problem = Problem(
        status=500,
        title="This page failed",
        meaning="The fault is on our side and was recorded. If you had sent a form, look whether it was done before "
        "sending it again.",
        next_step="Reload the page. If it fails again, give an administrator the request id below.",
    )
    return _alone(request, problem)


def unavailable(request: HttpRequest) -> HttpResponse:
    """Answer 503: the database doesn't answer, so nothing can be shown and nothing was written."""
    problem = Problem(
        status=503,
        title="The database doesn't answer",
        meaning="Nothing can be shown or recorded now, so nothing is sent to Tradovate either.",
        next_step="Reload in a minute. In an emergency, lock the account in Tradovate's own dashboard.",
    )
    response = _alone(request, problem)
    response.headers["Retry-After"] = "30"
    return response


def refuse_alone(request: HttpRequest, problem: Problem, **extra: object) -> HttpResponse:
    """Answer a request that was refused before its view, in the form it asks for; a page needs no session and no database."""
    if _is_for_program(request) or request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return _as_json(request, problem)
    response = _alone(request, problem, **extra)
    if is_fragment(request):
        message = f"{problem.title}. {problem.meaning} {problem.next_step}"
        return trigger_client_event(reswap(response, "none"), "problem", {"message": message})
    return response


def too_many(request: HttpRequest, *, what: str, seconds: int) -> HttpResponse:
    """Answer 429: this person asked for `what` too often. The page has what was typed, to be sent again as it is."""
    typed = [(name, value) for name, values in request.POST.lists() if name != "csrfmiddlewaretoken" for value in values]
    problem = Problem(
        status=429,
        title="That was too often",
        meaning=f"There were too many {what} within a minute. Nothing was done, and locks are never held up by this.",
        next_step=f"Try again in {seconds} second{'' if seconds == 1 else 's'}.",
    )
    response = refuse_alone(
        request, problem, typed=typed, path=request.get_full_path(), is_form=request.method == "POST", files=bool(request.FILES)
    )
    response.headers["Retry-After"] = str(seconds)
    return response


def _alone(request: HttpRequest, problem: Problem, **extra: object) -> HttpResponse:
    """Render without the frame: no session, no database, no context processor."""
    if _is_for_program(request):
        return _as_json(request, problem)
    template = "errors/_problem.html" if is_fragment(request) else "errors/alone.html"
    context = _context(request, problem) | {"theme": theme_of(request), **extra}
    if extra.get("is_form"):
        context["csrf_token"] = get_token(request)
    return HttpResponse(render_to_string(template, context), status=problem.status)


def _is_for_program(request: HttpRequest) -> bool:
    return request.path.startswith(PROGRAMS)


def _as_json(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Answer as the API answers its own errors."""
    detail = f"{problem.meaning} {problem.next_step}"
    said = {"error": problem.title, "detail": detail, "fields": {}, "request_id": _id_of(request)}
    return JsonResponse(said, status=problem.status)


def _context(request: HttpRequest, problem: Problem) -> dict[str, object]:
    return {"problem": problem, "request_id": _id_of(request)}


def _id_of(request: HttpRequest) -> str:
    return str(getattr(request, "request_id", ""))
