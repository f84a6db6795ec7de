"""URLs of the API budget: the gauge in the frame, and the page of the last hour."""

from django.urls import path

from accounts.gateway.usage import views

app_name = "usage"

urlpatterns = [
    path("", views.hour, name="page"),
    path("-/gauge/", views.gauge, name="gauge"),
]
