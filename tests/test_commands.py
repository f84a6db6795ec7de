"""Every command that writes says who runs it, and leaves an event; closed by default."""

import getpass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class

from riskadmin.audit.commands import OperatorCommand
from riskadmin.audit.models import Event
from riskadmin.audit.rendering import EventLine
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.staff.people import make_person

PROJECT = Path(__file__).resolve().parents[1]

WITHOUT_TRAIL = frozenset({"create_database_roles", "grant_database_privileges", "migrate", "restore"})
"""Commands of those who run the database: there may be no trail yet. `restore` names the operator itself, once it has one."""


def ours() -> dict[str, str]:
    return {name: app for name, app in get_commands().items() if app.startswith(("riskadmin", "accounts"))}


def test_each_of_ours_is_found() -> None:
    files = {
        path.stem
        for folder in ("riskadmin", "accounts")
        for path in (PROJECT / folder).rglob("management/commands/*.py")
        if path.stem != "__init__"
    }
    assert set(ours()) == files


@pytest.mark.parametrize("name", sorted(set(ours()) - WITHOUT_TRAIL))
def test_it_asks_for_the_operator(name: str) -> None:
    assert isinstance(load_command_class(ours()[name], name), OperatorCommand)


def test_django_s_own_way_to_set_a_password_is_replaced() -> None:
    """Django's `changepassword` leaves no event, and its `createsuperuser` has no one to make."""
    assert get_commands()["changepassword"] == "riskadmin.staff"
    assert import_module("riskadmin.staff.management.commands.changepassword").Command is not None


@pytest.mark.django_db
class TestOperator:
    @pytest.mark.parametrize("arguments", [[], ["--operator", ""], ["--operator", " \t"], ["--operator", "x" * 101]])
    def test_without_a_name_nothing_is_done(self, arguments: list[str]) -> None:
        with pytest.raises(CommandError, match="operator"):
            call_command("create_demo_people", *arguments)
        assert not Staff.objects.exists()
        assert not Event.objects.exists()

    def test_the_event_names_the_person_and_the_account_that_ran_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(getpass, "getuser", lambda: "deploy")
        person = make_person(Role.SUPPORT, "sam")
        Event.objects.all()
        call_command("changepassword", "sam", operator="  Grace  Hopper ", stdout=_Nowhere())

        event = Event.objects.get(tag=Tag.COMMAND_RUN)
        assert (event.staff_id, event.staff_name, event.staff_role) == (None, "Grace Hopper", "command line as deploy")
        assert event.detail == {"command": "changepassword", "options": {"username": "sam"}}
        line = EventLine(event)
        assert line.actor == "Grace Hopper"
        assert "changepassword" in line.sentence
        assert not Staff.objects.get(pk=person.pk).has_usable_password()
        assert Event.objects.get(tag=Tag.STAFF_RESET).staff_name == "Grace Hopper"

    def test_an_account_without_a_name_is_no_obstacle(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def without_name() -> str:
            raise KeyError

        monkeypatch.setattr(getpass, "getuser", without_name)
        with pytest.raises(CommandError, match="no active person"):
            call_command("changepassword", "sam", operator="Grace Hopper")
        assert Event.objects.get().staff_role == "command line as an account without a name"


class _Nowhere:
    @staticmethod
    def write(_: Any) -> None:
        """Leave out a one-time link."""
