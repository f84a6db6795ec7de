"""A ticket number as pages show it."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from riskadmin.web.tickets import ticket_url

register = template.Library()


@register.filter
def ticket(number: str) -> SafeString:
    """Show a ticket number, as a link to the ticket if there is an address for it."""
    url = ticket_url(number)
    if not url:
        return format_html("{}", number)
    return format_html('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>', url, number)
