"""Addresses of the duty page."""

from django.urls import path

from riskadmin.staff.duty import views

app_name = "duty"
urlpatterns = [
    path("", views.page, name="page"),
    path("hours/", views.add_hours, name="add_hours"),
    path("hours/<int:pk>/remove/", views.remove_hours, name="remove_hours"),
    path("switch/<int:pk>/", views.switch, name="switch"),
    path("delegations/", views.delegate, name="delegate"),
    path("delegations/<int:pk>/end/", views.end_delegation, name="end_delegation"),
]
