"""Who is on duty and who stands in: only people who may decide, and never with rights of another person."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.staff.duty import actions
from riskadmin.staff.duty.models import Delegation, DutyHours, DutySwitch, Weekday
from riskadmin.staff.duty.queries import approvers, on_duty_among, stand_ins_for, stands_in_for
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

ORIGIN = Origin(job="tests")
MONDAY_NOON = datetime(2026, 11, 30, 18, 0, tzinfo=UTC)  # 12:00 in Chicago


@pytest.fixture
def ann() -> Staff:
    """A supervisor."""
    return make_person(Role.SUPERVISOR, "ann")


@pytest.fixture
def bob() -> Staff:
    """Another supervisor."""
    return make_person(Role.SUPERVISOR, "bob")


def hours(person: Staff, weekday: Weekday, begins: int, ends: int) -> DutyHours:
    return DutyHours.objects.create(person=person, weekday=weekday, begins=time(begins), ends=time(ends))


def delegation(person: Staff, stand_in: Staff, **times: Any) -> Delegation:
    reported = {"begins_at": MONDAY_NOON, "ends_at": MONDAY_NOON + timedelta(hours=1), **times}
    return Delegation.objects.create(person=person, stand_in=stand_in, **reported)


def events() -> list[str]:
    return list(Event.objects.filter(tag__startswith="duty:").order_by("pk").values_list("tag", flat=True))


class TestOnDuty:
    @pytest.mark.parametrize(
        ("row", "is_on"),
        [
            ((Weekday.MONDAY, 12, 13), True),
            ((Weekday.MONDAY, 11, 12), False),
            ((Weekday.TUESDAY, 12, 13), False),
            ((Weekday.MONDAY, 11, 2), True),  # into the night
            ((Weekday.SUNDAY, 17, 13), True),  # from the day before
            ((Weekday.SUNDAY, 17, 12), False),
            ((Weekday.MONDAY, 8, 8), True),  # a whole day
        ],
    )
    def test_by_hours_of_the_week(self, ann: Staff, row: tuple[Weekday, int, int], *, is_on: bool) -> None:
        hours(ann, *row)
        assert on_duty_among([ann], MONDAY_NOON) == ({ann.pk} if is_on else set())

    def test_a_switch_counts_until_it_ends(self, ann: Staff, bob: Staff) -> None:
        hours(ann, Weekday.MONDAY, 8, 16)
        DutySwitch.objects.create(person=ann, is_on=False, until=MONDAY_NOON + timedelta(hours=1))
        DutySwitch.objects.create(person=bob, is_on=True, until=MONDAY_NOON + timedelta(hours=1))
        assert on_duty_among([ann, bob], MONDAY_NOON) == {bob.pk}
        assert on_duty_among([ann, bob], MONDAY_NOON + timedelta(hours=1)) == {ann.pk}

    def test_who_can_approve_is_listed_on_duty_first(self, ann: Staff, bob: Staff) -> None:
        carl, dan = make_person(Role.SUPERVISOR, "carl"), make_person(Role.SUPERVISOR, "dan")
        make_person(Role.SUPPORT)
        hours(bob, Weekday.MONDAY, 8, 16)
        delegation(ann, bob)
        delegation(ann, carl)
        Staff.objects.filter(pk=dan.pk).update(is_active=False)
        found = approvers(MONDAY_NOON, capability="changes:decide", may_act=lambda person: person != carl)
        assert [(each.person, each.is_on_duty, each.alternatives) for each in found] == [(bob, True, ()), (ann, False, (bob,))]
        assert approvers(MONDAY_NOON, capability="changes:decide", may_act=lambda _: False) == []


class TestDelegation:
    def test_while_it_holds_and_not_in_a_chain(self, ann: Staff, bob: Staff) -> None:
        carl = make_person(Role.SUPERVISOR, "carl")
        delegation(ann, bob)
        delegation(bob, carl)
        ended = delegation(carl, ann, ended_at=MONDAY_NOON)
        for minutes, found in ((-1, []), (0, [ann]), (59, [ann]), (60, [])):
            assert stands_in_for(bob, MONDAY_NOON + timedelta(minutes=minutes)) == found
        assert stands_in_for(carl, MONDAY_NOON) == [bob]
        assert stands_in_for(ended.stand_in, MONDAY_NOON) == []
        assert stand_ins_for([ann, carl], MONDAY_NOON) == [(ann, bob)]
        Staff.objects.filter(pk=bob.pk).update(is_active=False)
        assert stand_ins_for([ann], MONDAY_NOON) == []

    def test_it_gives_no_rights(self, ann: Staff, bob: Staff) -> None:
        delegation(ann, bob)
        bob.groups.clear()
        stripped = Staff.objects.get(pk=bob.pk)
        assert not stripped.may("changes:decide")
        assert [each.alternatives for each in approvers(MONDAY_NOON, capability="changes:decide")] == [()]
        Staff.objects.filter(pk=bob.pk).update(is_active=False)
        assert stands_in_for(Staff.objects.get(pk=bob.pk), MONDAY_NOON) == []

    def test_postgresql_refuses_what_makes_no_sense(self, ann: Staff, bob: Staff) -> None:
        for person, stand_in, times in ((ann, ann, {}), (ann, bob, {"ends_at": MONDAY_NOON})):
            with pytest.raises(IntegrityError), transaction.atomic():
                delegation(person, stand_in, **times)


class TestKeeping:
    def test_each_step_is_recorded(self, ann: Staff, bob: Staff) -> None:
        row = {"person": ann, "weekday": Weekday.MONDAY, "begins": time(8), "ends": time(16)}
        until = timezone.now() + timedelta(days=1)
        for _ in range(2):
            actions.add_hours(actor=ann, origin=ORIGIN, **row)  # type: ignore[arg-type]
        actions.switch(actor=ann, origin=ORIGIN, person=ann, is_on=True)
        actions.switch(actor=ann, origin=ORIGIN, person=ann, is_on=False)
        made = actions.delegate(
            actor=ann, origin=ORIGIN, person=ann, stand_in=bob, begins_at=timezone.now(), ends_at=until, note="Away"
        )
        for _ in range(2):
            actions.end_delegation(actor=ann, origin=ORIGIN, delegation=made)
        kept = DutyHours.objects.get()
        for _ in range(2):
            actions.remove_hours(actor=ann, origin=ORIGIN, hours=kept)
        assert events() == [
            "duty:hours:added",
            "duty:switch:on",
            "duty:switch:off",
            "duty:delegation:made",
            "duty:delegation:ended",
            "duty:hours:removed",
        ]

    def test_no_one_elses_and_no_one_who_does_not_decide(self, ann: Staff, bob: Staff) -> None:
        support, administrator = make_person(Role.SUPPORT), make_person(Role.ADMINISTRATOR)
        for actor, person in ((ann, bob), (support, support), (administrator, support), (administrator, administrator)):
            with pytest.raises(actions.NotAllowed):
                actions.switch(actor=actor, origin=ORIGIN, person=person, is_on=True)
        until = timezone.now() + timedelta(days=1)
        with pytest.raises(actions.NotAllowed):
            actions.delegate(
                actor=ann, origin=ORIGIN, person=ann, stand_in=support, begins_at=timezone.now(), ends_at=until, note=""
            )
        actions.switch(actor=administrator, origin=ORIGIN, person=bob, is_on=True)
        assert (DutySwitch.objects.get().person, Delegation.objects.count(), events()) == (bob, 0, ["duty:switch:on"])

    def test_a_bad_form_comes_back_as_typed(self, client: Client, ann: Staff, bob: Staff, subtests: pytest.Subtests) -> None:
        client.force_login(ann)
        later, typed = "2999-01-01T12:00Z", {"person": ann.pk, "stand_in": bob.pk, "note": "Away"}
        cases: tuple[tuple[str, dict[str, Any], str], ...] = (
            ("delegate", {**typed, "ends_at": "2020-01-01T12:00Z"}, "ends_at"),
            ("delegate", {**typed, "ends_at": later}, "ends_at"),
            ("delegate", {**typed, "ends_at": later, "begins_at": "2999-01-02T12:00Z"}, "ends_at"),
            ("delegate", {**typed, "stand_in": ann.pk, "begins_at": later, "ends_at": "2999-01-02T12:00Z"}, "stand_in"),
            ("delegate", {**typed, "person": bob.pk, "begins_at": later, "ends_at": "2999-01-02T12:00Z"}, "person"),
            ("add_hours", {"person": ann.pk, "begins": "09:00", "ends": "17:00"}, "weekdays"),
            ("add_hours", {"person": ann.pk, "weekdays": ["0"], "begins": "25:00", "ends": "17:00"}, "begins"),
        )
        for name, said, field in cases:
            with subtests.test(f"{name} {field} {said}"):
                answer = client.post(reverse(f"duty:{name}"), said)
                form = answer.context["delegation_form" if name == "delegate" else "hours_form"]
                assert (answer.status_code, list(form.errors)) == (422, [field])
                assert {key: form[key].value() for key in said} == {
                    key: value if isinstance(value, list) else str(value) for key, value in said.items()
                }
        assert (Delegation.objects.count(), DutyHours.objects.count(), events()) == (0, 0, [])
