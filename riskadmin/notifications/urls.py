"""Addresses of notifications, and of the outbox and webhooks for administrators."""

from django.urls import path

from riskadmin.notifications import outbox_views, views

app_name = "notifications"
urlpatterns = [
    path("", views.message_list, name="list"),
    path("read/", views.read_all, name="read_all"),
    path("<int:pk>/read/", views.read, name="read"),
    path("settings/", views.preferences, name="settings"),
    path("outbox/", outbox_views.outbox, name="outbox"),
    path("outbox/<int:pk>/retry/", outbox_views.retry, name="retry"),
    path("webhooks/", outbox_views.webhooks, name="webhooks"),
    path("webhooks/<int:pk>/test/", outbox_views.test_webhook, name="test_webhook"),
    path("webhooks/<int:pk>/remove/", outbox_views.remove_webhook, name="remove_webhook"),
    path("mail/", outbox_views.caught_mail, name="caught_mail"),
]
