"""The frame's own addresses."""

from django.urls import path

from riskadmin.web import views

app_name = "web"
urlpatterns = [
    path("-/theme", views.choose_theme, name="theme"),
    path("-/columns", views.choose_columns, name="columns"),
]
