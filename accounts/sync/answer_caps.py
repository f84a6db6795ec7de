"""How many rows Tradovate gives in one response, as far as responses have shown it; it varies and is not documented (FAQ).

A cap is learned when a response lacked rows that a later one had. It is forgotten when a longer response comes, or after an
hour in which no response was cut. Shared by all processes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models.functions import Now
from django.utils import timezone

from accounts.models.api import AnswerCap
from riskadmin.tradovate.vocabulary import Environment

HOLDS_FOR: Final = timedelta(hours=1)

NEVER_CUT: Final = 50
"""A response with fewer rows than this was not cut by a cap: the smallest known cap is far above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Responses of an endpoint are cut at `rows` rows; `seen_at` is when one last was."""

    environment: Environment
    endpoint: str
    rows: int
    seen_at: datetime


class AnswerCaps:
    """The caps of one environment as known when this was created, and what one reader learns about them."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        known = AnswerCap.objects.filter(environment=environment.value, seen_at__gte=Now() - HOLDS_FOR)
        self._caps = dict(known.values_list("endpoint", "rows"))
        self._longest: dict[str, int] = {}

    def cap(self, endpoint: str) -> int | None:
        """Return the number of rows at which an endpoint's responses are cut, None if nothing shows that they are."""
        return self._caps.get(endpoint)

    def is_whole(self, endpoint: str, rows: int) -> bool:
        """Say whether a response with this many rows was not cut: this reader got a longer one, and it is below the cap."""
        cap = self.cap(endpoint)
        return (rows < NEVER_CUT or rows < self._longest.get(endpoint, 0)) and (cap is None or rows < cap)

    def may_be_cut(self, endpoint: str, rows: int) -> bool:
        """Say whether a list of this many rows may have been cut: it is at least as long as the cap of its endpoint.

        Or exactly as long as cut responses of another endpoint: Tradovate's FAQ mentions one number for all.
        """
        cap = self.cap(endpoint)
        return (cap is not None and rows >= cap) or rows in self._caps.values()

    def heard(self, endpoint: str, rows: int) -> None:
        """Note how many rows a response had; one longer than the cap removes the cap."""
        self._longest[endpoint] = max(rows, self._longest.get(endpoint, 0))
        cap = self.cap(endpoint)
        if cap is not None and rows > cap:
            del self._caps[endpoint]
            AnswerCap.objects.filter(environment=self._environment.value, endpoint=endpoint).delete()

    def learn(self, endpoint: str, rows: int) -> None:
        """Note that a response of this many rows was cut."""
        self._caps[endpoint] = rows
        AnswerCap.objects.update_or_create(
            environment=self._environment.value, endpoint=endpoint, defaults={"rows": rows, "seen_at": timezone.now()}
        )


def cuts() -> list[Cut]:
    """Return which responses are currently cut, for display."""
    known = AnswerCap.objects.filter(seen_at__gte=Now() - HOLDS_FOR).order_by("environment", "endpoint")
    return [
        Cut(environment=Environment(each.environment), endpoint=each.endpoint, rows=each.rows, seen_at=each.seen_at)
        for each in known
    ]
