"""Addresses of sign-in and people."""

from django.urls import path

from riskadmin.staff import views

app_name = "staff"
urlpatterns = [
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("people/", views.people, name="people"),
]
