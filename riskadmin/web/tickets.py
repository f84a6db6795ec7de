"""Ticket numbers: how one is written (TICKET_PATTERN), and where the ticket is (TICKET_LINK)."""

import re
from typing import Any, Final
from urllib.parse import quote

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

TICKET_MAX: Final = 64


class TicketField(forms.CharField):
    """A ticket number, such as HELP-1234."""

    def __init__(self, **kwargs: Any) -> None:
        """Take what any text field takes."""
        attributes = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"}
        super().__init__(max_length=TICKET_MAX, widget=forms.TextInput(attributes), **kwargs)

    def validate(self, value: Any) -> None:
        """Refuse what is not written as this firm writes its tickets."""
        super().validate(value)
        if value and not re.fullmatch(settings.TICKET_PATTERN, value):
            raise ValidationError(f"This is not a ticket number. Write it as in {settings.TICKET_EXAMPLE}, or leave it empty.")


def ticket_url(ticket: str) -> str:
    """Return the address of a ticket; "" if TICKET_LINK is not set."""
    return settings.TICKET_LINK.replace("{ticket}", quote(ticket, safe="")) if ticket else ""
