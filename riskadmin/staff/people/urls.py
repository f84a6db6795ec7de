"""Addresses of people, and of the page behind a one-time link."""

from django.urls import path

from riskadmin.staff.people import link_views, rights_views, views

app_name = "people"
urlpatterns = [
    path("", views.people_list, name="list"),
    path("invite/", views.invite, name="invite"),
    path("permissions/", views.permissions, name="permissions"),
    path("requests/", rights_views.requests, name="requests"),
    path("requests/count/-/", rights_views.waiting_count, name="waiting_count"),
    path("requests/<int:pk>/<str:verdict>/", rights_views.decide, name="decide"),
    path("welcome/", link_views.welcome, name="welcome"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/details/", views.details, name="details"),
    path("<int:pk>/roles/", views.add_role, name="add_role"),
    path("<int:pk>/roles/remove/", views.remove_role, name="remove_role"),
    path("<int:pk>/switch-off/", views.switch_off, name="switch_off"),
    path("<int:pk>/switch-on/", views.switch_on, name="switch_on"),
    path("<int:pk>/hand-over/", views.hand_over, name="hand_over"),
    path("<int:pk>/reset/", views.reset, name="reset"),
    path("<int:pk>/withdraw-link/", views.withdraw_link, name="withdraw_link"),
    path("<int:pk>/lift-throttle/", views.lift_throttle, name="lift_throttle"),
    path("<int:pk>/end-sessions/", views.end_sessions, name="end_sessions"),
]
