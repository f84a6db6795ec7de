"""The operations of the API. Each answers JSON; docs/api.md describes it, docs/openapi.json is the whole document."""

from collections import defaultdict
from http import HTTPStatus
from typing import Final

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Query, Status
from ninja.errors import HttpError, ValidationError

from accounts.access.queries import visible_accounts
from accounts.api.auth import Needs, bearer_of
from accounts.api.requests import Refused, preview, request_change
from accounts.api.schemas import (
    AccountDetail,
    AccountPage,
    AccountRow,
    ChangeDetail,
    ChangePage,
    ChangeRow,
    ItemPage,
    Number,
    Position,
    Preview,
    Refusal,
    Requested,
    SystemStatus,
    TradovateId,
    Wanted,
)
from accounts.changes import queries
from accounts.changes.access import visible_changes
from accounts.changes.models import Change
from accounts.changes.states import ChangeState
from accounts.execution.heartbeat import lanes_at_work
from accounts.models import Account, LimitLevel, SyncRun
from accounts.models.status import AccountStatus, account_status_q
from accounts.pages.explanation import explain
from accounts.pages.queries import IN_ORDER, account_detail, search_q, with_what_lists_show
from riskadmin.audit.origin import origin_of
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.paging import keyset

SIZE: Final = 100
ERRORS: Final = frozenset({400, 401, 403, 404, 409, 422, 429})
NOT_FOUND: Final = "There is none with this id."

api = NinjaAPI(
    title="riskadmin",
    version="1",
    description="Read accounts and changes, and request changes in the name of the token's person. No operation approves.",
    docs_url=None,
    urls_namespace="api",
)


class NotFound(Exception):
    """There is nothing with this id that the token's person may see."""


@api.get("/status", response={200: SystemStatus, ERRORS: Refusal}, auth=Needs("accounts:view"))
def status(request: HttpRequest) -> SystemStatus:
    """Whether the lanes have workers, when each environment was last read, and how many outcomes are unknown."""
    last = {
        environment.value: SyncRun.objects.filter(environment=environment.value, ended_at__isnull=False, failure="")
        .order_by("-started_at")
        .values_list("ended_at", flat=True)
        .first()
        for environment in Environment
    }
    return SystemStatus(
        lanes=lanes_at_work(), last_read=last, unknown_outcomes=queries.unknown_items(bearer_of(request).person).count()
    )


@api.get("/accounts", response={200: AccountPage, ERRORS: Refusal}, auth=Needs("accounts:view"))
def accounts(
    request: HttpRequest,
    search: str = Query(  # type: ignore[type-arg]
        "", max_length=64, description="a part of the name, Tradovate's id, the trader or the trader's e-mail"
    ),
    environment: Environment | None = None,
    status: AccountStatus | None = None,
    cursor: str = "",
) -> AccountPage:
    """Find accounts, by name."""
    found = with_what_lists_show(visible_accounts(Account.objects.all(), bearer_of(request).person))
    if search:
        condition, _ = search_q(search)
        found = found.filter(condition)
    if environment:
        found = found.filter(environment=environment)
    if status:
        found = found.filter(account_status_q(status))
    page = keyset(found, IN_ORDER, cursor, size=SIZE)
    # The query has counted them.
    rows = [AccountRow.of(each, open_positions=each.open_positions) for each in page.rows]  # type: ignore[attr-defined]
    return AccountPage(accounts=rows, next_cursor=page.next_cursor)


@api.get("/accounts/{environment}/{account_id}", response={200: AccountDetail, ERRORS: Refusal}, auth=Needs("accounts:view"))
def account(request: HttpRequest, environment: Environment, account_id: TradovateId) -> AccountDetail:
    """Read an account, and why it can or can't trade."""
    viewer = bearer_of(request).person
    found = account_detail(environment, account_id, viewer)
    if found is None:
        raise NotFound
    limits = {each.level: each for each in found.limits.all()}
    said = explain(found, limits.get(LimitLevel.FIRM.value))
    row = AccountRow.of(found, open_positions=len(found.positions.all()))
    open_changes = queries.open_items_of(environment, account_id, viewer).values_list("change_id", flat=True)
    return AccountDetail(
        **row.dict(),
        explanation=list(said.what),
        until=said.until,
        since=said.since,
        open_changes=sorted(set(open_changes)),
    )


@api.get("/changes", response={200: ChangePage, ERRORS: Refusal}, auth=Needs("changes:view"))
def changes(request: HttpRequest, state: ChangeState | None = None, cursor: str = "") -> ChangePage:
    """List changes, newest first."""
    found = visible_changes(Change.objects.filter(state=state) if state else Change.objects.all(), bearer_of(request).person)
    page = keyset(found, ("-id",), cursor, size=SIZE)
    return ChangePage(changes=[ChangeRow.of(each) for each in page.rows], next_cursor=page.next_cursor)


@api.get("/changes/{change_id}", response={200: ChangeDetail, ERRORS: Refusal}, auth=Needs("changes:view"))
def change(request: HttpRequest, change_id: Number) -> ChangeDetail:
    """Read a change and its progress."""
    return _detail(_change(request, change_id).pk)


@api.get("/changes/{change_id}/items", response={200: ItemPage, ERRORS: Refusal}, auth=Needs("changes:view"))
def items(request: HttpRequest, change_id: Number, cursor: str = "") -> ItemPage:
    """List the items of a change, each with its outcome."""
    page = keyset(queries.items_of(_change(request, change_id)), ("position", "id"), cursor, size=SIZE)
    return ItemPage(items=[Position.of(each) for each in page.rows], next_cursor=page.next_cursor)


@api.post("/previews", response={200: Preview, ERRORS: Refusal}, auth=Needs("changes:view"))
def preview_change(request: HttpRequest, wanted: Wanted) -> Preview:
    """See what a change would do. Nothing is written; its answer has the digest that a request needs."""
    return preview(bearer_of(request), wanted)


@api.post("/changes", response={201: ChangeDetail, ERRORS: Refusal}, auth=Needs("changes:view"))
def create_change(request: HttpRequest, requested: Requested) -> Status[ChangeDetail]:
    """Request a change, as a preview showed it. Who has to approve it does so on its page."""
    made = request_change(bearer_of(request), origin_of(request), requested)
    return Status(HTTPStatus.CREATED, _detail(made.pk))


@api.exception_handler(Refused)
def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    """Answer why nothing was done."""
    return api.create_response(request, {"detail": str(error), "fields": error.fields}, status=error.status)


@api.exception_handler(NotFound)
def not_found(request: HttpRequest, error: NotFound) -> HttpResponse:  # noqa: ARG001  (a handler's signature)
    """Answer that there is nothing with this id."""
    return api.create_response(request, {"detail": NOT_FOUND, "fields": {}}, status=HTTPStatus.NOT_FOUND)


@api.exception_handler(HttpError)
def answered(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Answer what the library or an operation refuses, in the shape of every error."""
    return api.create_response(request, {"detail": str(error), "fields": {}}, status=error.status_code)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Answer what is wrong with the input, by field. Its values are not repeated."""
    fields: dict[str, list[str]] = defaultdict(list)
    for each in error.errors:
        where = each["loc"][2 if each["loc"][0] == "body" else 1 :]
        fields[".".join(str(part) for part in where)].append(str(each["msg"]))
    said = {"detail": "Some of the input can't be used.", "fields": fields}
    return api.create_response(request, said, status=HTTPStatus.UNPROCESSABLE_ENTITY)


@api.exception_handler(BadRequest)
def bad_request(request: HttpRequest, error: BadRequest) -> HttpResponse:
    """Answer what was wrong with the request, such as a cursor of another list."""
    return api.create_response(request, {"detail": str(error), "fields": {}}, status=HTTPStatus.BAD_REQUEST)


def _change(request: HttpRequest, change_id: int) -> Change:
    """Return a change that the token's person may see."""
    found = visible_changes(Change.objects.filter(pk=change_id), bearer_of(request).person).first()
    if found is None:
        raise NotFound
    return found


def _detail(change_id: int) -> ChangeDetail:
    found = queries.progress(change_id)
    by_state = {state.value: count for state, count in found.counts.items()}
    approval = found.approval
    return ChangeDetail.with_progress(found.change, by_state=by_state, approvals=approval.given, needed=approval.needed)
