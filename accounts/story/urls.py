"""URLs of stories; fragments are under `-/`."""

from django.urls import path

from accounts.story import views

app_name = "story"

urlpatterns = [
    path("account/<str:environment>/<int:tradovate_id>/", views.account, name="account"),
    path("account/<str:environment>/<int:tradovate_id>/settings/", views.settings_then, name="settings"),
    path("trader/<str:environment>/<int:tradovate_id>/", views.trader, name="trader"),
    path("person/<int:pk>/", views.whom, name="person"),
    path("change/<int:pk>/", views.change, name="change"),
    path("-/item/<int:pk>/", views.item, name="item"),
]
