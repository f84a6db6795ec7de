"""The digest of what somebody was shown, and of what is stored."""

import hashlib
import json

from django.core.serializers.json import DjangoJSONEncoder


def digest_of(content: object) -> str:
    """Return the SHA-256, in hex, of `content` as canonical JSON: sorted keys, no blanks, UTF-8."""
    text = json.dumps(content, cls=DjangoJSONEncoder, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_stored(content: object) -> str:
    """Return the same of `content` as PostgreSQL returns it from a column of JSON: alike before and after it is stored.

    There every key is text, and a number without a fraction may come back without its point.
    """
    return digest_of(json.loads(json.dumps(content, cls=DjangoJSONEncoder), parse_float=_number))


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number
