"""What people may do follows from their groups, and from nothing else."""

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from riskadmin.staff.models import Staff
from riskadmin.staff.roles import CAPABILITIES, Role, all_capabilities, capabilities_of
from tests.staff.people import make_person


def test_no_role_may_do_everything() -> None:
    for role, capabilities in CAPABILITIES.items():
        assert capabilities < all_capabilities(), role
    requesting = {capability for capability in all_capabilities() if capability.startswith("changes:request:")}
    for role in (Role.COMPLIANCE, Role.ADMINISTRATOR):
        assert not CAPABILITIES[role] & (requesting | {"changes:decide"}), role


def test_groups_that_are_no_role_give_nothing() -> None:
    assert capabilities_of(["superuser", "Support", "staff"]) == frozenset()


@pytest.mark.django_db
class TestPeople:
    def test_the_groups_are_there(self) -> None:
        assert set(Group.objects.values_list("name", flat=True)) == set(Role.values)

    def test_roles_add_up(self) -> None:
        person = make_person(Role.SUPPORT)
        person.groups.add(Group.objects.get(name=Role.COMPLIANCE.value))
        person = Staff.objects.get(pk=person.pk)
        assert person.role_names == ("compliance", "support")
        assert person.capabilities == CAPABILITIES[Role.SUPPORT] | CAPABILITIES[Role.COMPLIANCE]
        assert person.who().role == "compliance, support"

    def test_somebody_switched_off_may_nothing(self) -> None:
        person = make_person(Role.SUPERVISOR)
        person.is_active = False
        assert person.capabilities == frozenset()
        assert not person.may("accounts:view")

    def test_a_person_of_all_roles_fits_into_an_event(self) -> None:
        person = Staff.objects.create_user("longest", first_name="x" * 60, last_name="y" * 60)
        person.groups.set(Group.objects.all())
        assert len(person.who().name) <= 150
        assert len(person.who().role) <= 64

    def test_usernames_that_differ_in_case_alone_are_refused(self) -> None:
        Staff.objects.create_user("Sam")
        with pytest.raises(IntegrityError), transaction.atomic():
            Staff.objects.create_user("SAM")
        with pytest.raises(IntegrityError), transaction.atomic():
            Staff.objects.create(username="Sue")
