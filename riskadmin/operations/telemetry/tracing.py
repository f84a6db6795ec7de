"""Traces by OpenTelemetry: a span for each request and each Celery task, with names and numbers and no content."""

from collections.abc import Callable
from typing import Any, Final

from celery.signals import task_postrun, task_prerun
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from riskadmin.logs.access_log import method_of, route_of

FAILED: Final = 500
_tasks: Final[dict[str, Span]] = {}


def start() -> None:
    """Send spans to OTEL_EXPORTER_OTLP_ENDPOINT, over HTTP. OpenTelemetry itself reads OTEL_EXPORTER_OTLP_HEADERS."""
    provider = TracerProvider(resource=Resource.create({"service.name": "riskadmin"}))
    address = f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
    trace.set_tracer_provider(provider)
    task_prerun.connect(_task_begins, weak=False)
    task_postrun.connect(_task_ended, weak=False)


class TracingMiddleware:
    """A span for each request. In `MIDDLEWARE` only while tracing is set."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request within its span."""
        with trace.get_tracer("riskadmin").start_as_current_span("request", kind=SpanKind.SERVER) as span:
            response = self.get_response(request)
            span.update_name(f"{method_of(request)} {route_of(request)}")
            span.set_attribute("http.request.method", method_of(request))
            span.set_attribute("http.route", route_of(request))
            span.set_attribute("http.response.status_code", response.status_code)
            span.set_attribute("riskadmin.request_id", getattr(request, "request_id", ""))
            if response.status_code >= FAILED:
                span.set_status(Status(StatusCode.ERROR))
        return response


def _task_begins(task_id: str, task: Any, **_: Any) -> None:
    _tasks[task_id] = trace.get_tracer("riskadmin").start_span(task.name, kind=SpanKind.CONSUMER)


def _task_ended(task_id: str, state: str | None = None, **_: Any) -> None:
    span = _tasks.pop(task_id, None)
    if span is not None:
        if state == "FAILURE":
            span.set_status(Status(StatusCode.ERROR))
        span.end()
