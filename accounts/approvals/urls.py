"""URLs of what waits for approval, and of the policy."""

from django.urls import URLPattern

app_name = "approvals"

urlpatterns: list[URLPattern] = []
