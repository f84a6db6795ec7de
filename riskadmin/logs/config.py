"""The configuration of Python's logging, for Django, Celery and gunicorn alike."""

from typing import Any


def logging_config(*, form: str, level: str) -> dict[str, Any]:
    """Return the configuration that writes to standard error: `form` is json or line."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "request_id": {"()": "riskadmin.web.request_id.RequestIdFilter"},
            "context": {"()": "riskadmin.logs.context.ContextFilter"},
            "route": {"()": "riskadmin.logs.formatters.RouteInsteadOfPath"},
        },
        "formatters": {
            "json": {"()": "riskadmin.logs.formatters.JsonLines"},
            "line": {
                "()": "riskadmin.logs.formatters.Lines",
                "fmt": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s",
            },
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": form,
                "filters": ["request_id", "context", "route"],
            }
        },
        "loggers": {
            # The access log has each of these requests; only failures have more to say.
            "django.request": {"level": "ERROR"},
            "gunicorn.error": {"handlers": ["console"], "level": level, "propagate": False},
            "gunicorn.access": {"handlers": [], "propagate": False},
        },
        "root": {"handlers": ["console"], "level": level},
    }
