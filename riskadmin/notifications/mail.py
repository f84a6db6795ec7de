"""E-mail: one message, or a person's digest, as plain text and HTML."""

from collections.abc import Sequence
from smtplib import SMTPException, SMTPResponseException
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from riskadmin.notifications.models import Message
from riskadmin.notifications.undelivered import NotDelivered
from riskadmin.staff.models import Staff


def send(person: Staff, messages: Sequence[Message], *, address: str) -> None:
    """Send a person one e-mail about some messages, to an address. Raises NotDelivered."""
    if not settings.EMAIL_IS_ON:
        raise NotDelivered("No mail server is set (EMAIL_HOST).", is_final=True)
    if not address:
        raise NotDelivered("No e-mail address is known for this person.", is_final=True)
    first = messages[0]
    subject = first.subject if len(messages) == 1 else f"{len(messages)} notifications: {first.subject}"
    settings_url = settings.PUBLIC_URL + reverse("notifications:settings")
    context = {"messages": messages, "person": person, "settings_url": settings_url}
    mail = EmailMultiAlternatives(
        subject=f"[riskadmin] {subject}",
        body=render_to_string("notifications/mail.txt", context),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[address],
        # The same in every try, so that a mail program shows a repeated one once.
        headers={"Message-ID": f"<notification-{first.pk}@{urlsplit(settings.PUBLIC_URL).hostname}>"},
    )
    mail.attach_alternative(render_to_string("notifications/mail.html", context), "text/html")
    try:
        mail.send()
    except SMTPResponseException as error:
        raise NotDelivered(f"The mail server refused it with code {error.smtp_code}.") from error
    except (SMTPException, OSError) as error:
        raise NotDelivered(f"The mail server did not take it ({type(error).__name__}).") from error
