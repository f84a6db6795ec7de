"""Two administrators at the same moment."""

from collections.abc import Callable
from threading import Thread

import pytest
from django.db import close_old_connections, connection, transaction

from riskadmin.audit.origin import Origin
from riskadmin.staff.models import Staff
from riskadmin.staff.people import actions, rights
from riskadmin.staff.people.models import Act
from riskadmin.staff.people.rights import NotAllowed, take_turn
from riskadmin.staff.roles import Role
from tests.staff.people import make_person
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = Origin(job="tests")


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Do things in threads that all wait for the same turn, and return why each was refused, "" if it was done."""
    refusals: dict[int, str] = {}

    def run(number: int, act: Callable[[], object]) -> None:
        try:
            act()
            refusals[number] = ""
        except NotAllowed as refused:
            refusals[number] = str(refused)
        finally:
            connection.close()

    threads = [Thread(target=run, args=(number, act)) for number, act in enumerate(acts)]
    with transaction.atomic():
        take_turn()
        for thread in threads:
            thread.start()
        wait_until(lambda: _waiting_for_a_turn() == len(threads))
    for thread in threads:
        thread.join()
    close_old_connections()
    return [refusals[number] for number in range(len(acts))]


def _waiting_for_a_turn() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return int(cursor.fetchone()[0])


def administrators() -> set[str]:
    return {each.username for each in Staff.objects.filter(is_active=True) if each.may("staff:manage")}


def test_two_who_demote_each_other_leave_one() -> None:
    ada, bob = (make_person(Role.ADMINISTRATOR, name) for name in ("ada", "bob"))
    refusals = at_once(
        lambda: actions.remove_role(ada, origin=ORIGIN, person=bob, role=Role.ADMINISTRATOR),
        lambda: actions.remove_role(bob, origin=ORIGIN, person=ada, role=Role.ADMINISTRATOR),
    )
    assert sorted(refusals) == ["", "You may no longer manage people."]
    assert len(administrators()) == 1


def test_two_who_switch_each_other_off_leave_one() -> None:
    ada, bob = (make_person(Role.ADMINISTRATOR, name) for name in ("ada", "bob"))
    refusals = at_once(
        lambda: actions.switch_off(ada, origin=ORIGIN, person=bob, to=None, comment="x"),
        lambda: actions.switch_off(bob, origin=ORIGIN, person=ada, to=None, comment="x"),
    )
    assert sorted(refusals) == ["", "You may no longer manage people."]
    assert len(administrators()) == 1


def test_who_is_demoted_while_confirming_gives_nothing_or_gave_it_before() -> None:
    ada, bob, sam = (make_person(Role.ADMINISTRATOR, name) for name in ("ada", "bob", "sam"))
    request = rights.request_rights(
        ada, origin=ORIGIN, person=sam, act=Act.ADD_ROLE, role=Role.SUPERVISOR, reason="Covers the night"
    )
    confirmed, _ = at_once(
        lambda: rights.confirm(bob, origin=ORIGIN, request_id=request.pk),
        lambda: actions.remove_role(ada, origin=ORIGIN, person=bob, role=Role.ADMINISTRATOR),
    )
    assert ("supervisor" in Staff.objects.get(pk=sam.pk).role_names) == (confirmed == "")
