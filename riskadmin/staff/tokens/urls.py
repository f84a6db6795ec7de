"""Addresses of access tokens."""

from django.urls import path

from riskadmin.staff.tokens import views

app_name = "tokens"
urlpatterns = [
    path("", views.page, name="page"),
    path("<int:pk>/revoke/", views.revoke, name="revoke"),
]
