"""The people page: for administrators alone, and as cheap for two hundred people as for twenty."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

PEOPLE = reverse("staff:people")


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.SUPPORT, 403), (Role.SUPERVISOR, 403), (Role.COMPLIANCE, 403), (Role.ADMINISTRATOR, 200), (None, 302)],
)
def test_only_administrators_open_it(client: Client, role: Role | None, status: int) -> None:
    Staff.objects.create_user("hidden-colleague")
    if role:
        client.force_login(make_person(role))

    response = client.get(PEOPLE)

    assert response.status_code == status
    assert (b"hidden-colleague" in response.content) == (status == 200)


def test_it_shows_who_with_roles_and_state(client: Client) -> None:
    administrator = make_person(Role.ADMINISTRATOR)
    both = make_person(Role.SUPPORT, "both")
    both.groups.add(Group.objects.get(name=Role.COMPLIANCE.value), Group.objects.create(name="no role of ours"))
    Staff.objects.create_user("nobody", first_name="No", last_name="Body", is_active=False)
    client.force_login(administrator)

    rows = client.get(PEOPLE).context["rows"]

    assert [(person.display_name, roles, person.is_active) for person, roles in rows] == [
        ("administrator", ["Administrator"], True),
        ("both", ["Compliance", "Support"], True),
        ("No Body", [], False),
    ]


def test_it_changes_nothing(client: Client) -> None:
    client.force_login(make_person(Role.ADMINISTRATOR))
    assert client.post(PEOPLE).status_code == 405


@pytest.mark.parametrize("count", [20, 200])
def test_it_costs_the_same_for_any_number(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    support = Group.objects.get(name=Role.SUPPORT.value)
    people = Staff.objects.bulk_create(Staff(username=f"person{number}") for number in range(count))
    support.staff.add(*people)
    client.force_login(make_person(Role.ADMINISTRATOR))

    # Session, person, their roles, people, their roles.
    with django_assert_num_queries(5):
        assert len(client.get(PEOPLE).context["rows"]) == count + 1
