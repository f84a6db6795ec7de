"""Every capability that a view asks for has its words."""

from riskadmin.staff.roles import all_capabilities
from riskadmin.web.access import capability_words


def test_every_capability_has_its_words() -> None:
    assert set(capability_words()) == all_capabilities()
