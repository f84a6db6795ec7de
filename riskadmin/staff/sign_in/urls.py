"""Addresses of the steps of signing in, and of one's own ways to sign in."""

from django.urls import path

from riskadmin.staff.sign_in import security_views, views

app_name = "sign_in"
urlpatterns = [
    path("sign-in/second-factor/", views.second_factor, name="second_factor"),
    path("sign-in/passkey/", views.passkey, name="passkey"),
    path("sign-in/passkey/options/", views.passkey_options, name="passkey_options"),
    path("sign-in/emergency/", views.emergency, name="emergency"),
    path("sign-in/sso/", views.sso, name="sso"),
    path("sign-in/sso/callback/", views.sso_callback, name="sso_callback"),
    path("me/security/", security_views.security, name="security"),
    path("me/security/password/", security_views.password, name="password"),
    path("me/security/app/", security_views.app, name="app"),
    path("me/security/app/remove/", security_views.remove_app, name="remove_app"),
    path("me/security/passkeys/", security_views.add_passkey, name="add_passkey"),
    path("me/security/passkeys/options/", security_views.new_passkey_options, name="new_passkey_options"),
    path("me/security/passkeys/<int:pk>/rename/", security_views.rename_passkey, name="rename_passkey"),
    path("me/security/passkeys/<int:pk>/remove/", security_views.remove_passkey, name="remove_passkey"),
    path("me/security/recovery-codes/", security_views.new_recovery_codes, name="recovery_codes"),
]
