"""A little site of marked views, for tests of what surrounds a view; signing in is a header naming the capabilities."""

from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import include, path
from django.views.decorators.http import require_POST

from riskadmin.web.access import demand, public, requires, requires_any, signed_in
from riskadmin.web.errors import conflict
from riskadmin.web.request_id import current_request_id

ran: list[str] = []  # the views that ran, emptied before each test


class Someone:
    """Whom the header X-Person describes: "changes:view audit:view"."""

    is_authenticated = True
    username = "someone"
    role_names = ("tester",)

    def __init__(self, capabilities: str) -> None:
        self.capabilities = capabilities.split()

    def get_full_name(self) -> str:
        return "Some One"

    def may(self, capability: str) -> bool:
        return capability in self.capabilities


def signs_in_by_header(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        described = request.headers.get("X-Person")
        request.user = AnonymousUser() if described is None else Someone(described)  # type: ignore[assignment]
        return get_response(request)

    return middleware


def _answer(name: str) -> HttpResponse:
    ran.append(name)
    return HttpResponse(f"{name} {current_request_id()}")


@signed_in
def home(request: HttpRequest) -> HttpResponse:
    ran.append("home")
    return render(request, "base.html", {"environment": request.GET.get("environment", "")})


@requires("changes:decide")
@require_POST
def decide(request: HttpRequest) -> HttpResponse:
    return _answer("decide")


@require_POST
@requires("changes:decide")
def decide_marked_inside(request: HttpRequest) -> HttpResponse:
    return _answer("decide_marked_inside")


@requires_any("changes:request:lock", "changes:request:unlock")
def ask(request: HttpRequest) -> HttpResponse:
    return _answer("ask")


@signed_in
def asks_inside(request: HttpRequest) -> HttpResponse:
    demand(request, "changes:request:lock")
    return _answer("asks_inside")


@public
def probe(request: HttpRequest) -> HttpResponse:
    return _answer("probe")


def unmarked(request: HttpRequest) -> HttpResponse:
    return _answer("unmarked")


@public
def fails(request: HttpRequest) -> HttpResponse:
    faults: dict[str, Exception] = {
        "bug": ZeroDivisionError("the secret number is 42"),
        "database": OperationalError("the secret number is 42"),
        "own words": BadRequest("There is no such page in this list."),
        "forged": SuspiciousOperation("the secret number is 42"),
    }
    raise faults[request.GET["how"]]


@public
def moved(request: HttpRequest) -> HttpResponse:
    return conflict(
        request,
        meaning="The account was unlocked.",
        next_step="Look again.",
        link_label="Open change 7",
        link_url="/changes/7/",
    )


staff = include(([path("sign-in", probe, name="sign_in"), path("sign-out", probe, name="sign_out")], "staff"))
urlpatterns = [
    path("", home, name="home"),
    path("", include("riskadmin.web.urls")),
    path("staff/", staff),
    path("changes/", ask, name="changes"),
    path("changes/approvals/", ask, name="approvals"),
    path("decide", decide),
    path("decide-marked-inside", decide_marked_inside),
    path("asks-inside", asks_inside),
    path("probe", probe),
    path("unmarked", unmarked),
    path("fails", fails),
    path("moved", moved),
]
handler400 = "riskadmin.web.errors.bad_request"
handler403 = "riskadmin.web.errors.permission_denied"
handler404 = "riskadmin.web.errors.not_found"
handler500 = "riskadmin.web.errors.server_error"
