"""The URLs of the accounts pages."""

from django.urls import path

from accounts.pages import views

app_name = "accounts"
urlpatterns = [
    path("", views.account_list, name="list"),
    path("accounts.csv", views.account_list_csv, name="csv"),
    path("categories/", views.categories, name="categories"),
    path("categories/<int:pk>/", views.mark_category, name="mark_category"),
    path("<str:environment>/<int:tradovate_id>/", views.account_detail, name="detail"),
    path("<str:environment>/<int:tradovate_id>/refresh/", views.account_refresh, name="refresh"),
    path("<str:environment>/<int:tradovate_id>/notes/", views.account_note, name="note"),
]
