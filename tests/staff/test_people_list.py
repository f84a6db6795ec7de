"""The list of people: for administrators and compliance, and as cheap for two hundred people as for twenty."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

PEOPLE = reverse("people:list")


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.SUPPORT, 403), (Role.SUPERVISOR, 403), (Role.COMPLIANCE, 200), (Role.ADMINISTRATOR, 200), (None, 302)],
)
def test_only_administrators_and_compliance_open_it(client: Client, role: Role | None, status: int) -> None:
    Staff.objects.create_user("hidden-colleague")
    if role:
        client.force_login(make_person(role))

    response = client.get(PEOPLE)

    assert response.status_code == status
    assert (b"hidden-colleague" in response.content) == (status == 200)
    assert (b"Invite a person" in response.content) == (role == Role.ADMINISTRATOR)


def test_it_shows_who_with_roles_and_state(client: Client) -> None:
    administrator = make_person(Role.ADMINISTRATOR)
    both = make_person(Role.SUPPORT, "both")
    both.groups.add(Group.objects.get(name=Role.COMPLIANCE.value), Group.objects.create(name="no role of ours"))
    Staff.objects.create_user("nobody", first_name="No", last_name="Body", is_active=False)
    client.force_login(administrator)

    rows = client.get(PEOPLE).context["table"].rows

    assert [(row.person.display_name, row.roles, row.person.is_active) for row in rows] == [
        ("administrator", "Administrator", True),
        ("both", "Compliance, Support", True),
        ("No Body", "", False),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("role=support", ["both"]),
        ("role=none", ["nobody"]),
        ("account=off", ["nobody"]),
        ("signed_in=never", ["both", "nobody"]),
        ("signed_in=once&role=administrator", ["administrator"]),
    ],
)
def test_its_filters(client: Client, query: str, found: list[str]) -> None:
    client.force_login(make_person(Role.ADMINISTRATOR))
    both = make_person(Role.SUPPORT, "both")
    both.groups.add(Group.objects.get(name=Role.COMPLIANCE.value))
    Staff.objects.create_user("nobody", is_active=False)
    Staff.objects.filter(username="administrator").update(last_login=timezone.now())
    assert [row.person.username for row in client.get(f"{PEOPLE}?{query}").context["table"].rows] == found


@pytest.mark.parametrize("count", [20, 200])
def test_it_costs_the_same_for_any_number(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    support = Group.objects.get(name=Role.SUPPORT.value)
    people = Staff.objects.bulk_create(Staff(username=f"person{number}") for number in range(count))
    support.staff.add(*people)
    client.force_login(make_person(Role.ADMINISTRATOR))

    # Session, person, their roles, whether their access is limited, what they could confirm, people, their roles, their second
    # factors, what waits about them; and six that record that the list was read.
    with django_assert_num_queries(15):
        assert len(client.get(PEOPLE).context["table"].rows) == min(count + 1, 50)
