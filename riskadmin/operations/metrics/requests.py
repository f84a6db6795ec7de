"""Counting requests. Each process counts for itself; `gunicorn.conf.py` gives the processes a folder to add up from."""

import os
from collections.abc import Callable
from time import perf_counter
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.multiprocess import MultiProcessCollector

from riskadmin.logs.access_log import method_of, route_of
from riskadmin.operations.metrics.catalogue import REQUEST_SECONDS, REQUESTS_TOTAL

BUCKETS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

disable_created_metrics()  # type: ignore[no-untyped-call]
_own: Final = CollectorRegistry()
_answered: Final = Counter(REQUESTS_TOTAL.full_name, REQUESTS_TOTAL.help, REQUESTS_TOTAL.labels, registry=_own)
_seconds: Final = Histogram(
    REQUEST_SECONDS.full_name, REQUEST_SECONDS.help, REQUEST_SECONDS.labels, buckets=BUCKETS, registry=_own
)


class RequestMetricsMiddleware:
    """Counts each request by route, method and class of status. Comes right after the request's id in `MIDDLEWARE`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, and count it."""
        began = perf_counter()
        response = self.get_response(request)
        route = route_of(request)
        _answered.labels(route, method_of(request), f"{response.status_code // 100}xx").inc()
        _seconds.labels(route).observe(perf_counter() - began)
        return response


def counted() -> CollectorRegistry:
    """Return the counts of all web processes that share this one's folder, or of this process if there is none."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return _own
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together
