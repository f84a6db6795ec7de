"""The command for people on call, against the API itself."""

from collections.abc import Mapping
from typing import Any

import pytest

from accounts.changes.models import Change
from accounts.changes.states import ChangeState, ItemState
from riskadmin.cli.__main__ import main
from riskadmin.cli.api import Answer, Failed, HttpApi, from_environment
from riskadmin.cli.commands import NOT_PROVEN, Terminal
from riskadmin.staff.roles import Role
from riskadmin.staff.tokens.models import Scope
from tests.api.programs import Program
from tests.approvals.policies import want_for
from tests.changes.world import LOCKED, make_account, open_item
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


class InProcess:
    """The API without a network."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Answer:
        answer = self.program.get(path, **(query or {})) if method == "GET" else self.program.post(path, body)
        return Answer(status=answer.status_code, body=answer.json())


class OnCall:
    """A person who runs the command: what they read, and what they type when asked."""

    def __init__(self, scope: Scope = Scope.REQUEST) -> None:
        self.api = InProcess(Program(make_person(Role.SUPPORT), scope))
        self.read: list[str] = []
        self.types = ""

    def run(self, *arguments: str) -> int:
        terminal = Terminal(write=self.read.append, ask=lambda _: self.types, wait=self.work)
        return main(list(arguments), api=self.api, terminal=terminal)

    def work(self, _: float) -> None:
        """What workers do meanwhile."""
        Change.objects.update(state=ChangeState.FINISHED)


@pytest.fixture
def on_call() -> OnCall:
    make_account(101, LOCKED, name="ALPHA-1")
    make_account(102, name="BETA-2")
    want_for("lock", review_within_hours=24)
    return OnCall()


def test_it_finds(on_call: OnCall) -> None:
    assert on_call.run("find", "ALPHA") == 0
    assert on_call.read == ["demo:101\tALPHA-1\tLocked (no orders)\t"]
    assert on_call.run("find", "GAMMA", "--environment", "live") == 1
    assert on_call.read[-1] == "No account on live that you have access to matches 'GAMMA'."


@pytest.mark.parametrize("typed", ["102", "demo:102"])
def test_it_locks_once_the_id_is_typed(on_call: OnCall, typed: str) -> None:
    for wrong in ("101", "live:102"):
        on_call.types = wrong
        assert on_call.run("lock", "demo:102", "--reason", "Runaway", "--no-wait") == 1
    assert not Change.objects.exists()
    on_call.types = typed
    assert on_call.run("lock", "demo:102", "--reason", "Runaway", "--no-wait") == NOT_PROVEN
    change = Change.objects.get()
    assert (change.kind, change.reason_text, change.items.get().target) == ("lock", "Runaway", "demo:account:102")
    assert on_call.read[-1].startswith(f"Change {change.pk} (lock, demo): running. 1 queued.")


def test_it_says_done_only_of_what_is_proven(on_call: OnCall) -> None:
    person = on_call.api.program.token.person
    cancelled, locked = (
        open_item(person, make_account(number), "lock", state)
        for number, state in ((103, ItemState.CANCELLED), (104, ItemState.APPLIED))
    )
    assert on_call.run("status", str(cancelled.change_id), "--wait") == NOT_PROVEN
    assert on_call.read[-1] == "Not every account is as intended. Look at the change's page."
    assert on_call.run("status", str(locked.change_id), "--wait") == 0


@pytest.mark.parametrize("account", ["102", "paper:102", "demo:x", "demo:"])
def test_a_name_that_is_none_is_refused(on_call: OnCall, account: str) -> None:
    assert on_call.run("lock", account, "--reason", "Runaway", "--yes") == 1
    assert "does not name an account" in on_call.read[-1]


def test_what_is_locked_already_is_not_requested(on_call: OnCall) -> None:
    assert on_call.run("lock", "demo:101", "--reason", "Runaway", "--yes") == 1
    assert "would not be locked" in on_call.read[-1]


def test_a_reading_token_learns_what_it_needs() -> None:
    make_account(102)
    on_call = OnCall(Scope.READ)
    assert on_call.run("lock", "demo:102", "--reason", "Runaway", "--yes") == 1
    assert on_call.read[-1].startswith("Refused (403): This token may not do that.")


def test_it_says_how_the_system_is(on_call: OnCall) -> None:
    assert on_call.run("status") == NOT_PROVEN
    assert "Lane urgent: NO WORKER SEEN LATELY" in on_call.read


@pytest.mark.parametrize("address", ["http://risk.example.com", "ftp://localhost", "risk.example.com"])
def test_a_token_is_sent_over_tls_only(address: str) -> None:
    with pytest.raises(Failed, match="https"):
        HttpApi(address, "rat_x")


def test_what_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "TOKEN", "TOKEN_FILE"):
        monkeypatch.delenv(f"RISKADMIN_{name}", raising=False)
    with pytest.raises(Failed, match="RISKADMIN_URL"):
        from_environment()
    monkeypatch.setenv("RISKADMIN_TOKEN_FILE", "/nowhere/token")
    with pytest.raises(Failed, match="can't be read"):
        from_environment()
