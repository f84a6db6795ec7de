"""The list of people."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import prefetch_related_objects

from riskadmin.staff.models import Staff
from riskadmin.staff.people.filters import PeopleFilters
from riskadmin.staff.people.rights import waiting
from riskadmin.staff.roles import Role
from riskadmin.staff.sign_in.requirement import factors_in_words
from riskadmin.web.lists.spec import Column, ListSpec


@dataclass(frozen=True, kw_only=True)
class Row:
    """A person as a row: roles and second factors in words, and how many requests about them wait for an administrator."""

    person: Staff
    roles: str
    factors: str
    waiting: int


def _rows(people: Sequence[Staff]) -> list[Row]:
    prefetch_related_objects(people, "groups")
    factors = factors_in_words(people)
    asked = list(waiting().filter(person__in=people).values_list("person", flat=True))
    return [
        Row(
            person=person,
            roles=", ".join(Role(name).label for name in person.role_names),
            factors=factors.get(person.pk, "None"),
            waiting=asked.count(person.pk),
        )
        for person in people
    ]


PEOPLE: ListSpec[Row] = ListSpec(
    name="people",
    noun="person",
    filters=PeopleFilters,
    order="username",
    row_template="people/_row.html",
    rows=_rows,
    columns=(
        Column(name="name", label="Name", is_optional=False),
        Column(name="username", label="Username", sort=("username",)),
        Column(name="roles", label="Roles"),
        Column(name="account", label="Account", is_optional=False),
        Column(name="factors", label="Second factor"),
        Column(name="last", label="Last sign-in", css="nowrap"),
        Column(name="added", label="Added", css="nowrap"),
    ),
)
