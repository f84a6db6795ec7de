"""All URLs, by package. Who may open a page is marked at its view (`riskadmin.web.access`)."""

from django.urls import include, path

from accounts.api.urls import API_URLS
from riskadmin import health, home
from riskadmin.operations.metrics.views import metrics

urlpatterns = [
    path("", home.home, name="home"),
    path("-/status/", home.status, name="status"),
    path("system/", home.system, name="system"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("", include("riskadmin.web.urls")),
    path("", include("riskadmin.staff.urls")),
    path("me/tokens/", include("riskadmin.staff.tokens.urls")),
    path("api/v1/", API_URLS),
    path("sessions/", include("riskadmin.staff.sessions.urls")),
    path("me/preferences/", include("riskadmin.staff.preferences.urls")),
    path("people/", include("riskadmin.staff.people.urls")),
    path("", include("riskadmin.staff.sign_in.urls")),
    path("duty/", include("riskadmin.staff.duty.urls")),
    path("accounts/", include("accounts.pages.urls")),
    path("access/", include("accounts.access.urls")),
    path("budget/", include("accounts.gateway.usage.urls")),
    path("connections/", include("accounts.gateway.connections.urls")),
    path("approvals/", include("accounts.approvals.urls")),
    path("changes/", include("accounts.changes.urls")),
    path("reasons/", include("accounts.changes.reasons.urls")),
    path("templates/", include("accounts.limit_templates.urls")),
    path("execution/", include("accounts.execution.urls")),
    path("outside/", include("accounts.outside.urls")),
    path("story/", include("accounts.story.urls")),
    path("notifications/", include("riskadmin.notifications.urls")),
    path("audit/", include("riskadmin.audit.urls")),
]

handler400 = "riskadmin.web.errors.bad_request"
handler403 = "riskadmin.web.errors.permission_denied"
handler404 = "riskadmin.web.errors.not_found"
handler500 = "riskadmin.web.errors.server_error"
