"""The clock of authenticator apps stands still in these tests."""

from collections.abc import Iterator

import pytest

from tests.staff.sign_in.factors import NOW


@pytest.fixture(autouse=True)
def clock_of_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    def periods() -> Iterator[int]:
        yield from (NOW - 1, NOW, NOW + 1)

    monkeypatch.setattr("riskadmin.staff.sign_in.codes.yield_hotp_counters_from_time", periods)
