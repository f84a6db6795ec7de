"""Adding people from the command line: real ones anywhere, the demo's in a demo alone."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.staff.people import PASSWORD

pytestmark = pytest.mark.django_db

OPERATOR = "Grace Hopper"


def create_person(monkeypatch: pytest.MonkeyPatch, *arguments: str, password: str = PASSWORD) -> str:
    monkeypatch.setattr("sys.stdin", StringIO(password + "\nnot the password\n"))
    out = StringIO()
    call_command("create_person", *arguments, "--password-stdin", "--operator", OPERATOR, stdout=out)
    return out.getvalue()


def create_demo_people() -> str:
    out = StringIO()
    call_command("create_demo_people", operator=OPERATOR, stdout=out)
    return out.getvalue()


class TestCreatePerson:
    def test_it_adds_somebody_with_the_role_and_records_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said = create_person(monkeypatch, "Ada", "--role", "administrator", "--first-name", "Ada", "--last-name", "L")

        person = Staff.objects.get()
        assert (person.username, person.display_name, person.role_names) == ("ada", "Ada L", ("administrator",))
        assert person.check_password(PASSWORD)
        started, event = Event.objects.order_by("pk")
        assert (started.tag, started.staff_name, started.job) == (Tag.COMMAND_RUN, OPERATOR, "create_person")
        assert (event.tag, event.staff_id, event.staff_name, event.job) == (
            Tag.STAFF_CREATED,
            None,
            OPERATOR,
            "create_person",
        )
        assert event.after == {"username": "ada", "name": "Ada L", "roles": ["administrator"]}
        assert event.detail == {"staff_id": person.pk}
        assert said == "Added ada as administrator.\n"

    @pytest.mark.parametrize(
        ("username", "password", "why"),
        [
            ("ada", "brief", "too short"),
            ("ada", "password1234", "too common"),
            ("ada-lovelace", "ada-lovelace1", "too similar"),
            ("ada lovelace", PASSWORD, "small letters"),
            ("", PASSWORD, "cannot be blank"),
            ("taken", PASSWORD, "already exists"),
            ("TAKEN", PASSWORD, "already exists"),
        ],
    )
    def test_errors_are_shown_and_no_one_is_added(
        self, monkeypatch: pytest.MonkeyPatch, username: str, password: str, why: str
    ) -> None:
        Staff.objects.create_user("taken")
        with pytest.raises(CommandError, match=why) as refused:
            create_person(monkeypatch, username, "--role", "support", password=password)
        assert password not in str(refused.value)
        assert Staff.objects.count() == 1
        assert list(Event.objects.values_list("tag", flat=True)) == [Tag.COMMAND_RUN]
        assert password not in str(Event.objects.values_list("detail", flat=True))

    def test_a_role_that_is_none_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(CommandError, match="invalid choice"):
            create_person(monkeypatch, "ada", "--role", "root")

    def test_passwords_typed_differently_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        typed = iter([PASSWORD, PASSWORD + "x"])
        monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
        with pytest.raises(CommandError, match="differ"):
            call_command("create_person", "ada", "--role", "support", "--operator", OPERATOR)
        assert Staff.objects.count() == 0


class TestCreateDemoPeople:
    @pytest.fixture(autouse=True)
    def demo(self, settings: Settings) -> None:
        settings.DEMO = True
        settings.DEMO_PASSWORD = "a demo's word"

    def test_it_adds_the_five_and_says_no_password(self) -> None:
        said = create_demo_people()

        people = {person.username: person for person in Staff.objects.all()}
        assert {username: person.role_names for username, person in people.items()} == {
            "support": ("support",),
            "supervisor": ("supervisor",),
            "supervisor2": ("supervisor",),
            "compliance": ("compliance",),
            "administrator": ("administrator",),
        }
        assert all(person.check_password("a demo's word") for person in people.values())
        assert len({person.display_name for person in people.values()}) == 5
        assert Event.objects.filter(tag=Tag.STAFF_CREATED, job="create_demo_people").count() == 5
        assert "word" not in said

    def test_a_second_time_changes_nothing(self) -> None:
        create_demo_people()
        hashes = dict(Staff.objects.values_list("username", "password"))

        assert create_demo_people() == ""
        assert dict(Staff.objects.values_list("username", "password")) == hashes
        assert Event.objects.exclude(tag=Tag.COMMAND_RUN).count() == 5

    def test_a_password_that_differs_is_set_again(self) -> None:
        create_demo_people()
        changed = Staff.objects.get(username="support")
        changed.set_password("forgotten")
        changed.save()

        assert create_demo_people() == "Set the password of support.\n"
        assert Staff.objects.get(username="support").check_password("a demo's word")
        assert Event.objects.filter(tag=Tag.STAFF_PASSWORD_SET).count() == 1

    def test_outside_of_a_demo_it_refuses(self, settings: Settings) -> None:
        settings.DEMO = settings.DEBUG = False
        with pytest.raises(CommandError, match="RISKADMIN_DEMO"):
            create_demo_people()
        assert Staff.objects.count() == 0

    def test_its_people_are_of_every_role(self) -> None:
        create_demo_people()
        assert {name for person in Staff.objects.all() for name in person.role_names} == set(Role.values)
