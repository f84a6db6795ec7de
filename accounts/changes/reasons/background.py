"""What a request says about why, besides reason code and text: the firm's reason and a ticket."""

from dataclasses import dataclass
from typing import Any, Final

from accounts.changes.digest import digest_of
from accounts.changes.models import Change
from accounts.changes.reasons.models import Background, FirmReason


@dataclass(frozen=True, kw_only=True)
class Given:
    """What was given with a request."""

    firm_reason_id: int | None = None
    firm_reason_name: str = ""
    ticket: str = ""

    @classmethod
    def of(cls, firm_reason: FirmReason | None, ticket: str) -> "Given":
        """Return what a form says."""
        return cls(
            firm_reason_id=firm_reason.pk if firm_reason else None,
            firm_reason_name=firm_reason.name if firm_reason else "",
            ticket=ticket,
        )


NOTHING: Final = Given()


def given_with(change: Change) -> Given:
    """Return what was given with a stored change, for a change that continues it."""
    kept = Background.objects.filter(change=change).first()
    if kept is None:
        return NOTHING
    return Given(firm_reason_id=kept.firm_reason_id, firm_reason_name=kept.firm_reason_name, ticket=kept.ticket)


def attach(change: Change, given: Given) -> None:
    """Give a change that is not written yet its background; none if nothing was given."""
    if given != NOTHING:
        background = Background(
            change=change, firm_reason_id=given.firm_reason_id, firm_reason_name=given.firm_reason_name, ticket=given.ticket
        )
        background.digest = _digest(background)


def in_digest(change: Change) -> dict[str, str]:
    """Return what the digest of a change covers of this: nothing for a change without it."""
    background = _background(change)
    return {"background": background.digest} if background else {}


def in_trail(change: Change) -> dict[str, str]:
    """Return what the event of a request says of this: the values that were given."""
    background = _background(change)
    said = {"firm_reason": background.firm_reason_name, "ticket": background.ticket} if background else {}
    return {name: value for name, value in said.items() if value}


def store(change: Change) -> None:
    """Write what was given with a change, which was written just before; its items come after. Needs an open transaction."""
    background = _background(change)
    if background:
        background.save(force_insert=True)


def _background(change: Change) -> Background | None:
    # Django puts it on the change when it is made for it (`attach`), and reads it only for a stored change.
    found: Background | None = getattr(change, "background", None)
    return found


def _digest(background: Background) -> str:
    content: dict[str, Any] = {"firm_reason": background.firm_reason_id, "ticket": background.ticket}
    return digest_of(content)
