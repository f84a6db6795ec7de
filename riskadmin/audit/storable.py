"""Make any text from Tradovate or a person storable in PostgreSQL, so that one odd byte can't block a row.

`adapters` applies it to everything sent to PostgreSQL.
"""

import math
import re
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

# PostgreSQL stores no NUL in text. Half of a surrogate pair is not a character (JSON can encode both).
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# How JSON escapes them. It escapes whole pairs in the same way.
_PERHAPS_UNSTORABLE = re.compile(rb"\\u(?:0000|d[89a-f])", re.IGNORECASE)

_encode = DjangoJSONEncoder(allow_nan=False).encode


def storable_text(text: str) -> str:
    """Return the text with each character that PostgreSQL refuses replaced by U+FFFD."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)


def storable(value: Any) -> Any:
    """Return a JSON-like value whose texts and keys are storable, and whose NaN and infinities are texts."""
    match value:
        case str():
            return storable_text(value)
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {storable_text(str(key)): storable(part) for key, part in value.items()}
        case list() | tuple():
            return [storable(part) for part in value]
        case _:
            return value


def storable_json(value: Any) -> str:
    """Return the JSON text of a storable value. `storable` is called only where it could change the text."""
    try:
        text = _encode(value)
    except ValueError:  # NaN or an infinity
        return _encode(storable(value))
    return text if is_storable_json(text.encode()) else _encode(storable(value))


def is_storable_json(text: bytes) -> bool:
    """Return whether PostgreSQL is certain to accept a JSON text. False may be a false alarm."""
    return not (b"NaN" in text or b"Infinity" in text or _PERHAPS_UNSTORABLE.search(text))
