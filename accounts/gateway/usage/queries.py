"""The data of the API budget's pages: its state, and the last hour, grouped by PostgreSQL."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Count
from django.db.models.functions import Now, TruncMinute
from django.utils import timezone

from accounts.gateway import connection
from accounts.models.api import ApiAttempt, ApiHalt, ApiLimit
from riskadmin.tradovate.breaker import Outage
from riskadmin.tradovate.budget import WINDOW_S
from riskadmin.tradovate.budget_rules import HOUR_S
from riskadmin.tradovate.budget_state import BudgetState
from riskadmin.tradovate.endpoints import ENDPOINTS
from riskadmin.tradovate.errors import NotHandled
from riskadmin.tradovate.vocabulary import Lane

MINUTE: Final = timedelta(minutes=1)
WINDOW: Final = timedelta(seconds=WINDOW_S)
LIMITS_SHOWN: Final = 5

BAR_WIDTH, BAR_STEP, CHART_HEIGHT = 10, 12, 120
"""The chart's sizes in its own units; a minute is one bar."""


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """The calls left; `state` is None while calls can't be counted, and then nothing is sent."""

    state: BudgetState | None
    outages: Sequence[Outage]

    @property
    def stopped_words(self) -> str:
        """How many individual endpoints are stopped, in words."""
        count = len(self.state.halted_endpoints) if self.state else 0
        return "1 endpoint stopped" if count == 1 else f"{count} endpoints stopped"

    @property
    def low(self) -> int:
        """The number of calls below which the gauge shows a warning: a fifth of the limit."""
        return self.state.limit // 5 if self.state else 0


@dataclass(frozen=True, kw_only=True)
class Minute:
    """The calls made in one minute; each becomes available again one window after it was made."""

    at: datetime
    urgent: int
    bulk: int

    @property
    def calls(self) -> int:
        """Calls of both lanes."""
        return self.urgent + self.bulk

    @property
    def back_at(self) -> datetime:
        """When the last of them is available again, at the latest."""
        return self.at + MINUTE + WINDOW


@dataclass(frozen=True, kw_only=True)
class EndpointUsage:
    """The calls of one endpoint in the last hour. `limit` is its own hourly limit, None if only the user's limit applies."""

    endpoint: str
    urgent: int
    bulk: int
    limit: int | None

    @property
    def calls(self) -> int:
        """Calls of both lanes."""
        return self.urgent + self.bulk


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One minute in the chart: its position, and the height of its two parts, the bulk lane's below."""

    minute: Minute
    x: int
    urgent_y: int
    urgent_height: int
    bulk_y: int
    bulk_height: int


@dataclass(frozen=True, kw_only=True)
class Hour:
    """Everything that the page of the last hour shows."""

    gauge: Gauge
    minutes: Sequence[Minute]
    by_endpoint: Sequence[EndpointUsage]
    halts: Sequence[ApiHalt]
    limits: Sequence[ApiLimit]
    connected: Sequence[tuple[str, Outage | None]]
    configured: int = 0
    margin: int = 0
    urgent_share_pct: int = 0
    address: str = ""

    @property
    def urgent(self) -> int:
        """Counted calls of the urgent lane."""
        return sum(minute.urgent for minute in self.minutes)

    @property
    def bulk(self) -> int:
        """Counted calls of the bulk lane."""
        return sum(minute.bulk for minute in self.minutes)

    @property
    def calls(self) -> int:
        """Counted calls of both lanes."""
        return self.urgent + self.bulk

    @property
    def busiest(self) -> int:
        """Calls of the busiest minute."""
        return max((minute.calls for minute in self.minutes), default=0)

    @property
    def busy_minutes(self) -> list[Minute]:
        """The minutes with calls, oldest first."""
        return [minute for minute in self.minutes if minute.calls]

    @property
    def chart_width(self) -> int:
        """The chart's width in its own units."""
        return BAR_STEP * len(self.minutes)

    @property
    def chart_height(self) -> int:
        """The chart's height in its own units."""
        return CHART_HEIGHT

    @property
    def bars(self) -> list[Bar]:
        """The chart's bars; a minute with any call of a lane shows at least a line for it."""
        return [self._bar(place, minute) for place, minute in enumerate(self.minutes) if minute.calls]

    def _bar(self, place: int, minute: Minute) -> Bar:
        bulk, urgent = (-(-each * (CHART_HEIGHT - 2) // self.busiest) for each in (minute.bulk, minute.urgent))
        bulk_y = CHART_HEIGHT - bulk
        return Bar(
            minute=minute,
            x=place * BAR_STEP,
            urgent_y=max(0, bulk_y - urgent),
            urgent_height=urgent,
            bulk_y=bulk_y,
            bulk_height=bulk,
        )


def gauge() -> Gauge:
    """Return the calls left, and which environments do not respond. One query; one round trip to Redis for each of them."""
    try:
        state = connection.budget().state()
    except NotHandled:
        state = None
    return Gauge(state=state, outages=connection.outages())


def hour() -> Hour:
    """Return the rolling hour of our Tradovate user. Four queries, however many calls there were."""
    user = settings.TRADOVATE_USERNAME
    counted = (
        ApiAttempt.objects.filter(api_user=user, attempted_at__gt=Now() - WINDOW)
        .annotate(minute=TruncMinute("attempted_at"))
        .values_list("minute", "endpoint", "lane")
        .annotate(calls=Count("pk"))
        .order_by()
    )
    by_minute: Counter[tuple[datetime, str]] = Counter()
    by_endpoint: Counter[tuple[str, str]] = Counter()
    for minute, endpoint, lane, calls in counted:
        by_minute[minute, lane] += calls
        by_endpoint[endpoint, lane] += calls
    found = gauge()
    outages = {outage.environment: outage for outage in found.outages}
    return Hour(
        gauge=found,
        minutes=_minutes(by_minute),
        by_endpoint=_usage_by_endpoint(by_endpoint),
        halts=list(ApiHalt.objects.filter(api_user=user, until__gt=Now()).order_by("until")),
        limits=list(ApiLimit.objects.filter(api_user=user).order_by("-learnt_at")[:LIMITS_SHOWN]),
        connected=[(each.value, outages.get(each)) for each in connection.connected_environments()],
        configured=settings.BUDGET_CALLS_PER_HOUR,
        margin=settings.BUDGET_SAFETY_MARGIN,
        urgent_share_pct=settings.BUDGET_URGENT_SHARE_PCT,
        address=settings.BUDGET_ADDRESS,
    )


def _minutes(counted: Counter[tuple[datetime, str]]) -> list[Minute]:
    """Return every minute of the window up to the current one, including those without a call."""
    latest = max([timezone.now().replace(second=0, microsecond=0), *(at for at, _ in counted)])
    first = latest - timedelta(seconds=HOUR_S) - MINUTE
    ats = (first + place * MINUTE for place in range(int((latest - first) / MINUTE) + 1))
    return [Minute(at=at, urgent=counted[at, Lane.URGENT.value], bulk=counted[at, Lane.BULK.value]) for at in ats]


def _usage_by_endpoint(counted: Counter[tuple[str, str]]) -> list[EndpointUsage]:
    """Return the calls of each endpoint, most calls first."""
    rows = [
        EndpointUsage(
            endpoint=endpoint,
            urgent=counted[endpoint, Lane.URGENT.value],
            bulk=counted[endpoint, Lane.BULK.value],
            limit=ENDPOINTS[endpoint].hourly_limit if endpoint in ENDPOINTS else None,
        )
        for endpoint in {endpoint for endpoint, _ in counted}
    ]
    return sorted(rows, key=lambda row: (-row.calls, row.endpoint))
