"""Addresses of the connections."""

from django.urls import path

from accounts.gateway.connections import views

app_name = "connections"
urlpatterns = [
    path("", views.page, name="page"),
    path("<str:environment>/test/", views.test, name="test"),
    path("<str:environment>/credentials/", views.replace, name="replace"),
]
