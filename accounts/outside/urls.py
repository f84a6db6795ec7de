"""The URL of the page of what others changed at Tradovate."""

from django.urls import path

from accounts.outside import views

app_name = "outside"
urlpatterns = [
    path("", views.outside_list, name="list"),
]
