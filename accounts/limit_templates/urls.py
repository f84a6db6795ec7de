"""URLs of limit templates and their drift; fragments are under `-/`."""

from django.urls import path

from accounts.limit_templates import drift_views, views

app_name = "limit_templates"

urlpatterns = [
    path("", views.template_list, name="list"),
    path("new/", views.new, name="new"),
    path("apply/", drift_views.choose, name="choose"),
    path("drift/", drift_views.drift_list, name="drift"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/propose/", views.propose, name="propose"),
    path("<int:pk>/apply/", drift_views.apply, name="apply"),
    path("<int:pk>/correct/", drift_views.correct, name="correct"),
    path("<int:pk>/assign/", views.assign, name="assign"),
    path("assignments/<int:pk>/remove/", views.unassign, name="unassign"),
    path("versions/<int:pk>/withdraw/", views.withdraw, name="withdraw"),
    path("-/account/<str:environment>/<int:tradovate_id>/", drift_views.account_panel, name="account_panel"),
]
