"""How often a person or program may ask for what costs much: previews, exports, files, searches. More is answered with 429.

The counts are in Redis, by person, and for programs by their token. They keep the pages quick for everyone and protect nothing
else, so a Redis that doesn't answer limits no one. What is asked for in an emergency is never limited: a view says with
`unless` what that is (docs/adr/0030-production-defaults.md).
"""

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from math import ceil
from typing import Any, Final, TypeVar

import redis
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from riskadmin.web.errors import too_many

logger = logging.getLogger(__name__)

PREVIEWS: Final = RateLimitItemPerMinute(120, namespace="previews")
EXPORTS: Final = RateLimitItemPerMinute(20, namespace="exports")
UPLOADS: Final = RateLimitItemPerMinute(30, namespace="uploads")
SEARCHES: Final = RateLimitItemPerMinute(300, namespace="searches")
REQUESTS: Final = RateLimitItemPerMinute(600, namespace="requests")
"""Everything that a program sends."""
REFUSALS_RECORDED: Final = RateLimitItemPerMinute(1, namespace="recorded refusals")
"""How often the trail gets an event of a program that asks too often, so that it can't be flooded."""

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
Unless = Callable[..., bool]


def rate_limited(limit: RateLimitItem, *, unless: Unless | None = None) -> Callable[[View], View]:
    """Mark a view as limited, except for requests for which `unless`, called as the view is, returns true.

    A view may have several limits, such as one for each of its methods.
    """

    def decorate(view: View) -> View:
        view.rate_limits = (*getattr(view, "rate_limits", ()), (limit, unless))  # type: ignore[attr-defined]
        return view

    return decorate


def seconds_to_wait(limit: RateLimitItem, who: object) -> int:
    """Count one request of a person or token; return 0 if it may be answered, else after how many seconds to ask again."""
    try:
        limiter = _limiter(settings.REDIS_URL)
        if limiter.hit(limit, str(who)):
            return 0
        return max(1, ceil(limiter.get_window_stats(limit, str(who)).reset_time - time.time()))
    except (redis.RedisError, OSError):
        logger.warning("Redis doesn't answer, so %s are not limited", limit.namespace)
        return 0


class RateLimitMiddleware:
    """Enforces each view's limit. Comes after `AccessMiddleware`: what is refused there is not counted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on. `process_view` decides, when the view is known."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], args: tuple[object, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Let the view run (None), or answer 429."""
        for limit, unless in getattr(view, "rate_limits", ()) if settings.RATE_LIMITS else ():
            if unless and unless(request, *args, **kwargs):
                continue
            # A program has no key of a person: it is counted by its token.
            wait = seconds_to_wait(limit, getattr(request.user, "counted_as", None) or request.user.pk)
            if wait:
                return too_many(request, what=limit.namespace, seconds=wait)
        return None


@lru_cache(maxsize=2)
def _limiter(url: str) -> SlidingWindowCounterRateLimiter:
    """Return the limiter of this process. Nothing is sent to Redis before the first count."""
    pool = redis.ConnectionPool.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    return SlidingWindowCounterRateLimiter(RedisStorage("redis://", connection_pool=pool, key_prefix="rate"))
