"""Addresses of sign-in."""

from django.urls import path

from riskadmin.staff.sign_in import views as sign_in_views

app_name = "staff"
urlpatterns = [
    path("sign-in/", sign_in_views.sign_in, name="sign_in"),
    path("sign-out/", sign_in_views.sign_out, name="sign_out"),
]
