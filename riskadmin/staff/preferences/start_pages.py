"""The page that a person begins with after signing in, unless they were on their way to another."""

from django.conf import settings
from django.shortcuts import resolve_url

from riskadmin.staff.models import Staff
from riskadmin.web.navigation import NavigationEntry


def start_pages(person: Staff) -> list[tuple[str, str]]:
    """Return the pages of the navigation that a person may open: the name of each address, and its label."""
    entries = [NavigationEntry(*entry) for entry in settings.NAVIGATION]
    return [(each.url_name, each.label) for each in entries if each.capability is None or person.may(each.capability)]


def start_address(person: Staff) -> str:
    """Return the address of the page that a person chose; Home's if they chose none, or may no longer open it."""
    is_open = person.start_page in dict(start_pages(person))
    return resolve_url(person.start_page if is_open else settings.LOGIN_REDIRECT_URL)
