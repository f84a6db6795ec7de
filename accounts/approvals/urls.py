"""URLs of what waits for approval, and of the policy; fragments are under `-/`."""

from django.urls import path

from accounts.approvals import inbox_views, policy_views, views

app_name = "approvals"

urlpatterns = [
    path("policy/", policy_views.policy, name="policy"),
    path("policy/edit/", policy_views.edit, name="edit_policy"),
    path("policy/try/", policy_views.try_request, name="try_policy"),
    path("policy/<int:number>/", policy_views.version, name="policy_version"),
    path("policy/<int:number>/decide/", policy_views.decide, name="decide_policy"),
    path("policy/<int:number>/withdraw/", policy_views.withdraw, name="withdraw_policy"),
    path("", inbox_views.waiting, name="inbox"),
    path("reviews/", inbox_views.reviews, name="reviews"),
    path("own/", inbox_views.own, name="own"),
    path("decided/", inbox_views.decided, name="decided"),
    path("together/", inbox_views.together, name="together"),
    path("<int:pk>/decide/", views.decide, name="decide"),
    path("<int:pk>/comment/", views.comment, name="comment"),
    path("<int:pk>/alone/", views.act_alone, name="act_alone"),
    path("<int:pk>/review/", views.review, name="review"),
    path("-/<int:pk>/conversation/", views.conversation, name="conversation"),
    path("-/waiting-count/", inbox_views.waiting_count, name="waiting_count"),
]
