"""What raises rights needs two administrators, what lowers them one; and a firm always keeps one."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.people import actions, rights
from riskadmin.staff.people.models import Act, RightsRequest, RightsState, SignInLink
from riskadmin.staff.people.rights import NotAllowed
from riskadmin.staff.people.sign_in_history import newest_fact
from riskadmin.staff.roles import Role
from riskadmin.staff.sessions.models import StaffSession
from tests.staff.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db

ORIGIN = Origin(job="tests")


@pytest.fixture
def ada() -> Staff:
    return make_person(Role.ADMINISTRATOR, "ada")


@pytest.fixture
def bob(ada: Staff) -> Staff:
    del ada  # made first, so that there are two
    return make_person(Role.ADMINISTRATOR, "bob")


@pytest.fixture
def sam() -> Staff:
    return make_person(Role.SUPPORT, "sam")


def again(person: Staff) -> Staff:
    return Staff.objects.get(pk=person.pk)


def ask(by: Staff, person: Staff, act: Act = Act.ADD_ROLE, role: Role | None = Role.SUPERVISOR) -> RightsRequest:
    role = role if act == Act.ADD_ROLE else None
    return rights.request_rights(by, origin=ORIGIN, person=person, act=act, role=role, reason="Covers the night")


def tags() -> list[str]:
    return list(Event.objects.exclude(tag=Tag.STAFF_CREATED).order_by("pk").values_list("tag", flat=True))


class TestTwoAdministrators:
    def test_a_role_holds_once_another_one_confirms_it(self, ada: Staff, bob: Staff, sam: Staff) -> None:
        request = ask(ada, sam)
        assert again(sam).role_names == ("support",)

        rights.confirm(bob, origin=ORIGIN, request_id=request.pk)

        assert again(sam).role_names == ("supervisor", "support")
        requested, confirmed, added = Event.objects.order_by("-pk")[:3][::-1]
        assert [requested.tag, confirmed.tag, added.tag] == [
            Tag.STAFF_RIGHTS_REQUESTED,
            Tag.STAFF_RIGHTS_CONFIRMED,
            Tag.STAFF_ROLE_ADDED,
        ]
        assert (requested.staff_name, requested.detail["comment"]) == ("ada", "Covers the night")
        assert (confirmed.staff_name, confirmed.detail["requester"]) == ("bob", "ada")
        assert (added.before, added.after) == ({"roles": ["support"]}, {"roles": ["supervisor", "support"]})

    def test_who_requested_it_can_not_confirm_it(self, ada: Staff, bob: Staff, sam: Staff) -> None:
        request = ask(ada, sam)
        with pytest.raises(NotAllowed, match="another administrator"):
            rights.confirm(ada, origin=ORIGIN, request_id=request.pk)
        assert again(sam).role_names == ("support",)
        assert tags() == [Tag.STAFF_RIGHTS_REQUESTED]

    def test_who_it_is_about_can_not_confirm_it(self, ada: Staff, bob: Staff) -> None:
        request = ask(ada, bob)
        with pytest.raises(NotAllowed, match="about you"):
            rights.confirm(bob, origin=ORIGIN, request_id=request.pk)
        assert again(bob).role_names == ("administrator",)

    def test_no_one_requests_for_themselves(self, ada: Staff) -> None:
        with pytest.raises(NotAllowed, match="your own"):
            ask(ada, ada)
        assert not RightsRequest.objects.exists()

    def test_postgresql_lets_no_one_confirm_their_own(self, ada: Staff, sam: Staff) -> None:
        request = ask(ada, sam)
        for decider in (ada, sam):
            with pytest.raises(IntegrityError, match="rights_decided_by_another"), transaction.atomic():
                RightsRequest.objects.filter(pk=request.pk).update(
                    state=RightsState.CONFIRMED, decided_by=decider, decided_at=timezone.now()
                )

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.SUPERVISOR, Role.COMPLIANCE])
    def test_no_other_role_confirms(self, ada: Staff, sam: Staff, role: Role) -> None:
        request, other = ask(ada, sam), make_person(role, "other")
        with pytest.raises(NotAllowed, match="Only administrators"):
            rights.confirm(other, origin=ORIGIN, request_id=request.pk)

    def test_who_was_demoted_meanwhile_confirms_nothing(self, ada: Staff, bob: Staff, sam: Staff) -> None:
        """What is checked is the person as they are now, not as their page was loaded."""
        request, loaded = ask(ada, sam), again(bob)
        assert loaded.may("staff:manage")
        actions.remove_role(ada, origin=ORIGIN, person=bob, role=Role.ADMINISTRATOR)
        with pytest.raises(NotAllowed, match="Only administrators"):
            rights.confirm(loaded, origin=ORIGIN, request_id=request.pk)
        assert again(sam).role_names == ("support",)

    def test_what_somebody_requested_ends_with_their_rights(self, ada: Staff, bob: Staff, sam: Staff) -> None:
        request = ask(ada, sam)
        actions.remove_role(bob, origin=ORIGIN, person=ada, role=Role.ADMINISTRATOR)
        request.refresh_from_db()
        assert request.state == RightsState.WITHDRAWN
        with pytest.raises(NotAllowed, match="no longer waits"):
            rights.confirm(bob, origin=ORIGIN, request_id=request.pk)

    def test_it_is_confirmed_once(self, ada: Staff, bob: Staff, sam: Staff) -> None:
        request = ask(ada, sam)
        rights.confirm(bob, origin=ORIGIN, request_id=request.pk)
        with pytest.raises(NotAllowed, match="no longer waits"):
            rights.confirm(bob, origin=ORIGIN, request_id=request.pk)

    def test_declining_and_withdrawing_do_nothing_to_the_person(self, ada: Staff, bob: Staff, sam: Staff) -> None:
        rights.decline(bob, origin=ORIGIN, request_id=ask(ada, sam).pk)
        second = ask(ada, sam)
        with pytest.raises(NotAllowed, match="Only ada"):
            rights.withdraw(bob, origin=ORIGIN, request_id=second.pk)
        rights.withdraw(ada, origin=ORIGIN, request_id=second.pk)
        assert again(sam).role_names == ("support",)
        assert list(RightsRequest.objects.order_by("pk").values_list("state", flat=True)) == ["declined", "withdrawn"]

    def test_after_three_days_it_has_to_be_requested_again(self, ada: Staff, bob: Staff, sam: Staff) -> None:
        request = ask(ada, sam)
        RightsRequest.objects.filter(pk=request.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        with pytest.raises(NotAllowed, match="expired"):
            rights.confirm(bob, origin=ORIGIN, request_id=request.pk)
        newer = ask(ada, sam)
        request.refresh_from_db()
        assert request.state == RightsState.EXPIRED
        rights.confirm(bob, origin=ORIGIN, request_id=newer.pk)

    def test_the_same_is_requested_once(self, ada: Staff, bob: Staff, sam: Staff) -> None:
        ask(ada, sam)
        with pytest.raises(NotAllowed, match="requested already"):
            ask(bob, sam)


class TestLowering:
    def test_a_role_is_taken_at_once_in_a_live_session(self, client: Client, ada: Staff, sam: Staff) -> None:
        client.force_login(sam)
        assert client.get(reverse("changes:choose")).status_code == 200
        actions.remove_role(ada, origin=ORIGIN, person=sam, role=Role.SUPPORT)
        assert client.get(reverse("changes:choose")).status_code == 403

    def test_switching_off_ends_sessions_and_links_at_once(self, client: Client, ada: Staff, sam: Staff) -> None:
        client.force_login(sam)
        actions.reset(ada, origin=ORIGIN, person=sam)
        client.force_login(again(sam))
        mine = make_person(Role.SUPPORT, "colleague")
        other = Client()
        other.force_login(mine)

        actions.switch_off(ada, origin=ORIGIN, person=sam, to=None, comment="Left the firm")

        assert client.get(reverse("home")).status_code == 302
        assert other.get(reverse("home")).status_code == 200
        assert StaffSession.objects.count() == 1
        assert SignInLink.objects.get().end == SignInLink.End.WITHDRAWN
        event = Event.objects.get(tag=Tag.STAFF_SWITCHED_OFF)
        assert (event.before, event.after) == ({"is_active": True}, {"is_active": False})
        assert (event.detail["comment"], event.detail["sessions"]) == ("Left the firm", 1)

    def test_a_person_who_is_off_signs_in_no_more_until_two_have_agreed(self, client: Client, ada: Staff, bob: Staff) -> None:
        sam = make_person(Role.SUPPORT, "sam")
        actions.switch_off(ada, origin=ORIGIN, person=sam, to=None, comment="Leave")
        request = ask(ada, again(sam), Act.SWITCH_ON)
        assert not again(sam).is_active
        rights.confirm(bob, origin=ORIGIN, request_id=request.pk, newest_read=newest_fact(sam))
        assert again(sam).is_active
        assert Event.objects.get(tag=Tag.STAFF_SWITCHED_ON).staff_name == "bob"

    def test_no_one_does_it_to_themselves(self, ada: Staff, bob: Staff) -> None:
        with pytest.raises(NotAllowed):
            actions.switch_off(ada, origin=ORIGIN, person=ada, to=None, comment="x")
        with pytest.raises(NotAllowed):
            actions.remove_role(ada, origin=ORIGIN, person=ada, role=Role.ADMINISTRATOR)
        with pytest.raises(NotAllowed):
            actions.reset(ada, origin=ORIGIN, person=ada)
        assert again(ada).may("staff:manage")
        assert tags() == []

    def test_the_last_administrator_stays(self, ada: Staff, bob: Staff) -> None:
        """Also where the one who would remain has been switched off behind our back."""
        Staff.objects.filter(pk=ada.pk).update(is_active=False)
        with pytest.raises(NotAllowed):  # `ada` as a page that was open has her
            actions.switch_off(ada, origin=ORIGIN, person=bob, to=None, comment="x")
        with pytest.raises(NotAllowed):
            actions.remove_role(ada, origin=ORIGIN, person=bob, role=Role.ADMINISTRATOR)
        assert again(bob).may("staff:manage")


class TestResets:
    def test_who_decides_is_reset_by_two(self, ada: Staff, bob: Staff) -> None:
        sue = make_person(Role.SUPERVISOR, "sue")
        with pytest.raises(NotAllowed, match="another administrator"):
            actions.reset(ada, origin=ORIGIN, person=sue)
        assert again(sue).check_password(PASSWORD)

        confirmed = rights.confirm(bob, origin=ORIGIN, request_id=ask(ada, sue, Act.RESET).pk)

        assert not again(sue).has_usable_password()
        assert confirmed.link
        assert confirmed.link.code

    def test_who_decides_nothing_by_one(self, client: Client, ada: Staff, sam: Staff) -> None:
        client.force_login(sam)
        made = actions.reset(ada, origin=ORIGIN, person=sam)
        assert made.code
        assert not again(sam).has_usable_password()
        assert client.get(reverse("home")).status_code == 302

    def test_the_address_of_who_decides_is_changed_by_two(self, ada: Staff, bob: Staff) -> None:
        """A link to set a password goes there."""
        sue = make_person(Role.SUPERVISOR, "sue")
        request = actions.edit_details(
            ada, origin=ORIGIN, person=sue, first_name="Sue", last_name="", email="new@firm.example", reason="New mailbox"
        )
        assert request
        assert (again(sue).first_name, again(sue).email) == ("Sue", "")
        rights.confirm(bob, origin=ORIGIN, request_id=request.pk)
        assert again(sue).email == "new@firm.example"


class TestOperator:
    def test_a_firm_with_one_administrator_confirms_on_the_server(self, ada: Staff, sam: Staff) -> None:
        grace = Who(id=None, name="Grace Hopper", role="command line as root")
        rights.confirm(grace, origin=Origin(job="confirm_rights"), request_id=ask(ada, sam).pk)
        assert again(sam).role_names == ("supervisor", "support")
        event = Event.objects.get(tag=Tag.STAFF_ROLE_ADDED)
        assert (event.staff_id, event.staff_name, event.staff_role) == (None, "Grace Hopper", "command line as root")
