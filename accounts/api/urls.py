"""Addresses of the API: those of its operations, open to any token; each operation says what else it needs."""

from typing import Final

from accounts.api.limits import costs_little, is_urgent
from accounts.api.views import api
from riskadmin.web.access import signed_in
from riskadmin.web.rate_limits import PREVIEWS, REQUESTS, rate_limited

API_URLS: Final = api.urls
for _pattern in API_URLS[0]:
    if _pattern.callback:
        signed_in(_pattern.callback)
        rate_limited(REQUESTS, unless=is_urgent)(_pattern.callback)
        rate_limited(PREVIEWS, unless=costs_little)(_pattern.callback)
