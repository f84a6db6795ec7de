"""URLs of the firm's reasons."""

from django.urls import path

from accounts.changes.reasons import views

app_name = "reasons"

urlpatterns = [
    path("", views.reason_list, name="list"),
    path("new/<slug:kind_name>/", views.add, name="add"),
    path("<int:pk>/", views.edit, name="edit"),
    path("<int:pk>/move/<slug:way>/", views.move, name="move"),
    path("<int:pk>/retire/", views.retire, name="retire"),
    path("<int:pk>/restore/", views.restore, name="restore"),
    path("files/<int:pk>/", views.download, name="download"),
]
