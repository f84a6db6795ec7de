"""The web application for a WSGI server."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

import riskadmin.celery  # noqa: F401  (tasks sent by name go to this application's broker)
from riskadmin.audit.proof.start import refuse_missing_key
from riskadmin.database.start import refuse_excess
from riskadmin.web.whole_body import WholeBody

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskadmin.settings")

application = WholeBody(get_wsgi_application(), seconds=settings.REQUEST_SECONDS)
refuse_excess()
refuse_missing_key()
