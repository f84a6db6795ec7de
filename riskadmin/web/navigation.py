"""The navigation in the page frame: the `settings.NAVIGATION` entries that the person may open, with the current one marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from riskadmin.web.access import may


class NavigationEntry(NamedTuple):
    """One tuple of `settings.NAVIGATION`. Without a capability it is for everyone. The badge is a fragment's URL name."""

    label: str
    url_name: str
    icon: str
    capability: str | None = None
    badge_url_name: str | None = None


@dataclass(frozen=True)
class Link:
    """An entry as the frame shows it. `key` opens it after "g"."""

    label: str
    url: str
    icon: str
    key: str
    badge_url: str | None
    is_current: bool


def links(request: HttpRequest) -> list[Link]:
    """Return the entries that the person who sent the request may open, in order."""
    entries = [NavigationEntry(*entry) for entry in settings.NAVIGATION]
    keys = shortcut_keys([entry.label for entry in entries])
    open_to_them = [entry for entry in entries if entry.capability is None or may(request, entry.capability)]
    urls = [reverse(entry.url_name) for entry in open_to_them]
    current = current_url(urls, request.path)
    return [
        Link(
            label=entry.label,
            url=url,
            icon=entry.icon,
            key=keys[entry.label],
            badge_url=reverse(entry.badge_url_name) if entry.badge_url_name else None,
            is_current=url == current,
        )
        for entry, url in zip(open_to_them, urls, strict=True)
    ]


def current_url(urls: Sequence[str], path: str) -> str | None:
    """Return the entry's address that is the longest prefix of the path. The home page's "/" matches only itself."""
    above = [url for url in urls if path == url or (url != "/" and path.startswith(url))]
    return max(above, key=len, default=None)


def shortcut_keys(labels: Sequence[str]) -> dict[str, str]:
    """Give each label its first letter that no earlier label has: the same for everyone, whatever they may open."""
    keys: dict[str, str] = {}
    for label in labels:
        free = (letter for letter in label.lower() if letter.isalpha() and letter not in keys.values())
        keys[label] = next(free, "")
    return keys
