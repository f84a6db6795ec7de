"""The URLs of access and of accounts of staff."""

from django.urls import path

from accounts.access import views

app_name = "access"
urlpatterns = [
    path("people/<int:pk>/", views.limits, name="limits"),
    path("related/", views.related, name="related"),
    path("related/mark/", views.mark, name="mark"),
    path("related/<int:pk>/end/", views.end_mark, name="end_mark"),
]
