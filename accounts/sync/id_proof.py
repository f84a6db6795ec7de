"""Whether a record that belongs to one account has that account's id. Tradovate's pages suggest it, none states it.

Such records (risk status, both levels of limits) name no account. So before a list of them is used, the records of two accounts
are asked for by account, where the response is certainly about that account, and their ids are compared. The result is kept for
each environment and checked again once a day.

If the first accounts have no record, that refutes nothing: then the read itself goes by account, in batches, and the first
records that come are compared before they are used (`Comparison`).

The result is doubted as soon as a read through those ids leaves out an account that should have a record (`look_for`).
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from django.db.models.functions import Now
from django.utils import timezone

from accounts.models.api import IdProof
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.errors import OutcomeUnknown
from riskadmin.tradovate.http_record import Reply

logger = logging.getLogger(__name__)

HOLDS_FOR: Final = timedelta(days=1)
ACCOUNTS_ASKED: Final = 2
DOUBTED: Final = 2
"""This many accounts that a read left out are asked for again, by account."""

TRIES: Final = 6
"""The maximum number of accounts asked for until enough had a record: not every account has one of each."""

RISK_STATUS: Final = "accountRiskStatus"
FIRM_LIMITS: Final = "userAccountAutoLiq"
TRADER_LIMITS: Final = "permissionedAccountAutoLiq"


def by_account(client: Client, entity: str) -> Callable[[Sequence[int]], Reply[list[Any]]]:
    """Return the call that asks for the records of accounts."""
    match entity:
        case "accountRiskStatus":
            return client.account_risk_statuses_by_account
        case "userAccountAutoLiq":
            return client.user_account_auto_liqs_by_account
        case "permissionedAccountAutoLiq":
            return client.permissioned_account_auto_liqs_by_account
        case _:
            raise ValueError(f"{entity} does not belong to one account")


class Refuted(Exception):
    """Records of an entity have ids of their own: it is not known whose records a read has returned so far."""


def has_account_ids(client: Client, entity: str, account_ids: Sequence[int], after_call: Callable[[], None]) -> bool | None:
    """Say whether records of an entity carry their account's id, asking Tradovate about some accounts if needed.

    None if none of those accounts has a record, so that nothing could be compared. Raises `TradovateError`.
    """
    known = IdProof.objects.filter(
        environment=client.environment.value, entity=entity, checked_at__gte=Now() - HOLDS_FOR
    ).first()
    return _compare(client, entity, account_ids, after_call) if known is None else known.matches


def look_for(client: Client, entity: str, account_id: int, after_call: Callable[[], None]) -> Reply[list[Any]]:
    """Ask by account for the record that a read through the accounts' ids left out; return it if it has its account's id.

    Raises `Refuted` if it has another id, which is recorded, and `TradovateError`.
    """
    call = by_account(client, entity)
    reply = call([account_id])
    after_call()
    for record in reply.value:
        if record.id != account_id:
            _refute(client, entity, account_id, record.id)
            raise Refuted
    return reply


class Comparison:
    """Compares the first records that a read returns while nothing is known about their ids.

    `is_proven`: they carry their account's id. While no record came, none can be mistaken for another's.
    """

    def __init__(self, client: Client, entity: str, account_ids: Sequence[int], after_call: Callable[[], None]) -> None:
        self._client = client
        self._entity = entity
        self._accounts = set(account_ids)
        self._after_call = after_call
        self.is_proven = False

    def of_some(self, asked: Sequence[int], came: Sequence[int]) -> None:
        """Compare what a response about some accounts returned. Raises `Refuted`, and `TradovateError` if it can't decide."""
        if self.is_proven or not came:
            return
        is_strange = not set(came) <= set(asked)
        if self._ask([self._owner(asked)] if is_strange else came) is None:
            raise OutcomeUnknown(f"Whose the {self._entity} records are is not known: by themselves, accounts have none")

    def of_list(self, came: Sequence[int]) -> None:
        """Compare what a whole list returned, as far as possible. Raises `Refuted` and `TradovateError`."""
        self._ask([each for each in came if each in self._accounts])

    def _ask(self, account_ids: Sequence[int]) -> bool | None:
        found = _compare(self._client, self._entity, account_ids, self._after_call)
        if found is False:
            raise Refuted
        self.is_proven = self.is_proven or bool(found)
        return found

    def _owner(self, asked: Sequence[int]) -> int:
        """Return an account with a record whose id is none of those asked for, by asking for halves of them."""
        call = by_account(self._client, self._entity)
        everybody = set(asked)
        while len(asked) > 1:
            half = asked[: len(asked) // 2]
            came = {record.id for record in call(half).value}
            self._after_call()
            asked = half if came - everybody else asked[len(half) :]
        return asked[0]


def _compare(client: Client, entity: str, account_ids: Sequence[int], after_call: Callable[[], None]) -> bool | None:
    """Ask for single accounts until two had a record, and keep whether it has its account's id; None if none had one."""
    call = by_account(client, entity)
    compared: list[int] = []
    for account_id in account_ids[:TRIES]:
        records = call([account_id]).value
        after_call()
        for record in records:
            if record.id != account_id:
                _refute(client, entity, account_id, record.id)
                return False
            compared.append(account_id)
        if len(compared) >= ACCOUNTS_ASKED:
            break
    if not compared:
        return None
    _keep(client, entity, compared[-1], compared[-1])
    return True


def refuted() -> list[IdProof]:
    """Return where records were found to have ids of their own, for display."""
    return list(IdProof.objects.filter(matches=False).order_by("environment", "entity"))


def _refute(client: Client, entity: str, account_id: int, record_id: int) -> None:
    logger.warning("The %s of account %s has the id %s", entity, account_id, record_id)
    _keep(client, entity, account_id, record_id)


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
