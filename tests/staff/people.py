"""People for tests of every package: made as the application makes them, event included."""

from riskadmin.audit.origin import Origin
from riskadmin.staff.actions import create_person
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role

PASSWORD = "correct horse battery"


def make_person(role: Role, username: str = "") -> Staff:
    """Add a person with one role, who signs in with PASSWORD; the username is the role's name unless given."""
    return create_person(None, origin=Origin(job="tests"), username=username or role.value, password=PASSWORD, role=role)
