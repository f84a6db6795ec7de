"""What the page of connections shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models.functions import Now

from accounts.gateway.connection import connected_environments, outage
from accounts.models import SyncRun
from accounts.models.api import AnswerCap, ApiCredentials, ApiHalt, ApiLimit, ApiSession, ApiToken, IdProof
from riskadmin.tradovate.breaker import Outage
from riskadmin.tradovate.vocabulary import Environment

SESSIONS_SHOWN: Final = 10


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One environment: where it is, what we log in with, our sessions there, and what was found about its answers."""

    environment: Environment
    host: str
    stored: ApiCredentials | None
    token: ApiToken | None
    sessions: Sequence[ApiSession]
    outage: Outage | None
    first_read: SyncRun | None
    proofs: Sequence[IdProof]
    caps: Sequence[AnswerCap]


@dataclass(frozen=True, kw_only=True)
class Stops:
    """What holds calls of our user up, in all environments."""

    halts: Sequence[ApiHalt]
    limits: Sequence[ApiLimit]


def connections() -> list[Connection]:
    """Return every environment that has an address. Six queries for each, and Redis once."""
    return [_connection(environment) for environment in connected_environments()]


def stops() -> Stops:
    """Return the stops and lower limits in force; two queries."""
    user = settings.TRADOVATE_USERNAME
    return Stops(
        halts=list(ApiHalt.objects.filter(api_user=user, until__gt=Now()).order_by("until")),
        limits=list(ApiLimit.objects.filter(api_user=user, until__gt=Now()).order_by("until")),
    )


def _connection(environment: Environment) -> Connection:
    read = SyncRun.objects.filter(environment=environment.value, ended_at__isnull=False, failure="")
    return Connection(
        environment=environment,
        host=urlsplit(settings.TRADOVATE_URLS[environment]).netloc,
        stored=ApiCredentials.objects.filter(environment=environment).first(),
        token=ApiToken.objects.filter(environment=environment).first(),
        sessions=list(ApiSession.objects.filter(environment=environment).order_by("-begun_at")[:SESSIONS_SHOWN]),
        outage=outage(environment),
        first_read=read.order_by("started_at").first(),
        proofs=list(IdProof.objects.filter(environment=environment).order_by("entity")),
        caps=list(AnswerCap.objects.filter(environment=environment).order_by("endpoint")),
    )
