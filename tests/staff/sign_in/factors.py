"""Second factors for tests: an authenticator app whose codes a test can compute, with a clock that it sets."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.mfa.utils import encrypt

from riskadmin.staff.models import Staff

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NOW = 60_000_000
"""The period that it is now, in half minutes since 1970."""


class AppClock:
    """The clock by which codes are checked; `use` puts it in place of the machine's."""

    def __init__(self) -> None:
        self.period = NOW

    def time(self) -> float:
        return self.period * 30 + 29.0

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("allauth.mfa.totp.internal.auth.time", self)


def code(period: int = NOW, secret: str = SECRET) -> str:
    """Return what the app shows in a period."""
    return format_hotp_value(hotp_value(secret, period))


def has_app(person: Staff) -> Authenticator:
    """Give a person an authenticator app whose codes have not been used yet."""
    data = {"secret": encrypt(SECRET), "last_counter": -1}
    added: Authenticator = Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data=data)
    return added
