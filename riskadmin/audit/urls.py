"""The trail's addresses; those under `-/` are panels on other packages' pages."""

from django.urls import path

from riskadmin.audit import views
from riskadmin.audit.proof import views as exporting

app_name = "audit"
urlpatterns = [
    path("", views.event_list, name="list"),
    path("print/", views.event_print, name="print"),
    path("exports/", exporting.exports, name="exports"),
    path("exports/<int:pk>/download/", exporting.download, name="download"),
    path("<int:pk>/", views.event_detail, name="event"),
    path("-/account/<str:environment>/<int:tradovate_id>/", views.account_history, name="account_history"),
    path("-/change/<int:pk>/", views.change_history, name="change_history"),
]
