"""The web application for a WSGI server."""

import os

from django.core.wsgi import get_wsgi_application

import riskadmin.celery  # noqa: F401  (tasks sent by name go to this application's broker)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskadmin.settings")

application = get_wsgi_application()
