"""Addresses of one's sessions, and of proving who one is; what only scripts ask is under `-/`."""

from django.urls import path

from riskadmin.staff.sessions import views

app_name = "sessions"
urlpatterns = [
    path("", views.session_list, name="list"),
    path("end-others/", views.end_others, name="end_others"),
    path("<slug:key>/end/", views.end, name="end"),
    path("prove/", views.prove, name="prove"),
    path("prove/passkey/", views.prove_by_passkey, name="prove_by_passkey"),
    path("prove/passkey/options/", views.passkey_options, name="passkey_options"),
    path("prove/sso/", views.prove_by_sso, name="prove_by_sso"),
    path("-/state/", views.state, name="state"),
]
