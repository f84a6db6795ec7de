"""URLs of what waits for approval, and of the policy."""

from django.urls import path

from accounts.approvals import policy_views

app_name = "approvals"

urlpatterns = [
    path("policy/", policy_views.policy, name="policy"),
    path("policy/edit/", policy_views.edit, name="edit_policy"),
    path("policy/try/", policy_views.try_request, name="try_policy"),
    path("policy/<int:number>/", policy_views.version, name="policy_version"),
    path("policy/<int:number>/decide/", policy_views.decide, name="decide_policy"),
    path("policy/<int:number>/withdraw/", policy_views.withdraw, name="withdraw_policy"),
]
