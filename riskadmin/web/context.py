"""The data for the frame around every page: `frame` in a template."""

from functools import cached_property

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from riskadmin.web.access import may
from riskadmin.web.clock import display_zone
from riskadmin.web.navigation import Link, links
from riskadmin.web.theme import Theme, cookie_name, theme_of


class Frame:
    """The frame of one page. It is computed when a template uses it, so a fragment doesn't pay for it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def navigation(self) -> list[Link]:
        """The links this person may follow. None for an anonymous visitor."""
        return links(self._request) if self._request.user.is_authenticated else []

    @cached_property
    def theme(self) -> Theme:
        """The theme chosen in this browser."""
        return theme_of(self._request)

    @property
    def theme_cookie(self) -> str:
        """The name of the cookie that keeps the theme, for the script that changes it."""
        return cookie_name()

    @cached_property
    def may_search(self) -> bool:
        """Whether this person may search for accounts."""
        return may(self._request, "accounts:view")

    @property
    def request_id(self) -> str:
        """The request's id, for people who report an error."""
        return getattr(self._request, "request_id", "")

    @property
    def environments(self) -> list[str]:
        """Tradovate's environments that this installation is connected to."""
        return [name for name, url in settings.TRADOVATE_URLS.items() if url]

    @property
    def offers_sso(self) -> bool:
        """Whether people can sign in at an identity provider."""
        return bool(settings.SSO_ISSUER)

    @property
    def zone(self) -> str:
        """The zone in which times are shown, and its current abbreviation: "America/Chicago (CST)"."""
        now = timezone.now().astimezone(display_zone())
        return f"{display_zone().key} ({now:%Z})"


def frame(request: HttpRequest) -> dict[str, Frame]:
    """The context processor."""
    return {"frame": Frame(request)}
