"""The address of one's own preferences."""

from django.urls import path

from riskadmin.staff.preferences import views

app_name = "preferences"
urlpatterns = [path("", views.preferences, name="page")]
