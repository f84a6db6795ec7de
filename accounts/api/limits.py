"""How often a program may ask: as pages limit people, and never for what an emergency may need."""

import json

from django.http import HttpRequest

from accounts.changes.kinds import KINDS
from accounts.changes.states import Direction


def is_urgent(request: HttpRequest, *_: object, **__: object) -> bool:
    """Whether a request is to preview or to request a kind that an emergency may need, such as a lock."""
    if request.method != "POST":
        return False
    try:
        sent = json.loads(request.body)
    except (ValueError, RecursionError):
        return False
    kind = KINDS.get(str(sent.get("kind"))) if isinstance(sent, dict) else None
    return kind is not None and kind.direction != Direction.LOOSENING


def costs_little(request: HttpRequest, *_: object, **__: object) -> bool:
    """Whether a request works out no plan, or is one that is never limited."""
    return request.method != "POST" or is_urgent(request)
