"""URLs of what waits for approval, and of the policy; fragments are under `-/`."""

from django.urls import path

from accounts.approvals import views

app_name = "approvals"

urlpatterns = [
    path("<int:pk>/decide/", views.decide, name="decide"),
    path("<int:pk>/comment/", views.comment, name="comment"),
    path("-/<int:pk>/conversation/", views.conversation, name="conversation"),
]
