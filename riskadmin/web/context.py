"""What the frame around every page needs; `frame` in a template."""

from functools import cached_property

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from riskadmin.web.access import may
from riskadmin.web.clock import display_zone
from riskadmin.web.navigation import Link, links
from riskadmin.web.theme import Theme, theme_of


class Frame:
    """The frame of one page; computed when a template asks, so that a fragment pays nothing for it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def navigation(self) -> list[Link]:
        """The links this person may follow; none for a stranger."""
        return links(self._request) if self._request.user.is_authenticated else []

    @cached_property
    def theme(self) -> Theme:
        """The theme chosen in this browser."""
        return theme_of(self._request)

    @cached_property
    def may_search(self) -> bool:
        """Whether the search for accounts is for this person."""
        return may(self._request, "accounts:view")

    @property
    def request_id(self) -> str:
        """The request's id, for whoever reports a fault."""
        return getattr(self._request, "request_id", "")

    @property
    def environments(self) -> list[str]:
        """Tradovate's environments that this installation is connected to."""
        return [name for name, url in settings.TRADOVATE_URLS.items() if url]

    @property
    def zone(self) -> str:
        """The zone in which times are shown, and its present abbreviation: "America/Chicago (CST)"."""
        now = timezone.now().astimezone(display_zone())
        return f"{display_zone().key} ({now:%Z})"


def frame(request: HttpRequest) -> dict[str, Frame]:
    """The context processor."""
    return {"frame": Frame(request)}
