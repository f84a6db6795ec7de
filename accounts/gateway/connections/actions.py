"""Testing a connection, and replacing what we log in with. Each call is announced in the trail before it is made."""

import time
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.db.models.functions import Now

from accounts.gateway import credentials
from accounts.gateway.connection import client, log_in_with
from accounts.models.api import ApiCredentials
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.errors import NotHandled, OutcomeUnknown, Rejected
from riskadmin.tradovate.tokens import Credentials
from riskadmin.tradovate.vocabulary import Environment, Lane

NEW_CREDENTIALS: Final = "An administrator stored new credentials."


class NotAccepted(Exception):
    """Tradovate did not accept it, or could not be asked; the message says why. Nothing was stored."""


@dataclass(frozen=True, kw_only=True)
class WorkingConnection:
    """A connection that works: how long the answer took, and how many risk categories came."""

    seconds: float
    categories: int


def try_connection(*, actor: Staff, origin: Origin, environment: Environment) -> WorkingConnection:
    """Read the risk categories with what is in use: one call. Raises NotAccepted, and `NotConnected`."""
    _record(Tag.CONNECTION_TESTED, actor, origin, environment)
    begun = time.monotonic()
    try:
        found = client(environment, Lane.URGENT).risk_categories()
    except (NotHandled, OutcomeUnknown, Rejected) as error:
        raise NotAccepted(str(error)) from error
    return WorkingConnection(seconds=time.monotonic() - begun, categories=len(found.value))


def replace_credentials(*, actor: Staff, origin: Origin, environment: Environment, wanted: Credentials) -> None:
    """Log in with other credentials, and store them once Tradovate accepts them. Raises NotAccepted, and `NotConnected`."""
    _record(Tag.CREDENTIALS_TRIED, actor, origin, environment)
    try:
        log_in_with(environment, wanted, why=NEW_CREDENTIALS)
    except (NotHandled, OutcomeUnknown, Rejected) as error:
        raise NotAccepted(str(error)) from error
    with transaction.atomic():
        ApiCredentials.objects.update_or_create(
            environment=environment,
            defaults={
                "sealed": credentials.seal(environment, wanted),
                "set_at": Now(),
                "set_by_name": actor.display_name,
            },
        )
        _record(Tag.CREDENTIALS_STORED, actor, origin, environment)
    credentials.forget()


def _record(tag: Tag, actor: Staff, origin: Origin, environment: Environment) -> None:
    with transaction.atomic():
        record(AuditEntry(tag=tag, actor=actor.who(), origin=origin, detail={"environment": environment.value}))
