"""What an approval of a change covers, as a digest over its rows: stored with them, and computed again before it counts.

Each item stores a digest of its own row. The change's digest covers its own columns, what policy wants for it, and the digests
of all items in order. At an approval everything is computed again, from every row; at a claim the change and the items that
would be sent, against the items' digests, which are read once for each content and process. docs/adr/0023-stored-content.md
says why.

Digests of this version begin with `VERSION`. Changes with another digest are older than it, and are taken as they are stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from accounts.changes.models import Change, Item
from accounts.changes.reasons.background import in_digest
from accounts.changes.states import ItemState, Relation
from accounts.models.digests import digest_of_stored

LENGTH: Final = 64
"""Characters of a digest, as everywhere where one is stored or sent: hexadecimal digits."""

VERSION: Final = "00000002"
"""How digests of this version begin; 224 bits of the SHA-256 follow. Older ones are a whole SHA-256, so none begins so."""

CHANGES_KEPT: Final = 32
"""The items' digests of this many changes are kept in memory; those of 10,000 items take 600 kB."""

COLUMNS: Final = ("position", "target", "target_name", "account_id", "before", "after", "own_parameters")
"""The columns of an item that its digest covers, beside why it is skipped."""


class ContentAltered(Exception):
    """What is stored is not what was requested and approved; the message says what. Nothing was sent."""

    @property
    def advice(self) -> str:
        """What an approver is told."""
        return f"{self} It can't be approved. Reject it, and inform an administrator."


@dataclass(frozen=True)
class _ItemDigests:
    """The digests of all items of a change, in order, and the digest over them."""

    joined: str
    over_all: str

    def __getitem__(self, position: int) -> str:
        """Return that of the item at a position, from 1; "" if there is none."""
        return self.joined[LENGTH * (position - 1) : LENGTH * position]


def _marked(content: object) -> str:
    return VERSION + digest_of_stored(content)[: LENGTH - len(VERSION)]


def digest_of_item(columns: Mapping[str, Any], *, skip_reason: str, relation: str) -> str:
    """Return the digest of an item, of its COLUMNS. From which state an end of a lock starts is only known when it begins."""
    content = {name: columns[name] for name in COLUMNS}
    if relation == Relation.ENDS:
        del content["before"]
    return _marked({**content, "skip_reason": skip_reason})


def digest_of_change(change: Change, item_digests: Sequence[str]) -> str:
    """Return the digest of a change with these digests of its items, in order."""
    return _digest(change, _over_all("".join(item_digests)))


def _over_all(joined: str) -> str:
    return _marked(joined)


def _digest(change: Change, over_all_items: str) -> str:
    request = change.approval
    return _marked(
        {
            "kind": change.kind,
            "environment": change.environment,
            "parameters": change.parameters,
            "reason_code": change.reason_code,
            "reason_text": change.reason_text,
            "lane": change.lane,
            "form_key": change.form_key,
            "requested_by": change.requested_by_id,
            "requested_by_name": change.requested_by_name,
            "submitted_at": _exactly(change.submitted_at),
            "item_count": change.item_count,
            "items": over_all_items,
            "effects": change.effects,
            "runs_at": _exactly(change.runs_at),
            "window": change.window,
            "goes_on": change.goes_on,
            "review_by": change.review_by,
            "of_change": change.of_change_id,
            "relation": change.relation,
            # What policy wants for it.
            "facts": request.facts,
            "policy": request.policy_id,
            "needed": request.needed,
            "stages": request.stages,
            **in_digest(change),
        }
    )


def _exactly(at: datetime | None) -> str | None:
    """Return a time to the microsecond, in whichever zone it is."""
    return at.astimezone(UTC).isoformat() if at else None


def is_of_this_version(change: Change) -> bool:
    """Whether the digest of a change can be computed again."""
    return change.digest.startswith(VERSION)


def check_all(change: Change) -> None:
    """Check a change that waits for approval, with every row of its items, against its digest. Raises ContentAltered."""
    _check_request(change)
    if not is_of_this_version(change):
        return
    digests: list[str] = []
    for stored, digest in _computed(change):
        if stored != digest:
            raise ContentAltered(f"Item {len(digests) + 1} is not stored as it was requested.")
        digests.append(digest)
    _check_change(change, _over_all("".join(digests)))


def check_items(change: Change, items: Sequence[Item]) -> None:
    """Check a change, and those of its items that would be sent now, against its digest. Raises ContentAltered."""
    _check_request(change)
    if not is_of_this_version(change):
        return
    try:
        _check_items(change, items, _item_digests(change.pk, change.digest))
    except ContentAltered:
        _item_digests.cache_clear()  # somebody may put the rows right
        raise


def digests_without(change: Change, left_out: Mapping[int, str]) -> tuple[str, dict[int, str]]:
    """Return the digest of a waiting change as it is once items are skipped, and the new digests of those items.

    `left_out` says why they are, by their keys.
    """
    digests = {}
    for row in change.items.order_by("position").values("pk", "state", "note", *COLUMNS):
        skipped = row["note"] if row["state"] == ItemState.SKIPPED else ""
        reason = left_out.get(row["pk"], skipped)
        digests[row["pk"]] = digest_of_item(row, skip_reason=reason, relation=change.relation)
    return digest_of_change(change, list(digests.values())), {key: digests[key] for key in left_out}


def _computed(change: Change) -> list[tuple[str, str]]:
    """Return the stored and the computed digest of each item, in order, of a change that waits: it has skipped none itself."""
    rows = change.items.order_by("position").values("digest", "state", "note", *COLUMNS)
    return [
        (
            row["digest"],
            digest_of_item(row, skip_reason=row["note"] if row["state"] == ItemState.SKIPPED else "", relation=change.relation),
        )
        for row in rows
    ]


def _check_request(change: Change) -> None:
    if change.digest != change.approval.digest:
        raise ContentAltered("The change has another digest than what was requested.")


def _check_items(change: Change, items: Sequence[Item], known: _ItemDigests) -> None:
    _check_change(change, known.over_all)
    for item in items:
        columns = {name: getattr(item, name) for name in COLUMNS}
        if known[item.position] != digest_of_item(columns, skip_reason="", relation=change.relation):
            raise ContentAltered(f"Item {item.position} is not stored as it was approved.")


def _check_change(change: Change, over_all_items: str) -> None:
    if _digest(change, over_all_items) != change.digest:
        raise ContentAltered("The change, or what policy wants for it, is not stored as it was requested.")


@lru_cache(maxsize=CHANGES_KEPT)
def _item_digests(change_id: int, digest: str) -> _ItemDigests:
    """Return the digests of a change's items; `digest`, which is over them, names the content that they belong to."""
    del digest
    joined = "".join(Item.objects.filter(change=change_id).order_by("position").values_list("digest", flat=True))
    return _ItemDigests(joined=joined, over_all=_over_all(joined))
