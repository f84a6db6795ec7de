"""URLs of requesting, approving and following changes; fragments are under `-/`."""

from django.urls import path

from accounts.changes import preview_views, stop_views, views
from accounts.changes.targeting import views as targeting_views
from accounts.changes.tracking import undo_views
from accounts.changes.tracking import views as tracking_views

app_name = "changes"

urlpatterns = [
    path("", views.change_list, name="list"),
    path("changes.csv", views.change_list_csv, name="csv"),
    path("calendar/", views.calendar, name="calendar"),
    path("approvals/", views.approvals, name="approvals"),
    path("stops/", stop_views.all_stops, name="stops"),
    path("new/", targeting_views.choose, name="choose"),
    path("new/<slug:kind_name>/", preview_views.new, name="new"),
    path("targets/", targeting_views.freeze, name="freeze"),
    path("targets/<uuid:list_id>/refused.csv", targeting_views.refused_rows, name="refused_rows"),
    path("targets/<slug:kind_name>/", targeting_views.name_targets, name="name_targets"),
    path("targets/<slug:kind_name>/template.csv", targeting_views.csv_template, name="csv_template"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/decide/", views.decide, name="decide"),
    path("<int:pk>/withdraw/", views.withdraw, name="withdraw"),
    path("<int:pk>/pause/", tracking_views.pause, name="pause"),
    path("<int:pk>/resume/", tracking_views.resume, name="resume"),
    path("<int:pk>/cancel/", tracking_views.cancel, name="cancel"),
    path("<int:pk>/priority/", tracking_views.prioritise, name="prioritise"),
    path("<int:pk>/retry/", tracking_views.retry, name="retry"),
    path("<int:pk>/take-over/", tracking_views.take_over, name="take_over"),
    path("<int:pk>/undo/", undo_views.undo, name="undo"),
    path("<int:pk>/results.csv", views.results_csv, name="results"),
    path("-/<int:pk>/progress/", views.progress, name="progress"),
    path("-/approvals-count/", views.approvals_count, name="approvals_count"),
    path("-/stops/", stop_views.strip, name="stops_strip"),
    path("-/account/<str:environment>/<int:tradovate_id>/stops/", stop_views.account_stops, name="account_stops"),
    path("-/account/<str:environment>/<int:tradovate_id>/", views.account_panel, name="account_panel"),
    path("-/account/<str:environment>/<int:tradovate_id>/actions/", views.account_actions, name="account_actions"),
]
