"""When somebody last proved who they are, and how a session begins. Where the time comes from is decided here alone."""

from datetime import UTC, datetime

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest
from django.utils import timezone

from riskadmin.staff.models import Staff
from riskadmin.staff.sessions.keys import ADDRESS, AGENT_MAX, BEGUN_AT, PROVED_AT, USER_AGENT
from riskadmin.web.client_address import client_address


def begin(sender: object, request: HttpRequest, **_: object) -> None:  # noqa: ARG001  (Django passes the sender)
    """Note in the session when, from where and with what browser somebody has signed in; that is a proof, too."""
    request.session[BEGUN_AT] = timezone.now().timestamp()
    request.session[ADDRESS] = client_address(request)
    request.session[USER_AGENT] = request.headers.get("User-Agent", "")[:AGENT_MAX]
    note_proof(request)


def note_proof(request: HttpRequest) -> None:
    """Note that the person has just proved who they are. The caller has checked it."""
    request.session[PROVED_AT] = timezone.now().timestamp()


def proved_at(request: HttpRequest) -> datetime | None:
    """Return when the person of this session last proved who they are; None if that is not known.

    allauth keeps a record of its own: of every step of a sign-in, and of every time that somebody confirmed who they are.
    """
    person = request.user if isinstance(request.user, Staff) else None
    stamps = [float(each["at"]) for each in get_authentication_records(request, person)]
    if PROVED_AT in request.session:
        stamps.append(request.session[PROVED_AT])
    return datetime.fromtimestamp(max(stamps), tz=UTC) if stamps else None
