"""Addresses of the API: those of its operations, open to any token; each operation says what else it needs."""

from typing import Final

from accounts.api.views import api
from riskadmin.web.access import signed_in

API_URLS: Final = api.urls
for _pattern in API_URLS[0]:
    if _pattern.callback:
        signed_in(_pattern.callback)
