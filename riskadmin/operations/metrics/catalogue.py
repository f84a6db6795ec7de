"""Every metric of `/metrics`: its name, what it says, and its labels. docs/operations.md lists the same."""

from dataclasses import dataclass
from typing import Final

PREFIX: Final = "riskadmin_"

CALLS_WINDOW_MINUTES: Final = 10
SIGN_IN_WINDOW_MINUTES: Final = 15
EXPIRING_WITHIN_MINUTES: Final = 60


@dataclass(frozen=True)
class Metric:
    """A metric. `name` is without the prefix; one that ends in `_total` is a counter, all others are gauges."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name that Prometheus sees."""
        return PREFIX + self.name


READ_AT_SCRAPE: Final = (
    Metric("part_up", "1 if this part of the page could be read now, else 0, and its metrics are missing", ("part",)),
    Metric("queue_age_seconds", "How long the oldest item that could be sent has waited; 0 if none waits", ("lane",)),
    Metric("queue_changes", "Running changes with items that wait to be sent", ("lane",)),
    Metric("unknown_items", "Items whose outcome is unknown"),
    Metric(
        "calls_last_10m",
        "Calls of changes that began in the last 10 minutes, by how they ended; open has not ended",
        ("environment", "lane", "outcome"),
    ),
    Metric("budget_limit_calls", "Calls to Tradovate allowed in an hour, lowered by a 429 for a while"),
    Metric("budget_used_calls", "Calls made in the last hour"),
    Metric("budget_left_calls", "Calls that a lane may make now", ("lane",)),
    Metric("budget_stopped", "1 while Tradovate wants no calls at all, else 0"),
    Metric("budget_stopped_endpoints", "Single endpoints that may not be called now"),
    Metric("environment_responds", "0 while the circuit breaker has stopped calls to an environment, else 1", ("environment",)),
    Metric("sync_lag_seconds", "Since the last complete read of an environment began; absent before it", ("environment",)),
    Metric("sync_failing", "1 if the last full read of an environment failed, else 0", ("environment",)),
    Metric("worker_heartbeat_age_seconds", "Since a worker of the lane last took a message", ("lane",)),
    Metric("broker_messages", "Messages that wait in Redis for a worker", ("queue",)),
    Metric("outbox_messages", "Messages to people and webhooks that are not delivered", ("state",)),
    Metric("outbox_delay_seconds", "How long the delivery of the first due message is late; 0 if none is"),
    Metric("approvals_waiting", "Requests that wait for a decision"),
    Metric("approval_oldest_wait_seconds", "How long the oldest of them has waited; 0 if none waits"),
    Metric("approvals_expiring", "Requests that expire undecided within the next 60 minutes"),
    Metric("reviews_overdue", "Changes that ran first, and were not reviewed in time"),
    Metric("sign_ins_refused_last_15m", "Sign-ins refused in the last 15 minutes; throttled: after too many", ("throttled",)),
    Metric("trail_writable", "1 if this process may write to the audit trail, else 0"),
    Metric("trail_write_failures_total", "Events that could not be written, in any process; counted in Redis"),
    Metric("trail_unsealed_seconds", "How long the oldest event has waited to be sealed; 0 if none waits"),
    Metric("trail_unanchored_seconds", "How long the oldest checkpoint has waited to be handed outside; 0 if none waits"),
    Metric("trail_altered", "1 if the last verification found that the trail does not match its proof, else 0"),
    Metric("backup_age_seconds", "Since the moment that the last backup holds; absent if the trail has none"),
    Metric("clock_skew_seconds", "PostgreSQL's clock minus this process's"),
)
"""Read from PostgreSQL and Redis when Prometheus asks: they are the same whichever process answers."""

REQUESTS_TOTAL: Final = Metric("requests_total", "Requests answered, by the route's name", ("route", "method", "status"))
REQUEST_SECONDS: Final = Metric("request_seconds", "How long requests took", ("route",))

COUNTED_HERE: Final = (REQUESTS_TOTAL, REQUEST_SECONDS)
"""Counted by the web processes themselves; those of one gunicorn are added up."""

BY_NAME: Final = {metric.name: metric for metric in (*READ_AT_SCRAPE, *COUNTED_HERE)}
