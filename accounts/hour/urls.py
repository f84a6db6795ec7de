"""Addresses of the budget: the gauge in the frame, and the page of the hour."""

from django.urls import path

from accounts.hour import views

app_name = "hour"

urlpatterns = [
    path("", views.hour, name="page"),
    path("-/gauge/", views.gauge, name="gauge"),
]
