"""The API: what it reads, what it requests, and what it refuses without writing anything."""

import json
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as project_settings
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.api.views import api
from accounts.approvals.states import RequestState
from accounts.changes import freshness
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.states import ChangeState
from accounts.gateway.connection import NotConnected
from accounts.models import RiskStatus
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.roles import Role
from riskadmin.staff.tokens.models import Scope
from riskadmin.tradovate.vocabulary import Environment
from tests.api.programs import Program
from tests.approvals.policies import want_for
from tests.changes.test_auto_liq_limits import give_cash, give_limits
from tests.changes.world import LOCKED, hold_position, make_account
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> Program:
    """A program of support that may request changes."""
    return Program(make_person(Role.SUPPORT))


def wanted(kind: str = "unlock", *targets: int, **columns: object) -> dict[str, Any]:
    """What a preview is asked for."""
    return {"kind": kind, "environment": "demo", "targets": targets or [101], **columns}


def requested(program: Program, kind: str = "unlock", *targets: int, **columns: object) -> dict[str, Any]:
    """A request of what a preview shows now."""
    shown = program.post("/previews", wanted(kind, *targets)).json()
    reason = {"reason_code": "Other", "reason_text": "Trader called", "digest": shown["digest"], "key": str(uuid4())}
    return {**wanted(kind, *targets), **reason, **columns}


def test_accounts_are_found_with_their_status(program: Program) -> None:
    make_account(101, LOCKED, name="ALPHA-1")
    make_account(102, name="BETA-2")
    found = program.get("/accounts", search="ALPHA").json()
    assert [(row["id"], row["status"]) for row in found["accounts"]] == [(101, "locked")]
    assert [row["id"] for row in program.get("/accounts", status="active").json()["accounts"]] == [102]
    account = program.get("/accounts/demo/101").json()
    assert account["explanation"] == ["An admin action rejects every order. Open positions are kept."]
    assert program.get("/accounts/live/101").status_code == 404
    assert program.get("/accounts", environment="paper").status_code == 422
    assert program.get("/accounts", cursor="x").status_code == 400


def test_pages_follow_each_other(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.api.views.SIZE", 2)
    for number in range(101, 104):
        make_account(number)
    first = program.get("/accounts").json()
    then = program.get("/accounts", cursor=first["next_cursor"]).json()
    assert ([row["id"] for row in first["accounts"]], [row["id"] for row in then["accounts"]]) == ([101, 102], [103])
    assert then["next_cursor"] is None


def test_a_request_is_what_the_preview_showed_and_waits_for_people(program: Program) -> None:
    make_account(101, LOCKED)
    shown = program.post("/previews", wanted()).json()
    assert (shown["sent"], shown["approvals_needed"], shown["rows"][0]["before"]["admin_action"]) == (1, 1, LOCKED)
    assert not Change.objects.exists()

    sent = requested(program)
    answer = program.post("/changes", sent)
    assert answer.status_code == 201, answer.content
    change = Change.objects.get()
    assert (change.state, change.requested_by, change.digest != "") == (ChangeState.PENDING, program.token.person, True)
    assert Event.objects.get(tag="change:request:submitted").detail["source"] == f"the API, token {program.token}"

    assert program.post("/changes", sent).json()["id"] == answer.json()["id"] == change.pk
    progress = program.get(f"/changes/{change.pk}").json()
    assert (progress["state"], progress["by_state"], progress["approvals_needed"]) == ("pending", {"waiting": 1}, 1)
    assert program.get(f"/changes/{change.pk}/items").json()["items"][0]["state"] == "waiting"
    assert [row["id"] for row in program.get("/changes").json()["changes"]] == [change.pk]


def test_a_preview_says_how_old_it_is_and_why_it_could_not_be_read_again(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_account(101, LOCKED)
    fresh = program.post("/previews", wanted()).json()
    assert (fresh["read_at"] is not None, fresh["is_outdated"], fresh["unread"]) == (True, False, "")
    RiskStatus.objects.filter(account=account).update(fresh_at=timezone.now() - timedelta(days=1))

    def refuse(*_: object, **__: object) -> None:
        raise NotConnected(Environment.DEMO)

    monkeypatch.setattr(freshness, "refresh", refuse)
    old = program.post("/previews", wanted()).json()
    assert (old["is_outdated"], "demo environment is not connected" in old["unread"]) == (True, True)
    assert datetime.fromisoformat(old["read_at"]) < timezone.now() - timedelta(hours=23)


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/nowhere", None, 404),
        ("/accounts", b"x" * 70_000, 405),
        ("/previews", b"x" * 3_000_000, 413),
        ("/previews", b"{", 400),
    ],
)
def test_every_refusal_has_the_shape_of_an_error(program: Program, path: str, sent: bytes | None, status: int) -> None:
    answer = program.get(path) if sent is None else program.post(path, sent)
    assert answer.status_code == status, answer.content
    if status != HTTPStatus.METHOD_NOT_ALLOWED:
        assert answer.json()["fields"] == {}
        assert answer.json()["detail"]


def test_it_is_refused_and_not_redirected_without_tls(program: Program, settings: Settings) -> None:
    settings.HTTPS = settings.SECURE_SSL_REDIRECT = True
    answer = program.get("/status")
    assert (answer.status_code, "Send this over HTTPS" in answer.json()["detail"]) == (403, True)
    assert Client().get("/accounts/").status_code == 301
    assert program.client.get("/api/v1/status", secure=True).status_code == 200


def test_a_lock_runs_at_once_where_policy_lets_it(program: Program) -> None:
    make_account(102)
    want_for("lock", review_within_hours=24)
    answer = program.post("/changes", requested(program, "lock", 102))
    assert answer.status_code == 201, answer.content
    change = Change.objects.get()
    assert (change.approval.state, change.review_by is not None) == (RequestState.APPROVED, True)


def test_what_loosens_never_runs_at_once(program: Program) -> None:
    make_account(101, LOCKED)
    want_for("unlock")
    answer = program.post("/changes", requested(program))
    assert (answer.status_code, "program can't request" in answer.json()["detail"]) == (403, True)
    assert not Change.objects.exists()


@pytest.mark.parametrize("kind", ["liquidate", "auto_liq_limits"])
def test_what_might_liquidate_needs_a_person_at_the_page(kind: str) -> None:
    """The page asks who they are first, which a program can't prove: also where only the preview shows it."""
    program = Program(make_person(Role.SUPERVISOR))
    account = make_account(101, evaluation_size_usd=50_000)
    hold_position(account, 2)
    give_limits(account, daily_loss_auto_liq_usd="2000")
    give_cash(account, today="-1200")
    want_for(kind)
    parameters = {"daily_loss_auto_liq_usd": "1000"} if kind == "auto_liq_limits" else {}
    previewed = program.post("/previews", wanted(kind, parameters=parameters))
    assert previewed.json()["effects"]["liquidated"] == 1, previewed.content
    sent = {**requested(program, kind, parameters=parameters), "digest": previewed.json()["digest"], "confirm_count": 1}
    answer = program.post("/changes", sent)
    assert (answer.status_code, "Request it on its page" in answer.json()["detail"]) == (403, True), answer.content
    assert "might liquidate" in answer.json()["detail"]
    assert not Change.objects.exists()
    used = Event.objects.filter(tag=Tag.TOKEN_USED).latest("pk")
    assert (used.detail["path"], used.detail["status"]) == ("/api/v1/changes", 403)


def test_an_account_that_changed_since_the_preview_is_shown_again(program: Program) -> None:
    account = make_account(101, LOCKED)
    sent = requested(program)
    RiskStatus.objects.filter(account=account).update(admin_action="LiquidateOnly")
    assert program.post("/changes", sent).status_code == 409
    assert not Change.objects.exists()


@pytest.mark.parametrize(
    ("faulty", "field"),
    [
        ({"kind": "approve"}, "kind"),
        ({"parameters": {"secret": "1"}}, "secret"),
        ({"reason_text": ""}, "reason_text"),
        ({"reason_code": "Whim"}, "reason_code"),
        ({"digest": "0"}, "digest"),
        ({"ticket": "\u202e"}, "ticket"),
        ({"reason_text": "\ud800"}, "reason_text"),
        ({"reason_text": "\x00"}, "reason_text"),
        ({"kind": "\ud800"}, "kind"),
    ],
)
def test_bad_input_is_refused_at_its_field(program: Program, faulty: dict[str, Any], field: str) -> None:
    make_account(101, LOCKED)
    answer = program.post("/changes", {**requested(program), **faulty})
    assert (answer.status_code, field in answer.json()["fields"]) == (422, True), answer.content
    assert not Change.objects.exists()


@pytest.mark.parametrize("targets", [[], ["x"], [2**70], list(range(10_001))])
def test_targets_that_can_not_be_are_refused(program: Program, targets: list[Any]) -> None:
    answer = program.post("/previews", {**wanted(), "targets": targets})
    assert (answer.status_code, {name.partition(".")[0] for name in answer.json()["fields"]}) == (422, {"targets"})


def test_a_parameter_is_checked_as_on_its_form(program: Program) -> None:
    make_account(101)
    answer = program.post("/previews", wanted("auto_liq_limits", parameters={"daily_loss_alert_usd": "a lot"}))
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["daily_loss_alert_usd"]), answer.content


OPERATIONS = {
    ("GET", "/status"): (200, 200, 200),
    ("GET", "/accounts"): (200, 200, 200),
    ("GET", "/accounts/{environment}/{account_id}"): (200, 200, 200),
    ("GET", "/changes"): (200, 200, 200),
    ("GET", "/changes/{change_id}"): (404, 404, 404),
    ("GET", "/changes/{change_id}/items"): (404, 404, 404),
    ("POST", "/previews"): (403, 403, 200),
    ("POST", "/changes"): (403, 403, 201),
}
"""What each operation answers: a reading token of support, a requesting one of compliance, a requesting one of support."""


def test_every_operation_is_in_the_table() -> None:
    described = api.get_openapi_schema()["paths"]
    found = {(method.upper(), path.removeprefix("/api/v1")) for path, by in described.items() for method in by}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_operations_answer_as_the_table_says(method: str, path: str) -> None:
    make_account(101, LOCKED)
    support, compliance = make_person(Role.SUPPORT), make_person(Role.COMPLIANCE)
    body = requested(Program(support)) if method == "POST" else {}
    address = path.format(environment="demo", account_id=101, change_id=4711)
    programs = (Program(support, Scope.READ), Program(compliance), Program(support))
    for program, expected in zip(programs, OPERATIONS[method, path], strict=True):
        answer = program.get(address) if method == "GET" else program.post(address, body)
        assert answer.status_code == expected, answer.content


def test_every_kind_may_be_requested_by_who_may_request_it(program: Program) -> None:
    for kind in KINDS.values():
        answer = program.post("/previews", {**wanted(kind.name), "environment": min(kind.environments)})
        assert (answer.status_code == 403) == (not program.token.person.may(kind.capability)), kind.name


def test_the_document_is_the_one_in_the_docs(tmp_path: Path) -> None:
    made = tmp_path / "openapi.json"
    call_command("export_openapi_schema", api="accounts.api.views.api", output=str(made), indent=2, ensure_ascii=False)
    kept = Path(project_settings.BASE_DIR, "docs", "openapi.json")
    assert json.loads(kept.read_text()) == json.loads(made.read_text()), "run make openapi"
