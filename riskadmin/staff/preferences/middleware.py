"""Each person sees times in the zone that they chose."""

from collections.abc import Callable, Iterable, Iterator
from zoneinfo import ZoneInfo

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from riskadmin.staff.models import Staff
from riskadmin.web.clock import shown_in


class TimeZoneMiddleware:
    """Answers in the zone of the person who is signed in. Comes after authentication in `MIDDLEWARE`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request; what is sent bit by bit is made in that zone, too."""
        zone = request.user.zone if isinstance(request.user, Staff) else None
        with shown_in(zone):
            response = self.get_response(request)
        if zone is not None and isinstance(response, StreamingHttpResponse) and not response.is_async:
            response.streaming_content = _shown_in(zone, response.streaming_content)  # type: ignore[arg-type]  # not async
        return response


def _shown_in(zone: ZoneInfo, parts: Iterable[bytes]) -> Iterator[bytes]:
    remaining = iter(parts)
    while True:
        with shown_in(zone):  # not around `yield`: between two parts the server does other things
            part = next(remaining, None)
        if part is None:
            return
        yield part
