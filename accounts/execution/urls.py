"""Addresses of the evidence."""

from django.urls import path

from accounts.execution import views

app_name = "execution"

urlpatterns = [path("change/<int:change_id>/calls/", views.calls, name="calls")]
