"""URLs of the evidence, and of resolving items."""

from django.urls import path

from accounts.execution import unknown_views, views

app_name = "execution"

urlpatterns = [
    path("change/<int:change_id>/calls/", views.calls, name="calls"),
    path("call/<int:pk>.txt", views.call_file, name="call_file"),
    path("item/<int:pk>/", views.item, name="item"),
    path("item/<int:pk>/resolve/", views.resolve, name="resolve"),
    path("item/<int:pk>/read-again/", views.read_again, name="read_again"),
    path("unknown/", unknown_views.unresolved, name="unresolved"),
    path("unknown/selection/", unknown_views.selection, name="selection"),
    path("unknown/decide/", unknown_views.resolve_many, name="resolve_many"),
    path("-/unknown-count/", unknown_views.unresolved_count, name="unresolved_count"),
]
