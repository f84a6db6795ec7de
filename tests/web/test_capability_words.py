"""Every capability that a view asks for has its words."""

from django.conf import settings

from riskadmin.staff.roles import ALL_CAPABILITIES


def test_every_capability_has_its_words() -> None:
    assert set(settings.CAPABILITY_WORDS) == ALL_CAPABILITIES
