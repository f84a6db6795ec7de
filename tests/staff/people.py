"""People for tests of every package: made as the application makes them, event included."""

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.conf import settings
from django.test import Client

from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.staff.actions import create_person
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.staff.sessions.keys import PROVED_AT

PASSWORD = "correct horse battery"


def make_proof_old(client: Client) -> None:
    """Make the last proof of a signed-in client older than anything accepts; signing in gives a recent one."""
    session = client.session
    session[PROVED_AT] -= 60 * settings.RECENT_PROOF_MINUTES
    for step in session.get(AUTHENTICATION_METHODS_SESSION_KEY, []):
        step["at"] -= 60 * settings.RECENT_PROOF_MINUTES
    session.save()


def make_person(role: Role, username: str = "") -> Staff:
    """Add a person with one role, who signs in with PASSWORD; the username is the role's name unless given."""
    return create_person(SYSTEM, origin=Origin(job="tests"), username=username or role.value, password=PASSWORD, role=role)
