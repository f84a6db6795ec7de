"""Who has to have a second factor, and that they can open nothing until they have proven it."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db.models import OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from riskadmin.staff.models import Staff
from riskadmin.staff.sign_in import actions
from riskadmin.staff.sign_in.methods import WORDS
from riskadmin.web.access import mark_of, restrict
from riskadmin.web.formats import counted
from riskadmin.web.htmx import redirect

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

SECOND_FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""What somebody can have as a second factor. Recovery codes stand in for one, and are made together with the first."""
PROVES: Final = frozenset({"mfa", "emergency"})
"""The methods in a session's record that are a second factor: a code, a passkey, or an emergency code."""


def is_required_of(person: Staff) -> bool:
    """Return whether this person has to have a second factor: everyone, or everyone who may do more than look."""
    match settings.SECOND_FACTOR_REQUIRED:
        case "off":
            return False
        case "acting":
            return any(not capability.endswith(":view") for capability in person.capabilities)
        case _:
            return True


def has_second_factor(person: Staff) -> bool:
    """Return whether this person has set up a second factor."""
    return Authenticator.objects.filter(user=person, type__in=SECOND_FACTORS).exists()


def people_with_second_factor() -> QuerySet[Authenticator]:
    """Return the second factors of the person of the outer query, for `Exists`."""
    return Authenticator.objects.filter(user=OuterRef("pk"), type__in=SECOND_FACTORS)


def factors_in_words(people: Iterable[Staff]) -> dict[int, str]:
    """Return what each of some people has as a second factor, such as "Authenticator app, 2 passkeys"; one query."""
    found: dict[int, Counter[str]] = {}
    rows = Authenticator.objects.filter(user__in=people, type__in=SECOND_FACTORS).order_by("pk")
    for person_id, kind in rows.values_list("user_id", "type"):
        found.setdefault(person_id, Counter())[kind] += 1
    return {
        person_id: ", ".join(
            counted(kinds[kind], WORDS[kind]) if kinds[kind] > 1 else WORDS[kind] for kind in SECOND_FACTORS if kinds[kind]
        ).capitalize()
        for person_id, kinds in found.items()
    }


def is_proven(request: HttpRequest, person: Staff) -> bool:
    """Return whether a second factor was proven in this session, also one that the identity provider has checked."""
    records = get_authentication_records(request, person)
    return any(record["method"] in PROVES or record.get("second_factor") is True for record in records)


def open_unproven(view: View) -> View:
    """Mark a view as open to signed-in people who still have to set up or prove a second factor."""
    view.opens_unproven = True  # type: ignore[attr-defined]  # functions take attributes, Callable can't say so
    return view


class SecondFactorMiddleware:
    """Lets people who have to prove a second factor, and have not, open nothing but the pages for that.

    Comes after authentication and before `AccessMiddleware`. Such a request has no capability at all, so that a page which
    this class let pass by mistake would still be refused.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Restrict the request if its person still has to prove a second factor."""
        person = request.user
        if isinstance(person, Staff) and is_required_of(person) and not is_proven(request, person):
            restrict(request)
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[object, ...],  # noqa: ARG002  (Django passes it)
        kwargs: dict[str, Any],  # noqa: ARG002  (Django passes it)
    ) -> HttpResponse | None:
        """Lead a restricted request to where a second factor is set up, or to sign in again with the one there is."""
        person = request.user
        if not getattr(request, "is_restricted", False) or not isinstance(person, Staff):
            return None
        mark = mark_of(view)
        if (mark is not None and mark.is_public) or getattr(view, "opens_unproven", False) is True:
            return None
        if has_second_factor(person):  # the session began before it was required
            actions.sign_out(request, actor=person)
            return redirect(request, settings.LOGIN_URL)
        return redirect(request, "sign_in:security")
