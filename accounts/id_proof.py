"""Whether a record that belongs to one account has that account's id. Tradovate's pages let it be inferred, none says so.

Such records (risk status, both levels of limits) name no account. So before a list of them is used, the records of two
accounts are asked for by account, where the answer is surely about that account, and their ids are compared. What was found
is kept for each environment, and looked at again once a day.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from django.db.models.functions import Now
from django.utils import timezone

from accounts.api_models import IdProof
from riskadmin.tradovate import endpoints
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.exchange import Reply

logger = logging.getLogger(__name__)

HOLDS_FOR: Final = timedelta(days=1)
ACCOUNTS_ASKED: Final = 2
TRIES: Final = 6
"""Accounts that are asked for until so many had a record: not every account has one of each."""

RISK_STATUS: Final = "accountRiskStatus"
FIRM_LIMITS: Final = "userAccountAutoLiq"
TRADER_LIMITS: Final = "permissionedAccountAutoLiq"


def by_account(client: Client, entity: str) -> tuple[Callable[[Sequence[int]], Reply[list[Any]]], str]:
    """Return the call that asks for the records of accounts, and its endpoint's name."""
    match entity:
        case "accountRiskStatus":
            return client.account_risk_statuses_by_account, endpoints.ACCOUNT_RISK_STATUSES_BY_ACCOUNT.name
        case "userAccountAutoLiq":
            return client.user_account_auto_liqs_by_account, endpoints.USER_ACCOUNT_AUTO_LIQS_BY_ACCOUNT.name
        case "permissionedAccountAutoLiq":
            return client.permissioned_account_auto_liqs_by_account, endpoints.PERMISSIONED_ACCOUNT_AUTO_LIQS_BY_ACCOUNT.name
        case _:
            raise ValueError(f"{entity} does not belong to one account")


def has_account_ids(client: Client, entity: str, account_ids: Sequence[int], after_call: Callable[[], None]) -> bool:
    """Say whether records of an entity carry their account's id, asking Tradovate about some accounts if need be.

    False also where none of those accounts has a record, so that nothing could be compared: then nothing relies on it.
    Raises `TradovateError`.
    """
    known = IdProof.objects.filter(
        environment=client.environment.value, entity=entity, checked_at__gte=Now() - HOLDS_FOR
    ).first()
    if known is not None:
        return known.matches
    call, _ = by_account(client, entity)
    compared: list[int] = []
    for account_id in account_ids[:TRIES]:
        records = call([account_id]).value
        after_call()
        for record in records:
            if record.id != account_id:
                _keep(client, entity, account_id, record.id)
                logger.warning("The %s of account %s has the id %s", entity, account_id, record.id)
                return False
            compared.append(account_id)
        if len(compared) >= ACCOUNTS_ASKED:
            break
    if not compared:
        return False
    _keep(client, entity, compared[-1], compared[-1])
    return True


def refuted() -> list[IdProof]:
    """Return where records were found to have ids of their own, for people."""
    return list(IdProof.objects.filter(matches=False).order_by("environment", "entity"))


def _keep(client: Client, entity: str, account_id: int, record_id: int) -> None:
    IdProof.objects.update_or_create(
        environment=client.environment.value,
        entity=entity,
        defaults={
            "matches": account_id == record_id,
            "account_id": account_id,
            "record_id": record_id,
            "checked_at": timezone.now(),
        },
    )
